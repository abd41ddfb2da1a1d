/** Text that is copied by a press. */
import { announce } from './announce';

export function Copy({ text, what }: { text: string; what: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce(`${what} copied`);
    } catch {
      announce('The browser does not let this page copy: select the text instead');
    }
  };
  return (
    <button class="copy" aria-label={`Copy ${what}`} title={`Copy ${what}`} onClick={() => void copy()}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M5.5 4.5v-3h8v9h-3M2.5 5.5h8v9h-8z" />
      </svg>
    </button>
  );
}

/** The line of the command line that does the same. */
export function CommandLine({ line }: { line: string }) {
  return (
    <p class="command">
      <code>{line}</code>
      <Copy text={line} what="command line" />
    </p>
  );
}
