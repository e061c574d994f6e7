// Signatures on plain messages, with contexts, by @noble/post-quantum.
//
// Arguments: `version`; or `verify` or `sign` and folders with the files algorithm, message and context. `verify` reads
// public and signature, and says of each folder, by its name, whether they belong together; `sign` makes a key and
// leaves both. The packages are where SYMBOLON_NOBLE says. What is found is printed as JSON; the tests judge.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { load, version } from "./packages.mjs";

const mlDsa = await load("@noble/post-quantum/ml-dsa.js");
const slhDsa = await load("@noble/post-quantum/slh-dsa.js");

/** The implementation of what a folder's file `algorithm` names: `ml-dsa-65` is `ml_dsa65`. */
function implementation(folder) {
  const name = readFileSync(join(folder, "algorithm"), "utf8");
  const found = name.startsWith("slh-dsa-")
    ? slhDsa[name.replaceAll("-", "_")]
    : mlDsa[name.replace("ml-dsa-", "ml_dsa")];
  if (found === undefined) {
    throw new Error(`no algorithm ${name}`);
  }
  return found;
}

/** A file's bytes, as the library insists: not as what Node makes of them. */
function bytes(folder, name) {
  return new Uint8Array(readFileSync(join(folder, name)));
}

function verify(folder) {
  const context = bytes(folder, "context");
  return implementation(folder).verify(
    bytes(folder, "signature"),
    bytes(folder, "message"),
    bytes(folder, "public"),
    { context },
  );
}

function sign(folder) {
  const algorithm = implementation(folder);
  const { publicKey, secretKey } = algorithm.keygen();
  const context = bytes(folder, "context");
  const signature = algorithm.sign(bytes(folder, "message"), secretKey, { context });
  writeFileSync(join(folder, "public"), publicKey);
  writeFileSync(join(folder, "signature"), signature);
  return true;
}

const [subcommand, ...folders] = process.argv.slice(2);
const run = { verify, sign }[subcommand];
const found =
  subcommand === "version"
    ? version("@noble/post-quantum")
    : Object.fromEntries(folders.map((folder) => [basename(folder), run(folder)]));
console.log(JSON.stringify(found));
