// SLH-DSA signatures on plain messages by liboqs, compiled to WebAssembly. It has no contexts here.
//
// Arguments: `version`; or `verify` or `sign` and folders with the files algorithm and message. `verify` reads public and
// signature, and says of each folder, by its name, whether they belong together; `sign` makes a key and leaves both. The
// package is where SYMBOLON_LIBOQS_MODULES says. What is found is printed as JSON; the tests judge.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.SYMBOLON_LIBOQS_MODULES;
if (folder === undefined) {
  throw new Error("SYMBOLON_LIBOQS_MODULES names no folder; `cargo xtask interop liboqs` makes one");
}
const root = join(folder, "@openforge-sh/liboqs");
const { version, main, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entry = exports?.["."]?.import ?? main;
const library = await import(pathToFileURL(join(root, entry.default ?? entry)).href);

/** What a folder's file `algorithm` names: `slh-dsa-sha2-128s` is made by createSlhDsaSha2128s. */
async function implementation(folder) {
  const [, , hash, set] = readFileSync(join(folder, "algorithm"), "utf8").split("-");
  return library[`createSlhDsa${hash[0].toUpperCase()}${hash.slice(1)}${set}`]();
}

/** A file's bytes, as the library insists: not as what Node makes of them. */
function bytes(folder, name) {
  return new Uint8Array(readFileSync(join(folder, name)));
}

async function verify(folder) {
  const algorithm = await implementation(folder);
  return algorithm.verify(bytes(folder, "message"), bytes(folder, "signature"), bytes(folder, "public"));
}

async function sign(folder) {
  const algorithm = await implementation(folder);
  const { publicKey, secretKey } = algorithm.generateKeyPair();
  writeFileSync(join(folder, "public"), publicKey);
  writeFileSync(join(folder, "signature"), algorithm.sign(bytes(folder, "message"), secretKey));
  return true;
}

const [subcommand, ...folders] = process.argv.slice(2);
const run = { verify, sign }[subcommand];
const found = {};
for (const folder of folders) {
  found[basename(folder)] = await run(folder);
}
console.log(JSON.stringify(subcommand === "version" ? version : found));
