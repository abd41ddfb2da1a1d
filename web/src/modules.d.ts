/** Modules that the build makes. */
declare module '*?worker&inline' {
  const EngineWorker: new (options?: { name?: string }) => Worker;
  export default EngineWorker;
}

declare module 'virtual:sample' {
  const packed: { files: { name: string; size: number }[]; length: number; base64: string };
  export default packed;
}

declare module '*.wasm?url' {
  const url: string;
  export default url;
}

declare module '*.css';

/** Whether this is the page in one file. */
declare const SINGLE_FILE: boolean;

/** What a worker's code may use beside what a page's may; the library for workers cannot be had beside that for pages. */
interface DedicatedWorkerGlobalScope {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
  readonly location: { readonly href: string };
}
