/** The selected place: on the volume, on its component, in every unit. */
import { chunkSize, go, ground, linked, route, show, space, spaceTitle } from '../app/place';
import { volume } from '../app/store';
import { everyUnit } from '../model/address';
import { formatCount, formatHex } from '../model/size';
import { findingsAt } from '../views/findings';
import { sentence } from '../views/overview';
import { Copy } from './copy';

const STATES = [
  'a hole: reads as zeros, takes no room',
  'data',
  'lost: its component is missing',
  'lost: its map entry names what cannot be',
  'lost: its map entry cannot be read',
  'lost: behind the end of its component',
  'lost: its disk could not be read there',
];

export function Place() {
  const shown = volume.value;
  const { virtual, component, physical, state } = linked.value;
  if (!shown || route.value.at === null) {
    return (
      <aside class="place" aria-label="Selected place">
        <h3>Nothing selected</h3>
        <p>Choose a chunk in the picture, or type an address. Arrow keys move, + and - zoom, Enter opens the bytes.</p>
      </aside>
    );
  }
  // On the volume where it lies there, wherever it was selected.
  const around = virtual === null ? ground.value : { ...ground.value, size: shown.virtual_size };
  const units = everyUnit(virtual ?? physical ?? 0n, around);
  const findings = findingsAt(linked.value);
  return (
    <aside class="place" aria-label="Selected place">
      <h3>
        {virtual === null
          ? spaceTitle(space.value)
          : `Virtual chunk ${formatCount(virtual / chunkSize.value)}`}
      </h3>
      <p>{state === null ? 'No byte of the volume lies here.' : `This is ${STATES[state] ?? 'unknown'}.`}</p>
      <dl class="facts">
        {units.map(({ label, value, copied, what }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <code>{value}</code>
              <Copy text={copied} what={what} />
            </dd>
          </div>
        ))}
        {component !== null && virtual !== null && (
          <div>
            <dt>component</dt>
            <dd>{component}</dd>
          </div>
        )}
        {physical !== null && virtual !== null && (
          <div>
            <dt>there</dt>
            <dd>
              chunk {formatCount(physical / chunkSize.value)}, <code>{formatHex(physical)}</code>
              <Copy text={formatHex(physical)} what="address on the component" />
            </dd>
          </div>
        )}
      </dl>
      {findings.map((finding, number) => (
        <p key={number} class={`finding-line ${finding.severity}`}>
          <b>{finding.severity}</b> {sentence(finding.message)}
        </p>
      ))}
      <p class="buttons">
        <button
          onClick={() => (virtual === null ? show('hex') : go({ view: 'hex', space: 'volume', at: virtual }))}
        >
          Show the bytes
        </button>
        {virtual !== null && component !== null && physical !== null && (
          <button onClick={() => go({ view: 'hex', space: `c${component}`, at: physical })}>On component {component}</button>
        )}
        {route.value.view !== 'map' && <button onClick={() => show('map')}>Show on the map</button>}
      </p>
    </aside>
  );
}
