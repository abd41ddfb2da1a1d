/** The frame of the page: what can be opened, the views, what went wrong. */
import { signal } from '@preact/signals';
import { views } from '../views';
import { Open } from './open';
import { cancelOpening, notices, opened, phase, problem, work } from './store';

export const view = signal(views[0]!.name);

export function Shell() {
  const shown = views.find(({ name }) => name === view.value) ?? views[0]!;
  const View = shown.view;
  return (
    <>
      <header>
        <h1>virstor inspector</h1>
        <Open />
      </header>
      {opened.value && (
        <nav aria-label="Views">
          {views.map(({ name, title }) => (
            <button key={name} data-view={name} aria-current={name === shown.name ? 'page' : undefined} onClick={() => (view.value = name)}>
              {title}
            </button>
          ))}
        </nav>
      )}
      <main>
        {problem.value && (
          <div role="alert" class="problem" data-code={problem.value.code}>
            <p>{problem.value.message}</p>
            <button onClick={() => (problem.value = null)}>Dismiss</button>
          </div>
        )}
        {notices.value.map((notice) => (
          <p key={notice} role="status">
            {notice}
          </p>
        ))}
        {work.value && (
          <p role="status" data-work={work.value.stage}>
            <Progress /> {phase.value === 'opening' && <button onClick={cancelOpening}>Cancel</button>}
          </p>
        )}
        {opened.value && <View />}
      </main>
      <footer>
        <p>Files are read here, in this browser. Nothing is sent anywhere: the page's own policy forbids it.</p>
      </footer>
    </>
  );
}

function Progress() {
  const { stage, label, done, all } = work.value!;
  const words = { searching: 'searching', 'reading-map': 'reading the map on', hashing: 'hashing', exporting: 'exporting' }[stage];
  const share = all > 0n ? Number((done * 1000n) / all) / 1000 : 0;
  return (
    <>
      <progress value={share} aria-label={`${words} ${label}`} /> {words} {label}
    </>
  );
}
