/** The engine's WebAssembly module: loaded and compiled once, whatever number of workers comes and goes. */
import wasmUrl from './glue/virstor_wasm_bg.wasm?url';

let compiled: Promise<WebAssembly.Module> | null = null;

/** The module. It is loaded when the page is: nothing is asked of the network after that. */
export function engineModule(): Promise<WebAssembly.Module> {
  return (compiled ??= compile());
}

function compile(): Promise<WebAssembly.Module> {
  const inlined = bytesIn(wasmUrl);
  return inlined ? WebAssembly.compile(inlined) : WebAssembly.compileStreaming(fetch(wasmUrl));
}

/** The bytes of a `data:` address: a policy without network forbids to fetch even those. */
function bytesIn(url: string): Uint8Array<ArrayBuffer> | null {
  if (!url.startsWith('data:')) return null;
  const text = atob(url.slice(url.indexOf(',') + 1));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
