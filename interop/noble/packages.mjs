// The packages of package-lock.json, installed outside the checkout, where import does not look by itself.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.SYMBOLON_NOBLE;
if (folder === undefined) {
  throw new Error("SYMBOLON_NOBLE names no folder; `cargo xtask interop noble` makes one");
}

/** A module by what would stand behind `import`. */
export function load(name) {
  return import(pathToFileURL(join(folder, name)).href);
}

/** What a package says of its version. */
export function version(name) {
  return JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8")).version;
}
