/** What was opened, in words. */
import { checked, opened } from '../app/store';

export function Overview() {
  const { info } = opened.value!;
  return (
    <section aria-label="Overview">
      <p data-verdict={checked.value?.verdict}>{checked.value ? `Verdict: ${checked.value.verdict}` : 'Checking ...'}</p>
      {info.volumes.length === 0 && <p>There is no virstor volume in these files.</p>}
      {info.volumes.map((volume) => (
        <article key={`${volume.name}/${volume.id}`}>
          <h2>
            {volume.name || '(without a name)'} (id {volume.id})
          </h2>
          <p>
            {String(volume.virtual_size)} bytes in chunks of {String(volume.chunk_size)}, {String(volume.allocated_chunks)} of{' '}
            {String(volume.virtual_chunks)} allocated; {volume.components.length} of {volume.component_count} components
          </p>
          <ul>
            {volume.components.map(({ index, file }) => (
              <li key={index}>
                component {index}: {file}
              </li>
            ))}
          </ul>
        </article>
      ))}
      {info.other_files.map(({ file, message }) => (
        <p key={file} data-other={file}>
          {file}: {message}
        </p>
      ))}
    </section>
  );
}
