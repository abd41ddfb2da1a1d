import { render } from 'preact';
import './style.css';
import { Shell } from './app/shell';

declare const SINGLE_FILE: boolean;

render(<Shell />, document.getElementById('app')!);

// From a file there is nothing to install, and nothing that could be missing.
if (!SINGLE_FILE && 'serviceWorker' in navigator && location.protocol.startsWith('http')) {
  // Without it the page still works, as long as there is a network.
  navigator.serviceWorker.register('./service-worker.js').catch(() => {});
}
