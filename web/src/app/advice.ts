/** What to do about a failure. */
import type { Failure } from '../engine/protocol';

/** Sentences: what may have happened, and what helps. Empty where the message says all. */
export function advice({ code }: Failure): string {
  switch (code) {
    case 'changed':
      return 'A file that changed cannot be read on in this browser. Pick the files again; stop what writes to them first.';
    case 'io':
      return 'If the file is still there and unchanged, its disk may be failing: copy it with ddrescue first, and open the copy.';
    case 'engine-stopped':
      return 'The files are open again: repeat what you did. If it happens again, the program virstor does the same outside the browser.';
    case 'engine-missing':
      return 'The page needs WebAssembly and workers: Chrome or Edge 120, Firefox 121, Safari 17 or later. The program virstor needs no browser.';
    case 'too-fragmented':
      return 'Choose qcow2, export in parts by range, or use a browser that can write files (Chrome, Edge).';
    case 'specimen':
      return 'Open the files themselves: records, map, findings and a repair plan are all that a specimen can give.';
    case 'lost':
      return 'Add the missing component, or have lost bytes written as zeros.';
    case 'out-of-range':
      return 'Choose a range within the volume.';
    case 'no-such-file':
    case 'no-such-component':
    case 'no-such-volume':
      return 'It may have been there before other files were opened: choose again.';
    case 'browser':
      return 'The browser refused. Reload the page and open the files again; nothing is lost by that.';
    default:
      return '';
  }
}
