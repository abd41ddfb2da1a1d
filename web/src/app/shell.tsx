/** The frame of the page: what is open, the views, what went wrong. */
import { useEffect } from 'preact/hooks';
import { formatSize, plural } from '../model/size';
import { AddressBox } from '../parts/address-box';
import { Announcements } from '../parts/announce';
import { views } from '../views';
import { advice } from './advice';
import { dialogs, nextTheme, onKey } from './commands';
import { Palette, Shortcuts } from './dialogs';
import { chosen } from './look';
import { Open } from './open';
import { show, view } from './place';
import { cancelOpening, close, files, notices, opened, phase, problem, work } from './store';
import { stale, watch } from './watch';

export function Shell() {
  const current = views.find(({ name }) => name === view.value) ?? views[0]!;
  const View = current.view;
  const open = opened.value !== null;
  useEffect(() => {
    addEventListener('keydown', onKey);
    const forget = watch();
    return () => {
      removeEventListener('keydown', onKey);
      forget();
    };
  }, []);
  useEffect(() => {
    // On a narrow screen the row of views is wider than the screen.
    document.querySelector('nav [aria-current=page]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [current.name]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        To the content
      </a>
      <header>
        <h1>
          virstor <span>inspector</span>
        </h1>
        {open && <AddressBox />}
        <span class="tools">
          <button class="quiet" title="Commands (Ctrl K)" onClick={() => dialogs.palette()}>
            Commands <kbd aria-hidden="true">Ctrl K</kbd>
          </button>
          <button class="quiet" aria-label={`Theme: ${chosen.value}`} title={`Theme: ${chosen.value}`} onClick={nextTheme}>
            {{ system: '◐', light: '○', dark: '●' }[chosen.value]}
          </button>
          <button class="quiet" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => dialogs.shortcuts()}>
            ?
          </button>
        </span>
      </header>
      <FilesBar />
      {open && (
        <nav aria-label="Views">
          {views.map(({ name, title }) => (
            <button key={name} data-view={name} aria-current={name === current.name ? 'page' : undefined} onClick={() => show(name)}>
              {title}
            </button>
          ))}
        </nav>
      )}
      <main id="main" tabIndex={-1}>
        <Messages />
        {!open && phase.value !== 'opening' && <Welcome />}
        {open && <View />}
      </main>
      <footer>
        <Privacy />
      </footer>
      <Palette />
      <Shortcuts />
      <Announcements />
    </>
  );
}

function skip(event: Event): void {
  // The fragment says where one is; it is not for jumping.
  event.preventDefault();
  document.getElementById('main')?.focus();
}

/** What is open, in a line; what can be opened. */
function FilesBar() {
  const open = opened.value !== null;
  const bytes = files.value.reduce((sum, { size }) => sum + BigInt(size), 0n);
  return (
    <section class={open ? 'files-bar' : 'files-bar large'} aria-label="Files">
      {open && (
        <p title={files.value.slice(0, 40).map(({ label }) => label).join('\n')}>
          {plural(files.value.length, 'file')}, {formatSize(bytes)}
        </p>
      )}
      <Open />
      {phase.value !== 'empty' && (
        <button class="quiet" data-close onClick={close}>
          Close
        </button>
      )}
    </section>
  );
}

function Messages() {
  const failure = problem.value?.failure;
  return (
    <>
      {failure && (
        <div role="alert" class="problem" data-code={failure.code}>
          <p>
            <b>{upper(failure.message)}</b>
          </p>
          <p>{advice(failure)}</p>
          <p class="buttons">
            {failure.code === 'changed' && <button onClick={() => dialogs.pick()}>Pick the files again</button>}
            <button onClick={() => (problem.value = null)}>Dismiss</button>
          </p>
        </div>
      )}
      {stale.value.length > 0 && (
        <div role="alert" class="problem" data-stale>
          <p>
            <b>
              {stale.value.slice(0, 3).join(', ')} {stale.value.length === 1 ? 'has' : 'have'} changed since{' '}
              {stale.value.length === 1 ? 'it was' : 'they were'} picked, or cannot be read any more.
            </b>{' '}
            What is shown may be out of date.
          </p>
          <p class="buttons">
            <button onClick={() => dialogs.pick()}>Pick the files again</button>
          </p>
        </div>
      )}
      {notices.value.map((notice) => (
        <p key={notice} role="status" class="notice-line">
          {upper(notice)}
        </p>
      ))}
      {work.value && (
        <p role="status" class="work" data-work={work.value.stage}>
          <Progress /> {phase.value === 'opening' && <button onClick={cancelOpening}>Cancel</button>}
        </p>
      )}
    </>
  );
}

function upper(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

const STAGES = { searching: 'searching', 'reading-map': 'reading the map on', 'reading-data': 'reading the data of', hashing: 'hashing', exporting: 'exporting' };

function Progress() {
  const { stage, label, done, all } = work.value!;
  const words = STAGES[stage];
  const share = all > 0n ? Number((done * 1000n) / all) / 1000 : 0;
  return (
    <>
      <progress value={share} aria-label={`${words} ${label}`} /> {words} {label}
    </>
  );
}

/** What there is to see before anything is open. */
function Welcome() {
  return (
    <section class="welcome" aria-labelledby="welcome-title">
      <h2 id="welcome-title" class="unseen">
        What this is
      </h2>
      <p>
        <b>Look into FreeBSD GEOM virstor volumes.</b> Components are also found inside disk images. The page tells which volume
        they make, what FreeBSD would do with it, which bytes lie where, and what is wrong or missing; it shows every byte, and
        exports what can be had.
      </p>
      <p>Files are only read, piece by piece: terabytes are fine, and nothing is changed.</p>
    </section>
  );
}

function Privacy() {
  return (
    <details>
      <summary>Nothing leaves this computer, and the browser enforces it</summary>
      <p>
        The page carries a content security policy that forbids connections to anywhere but the page's own files
        {SINGLE_FILE ? ' (this page, a single file, may not connect at all)' : ''}. To see for yourself: open the developer tools,
        choose Network, and work; or disconnect the computer, as the page works without a network. In the tools' console,{' '}
        <code>fetch('https://example.org')</code> is refused by the policy.
      </p>
    </details>
  );
}
