/** How the page looks: light or dark, as the system has it or as was chosen. */
import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

export const chosen = signal<Theme>(remembered());

/** Changes whenever colours do. */
export const theme = signal(0);

const KEY = 'virstor-theme';

function remembered(): Theme {
  try {
    const text = localStorage.getItem('virstor-theme');
    return text === 'light' || text === 'dark' ? text : 'system';
  } catch {
    // A page from a file may have no storage.
    return 'system';
  }
}

effect(() => {
  const name = chosen.value;
  if (name === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = name;
  try {
    if (name === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, name);
  } catch {
    // It is for this visit then.
  }
  theme.value = theme.peek() + 1;
});

for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)', '(prefers-contrast: more)']) {
  matchMedia(query).addEventListener('change', () => (theme.value += 1));
}
