#!/usr/bin/env node
// Runs the preview1 module in Node's own WASI: no other runtime needs to be installed.
//
// The program sees the current folder as `.` and nothing else of the machine: no other folder, no
// environment, no network (preview1 has none). Its exit status becomes that of this process.

import { readFile } from "node:fs/promises";

// In the npm package the module lies beside this file, in the repository where it is built.
const MODULES = ["virstor-wasip1.wasm", "../../dist/virstor-wasip1.wasm"].map((path) => new URL(path, import.meta.url));

// From the program's own table of exit statuses: the operation failed.
const FAILED = 8;
// What a shell reports of a native program that aborts, and wasmtime of a trap. Node's own 1 would
// say "damage was repaired".
const ABORTED = 134;

process.exitCode = await run(process.argv.slice(2));

async function run(args) {
  const module = await compile();
  if (module === undefined) return FAILED;

  const WASI = await quietWasi();
  const wasi = new WASI({
    version: "preview1",
    args: ["virstor", ...args],
    env: {},
    preopens: { ".": process.cwd() },
    returnOnExit: true,
  });
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  try {
    return wasi.start(instance);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    console.error(`virstor: the program aborted: ${error.stack}`);
    return ABORTED;
  }
}

async function compile() {
  for (const url of MODULES) {
    const bytes = await readFile(url).catch(() => undefined);
    if (bytes !== undefined) return WebAssembly.compile(bytes);
  }
  console.error(`virstor: there is no ${MODULES.at(-1).pathname}; \`npm run build\` makes it`);
  return undefined;
}

// Node announces on stderr, where scripts look for our one line, that its WASI is experimental. The
// import waits until that one warning is filtered, so it cannot be a static one.
async function quietWasi() {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    if (rest[0] === "ExperimentalWarning" && String(warning).startsWith("WASI ")) return;
    emitWarning.call(process, warning, ...rest);
  };
  const { WASI } = await import("node:wasi");
  return WASI;
}
