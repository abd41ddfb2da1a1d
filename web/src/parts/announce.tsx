/** Short messages that are seen for a while and spoken by screen readers. */
import { signal } from '@preact/signals';

const message = signal('');
let timer = 0;

export function announce(text: string): void {
  message.value = text;
  clearTimeout(timer);
  timer = window.setTimeout(() => (message.value = ''), 4000);
}

export function Announcements() {
  return (
    <div class="toast" role="status" aria-live="polite">
      {message.value}
    </div>
  );
}
