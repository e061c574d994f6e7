// Verifies composite chains with nothing but the noble libraries, Node's RSA and the text of the standard.
//
// Each argument is a folder with leaf.der, intermediate.der and root.der. Prints a JSON object with one report for each
// folder, by its name: for each certificate which halves of its signature verify under the issuer's key. The libraries
// know no composites; this puts them together as sections 4.2, 4.3 and 6 of draft-ietf-lamps-pq-composite-sigs-19 say.

import { constants, createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { load } from "./packages.mjs";

const { ml_dsa44, ml_dsa65, ml_dsa87 } = await load("@noble/post-quantum/ml-dsa.js");
const { p256, p384, p521 } = await load("@noble/curves/nist.js");
const { brainpoolP256r1, brainpoolP384r1 } = await load("@noble/curves/misc.js");
const { ed25519 } = await load("@noble/curves/ed25519.js");
const { ed448 } = await load("@noble/curves/ed448.js");

const PREFIX = Buffer.from("CompositeAlgorithmSignatures2025");

const ecdsa = (curve) => (key, message, signature) =>
  curve.verify(new Uint8Array(signature), new Uint8Array(message), new Uint8Array(key), {
    format: "der",
    lowS: false,
  });
const edwards = (curve) => (key, message, signature) =>
  curve.verify(new Uint8Array(signature), new Uint8Array(message), new Uint8Array(key));
const rsa = (hash, padding) => (key, message, signature) => {
  const parsed = createPublicKey({ key, format: "der", type: "pkcs1" });
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return verify(hash, message, { key: parsed, padding, saltLength }, signature);
};
const pss = (hash) => rsa(hash, constants.RSA_PKCS1_PSS_PADDING);
const pkcs15 = (hash) => rsa(hash, constants.RSA_PKCS1_PADDING);

// The last arc of 1.3.6.1.5.5.7.6.N: what follows COMPSIG- in the label, the pre-hash is its end; the traditional half.
const COMPOSITES = {
  37: ["MLDSA44-RSA2048-PSS-SHA256", pss("sha256")],
  38: ["MLDSA44-RSA2048-PKCS15-SHA256", pkcs15("sha256")],
  39: ["MLDSA44-Ed25519-SHA512", edwards(ed25519)],
  40: ["MLDSA44-ECDSA-P256-SHA256", ecdsa(p256)],
  41: ["MLDSA65-RSA3072-PSS-SHA512", pss("sha256")],
  42: ["MLDSA65-RSA3072-PKCS15-SHA512", pkcs15("sha256")],
  43: ["MLDSA65-RSA4096-PSS-SHA512", pss("sha384")],
  44: ["MLDSA65-RSA4096-PKCS15-SHA512", pkcs15("sha384")],
  45: ["MLDSA65-ECDSA-P256-SHA512", ecdsa(p256)],
  46: ["MLDSA65-ECDSA-P384-SHA512", ecdsa(p384)],
  47: ["MLDSA65-ECDSA-BP256-SHA512", ecdsa(brainpoolP256r1)],
  48: ["MLDSA65-Ed25519-SHA512", edwards(ed25519)],
  49: ["MLDSA87-ECDSA-P384-SHA512", ecdsa(p384)],
  50: ["MLDSA87-ECDSA-BP384-SHA512", ecdsa(brainpoolP384r1)],
  51: ["MLDSA87-Ed448-SHAKE256", edwards(ed448)],
  52: ["MLDSA87-RSA3072-PSS-SHA512", pss("sha256")],
  53: ["MLDSA87-RSA4096-PSS-SHA512", pss("sha384")],
  54: ["MLDSA87-ECDSA-P521-SHA512", ecdsa(p521)],
};

/** The ML-DSA half by the beginning of the label, with the sizes in bytes of its public key and signature. */
const ML_DSA = {
  MLDSA44: [ml_dsa44, 1312, 2420],
  MLDSA65: [ml_dsa65, 1952, 3309],
  MLDSA87: [ml_dsa87, 2592, 4627],
};

function preHash(label, content) {
  if (label.endsWith("-SHAKE256")) {
    return createHash("shake256", { outputLength: 64 }).update(content).digest();
  }
  return createHash(label.slice(label.lastIndexOf("-") + 1).toLowerCase()).update(content).digest();
}

/** The elements of a DER structure: each with its header, and its content alone. */
function elements(der) {
  const found = [];
  for (let at = 0; at < der.length; ) {
    let [length, start] = [der[at + 1], at + 2];
    if (length & 0x80) {
      const octets = length & 0x7f;
      length = der.readUIntBE(start, octets);
      start += octets;
    }
    found.push({ whole: der.subarray(at, start + length), content: der.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

function certificate(folder, name) {
  const [outer] = elements(readFileSync(join(folder, `${name}.der`)));
  const [tbs, algorithm, signature] = elements(outer.content);
  const spki = elements(elements(tbs.content)[6].content);
  const arc = (identifier) => identifier.whole.at(-1);
  return {
    tbs: tbs.whole,
    algorithm: arc(elements(algorithm.content)[0]),
    // Behind the count of unused bits.
    signature: signature.content.subarray(1),
    keyAlgorithm: arc(elements(spki[0].content)[0]),
    key: spki[1].content.subarray(1),
  };
}

function check(issued, issuer) {
  if (issued.algorithm !== issuer.keyAlgorithm) {
    throw new Error(`signed as ${issued.algorithm} by a key of ${issuer.keyAlgorithm}`);
  }
  const [name, traditional] = COMPOSITES[issued.algorithm];
  const [mlDsa, keyLength, signatureLength] = ML_DSA[name.split("-")[0]];
  const label = Buffer.from(`COMPSIG-${name}`);
  const message = Buffer.concat([PREFIX, label, Buffer.of(0), preHash(name, issued.tbs)]);
  const postQuantum = mlDsa.verify(
    new Uint8Array(issued.signature.subarray(0, signatureLength)),
    new Uint8Array(message),
    new Uint8Array(issuer.key.subarray(0, keyLength)),
    { context: new Uint8Array(label) },
  );
  const rest = [issuer.key.subarray(keyLength), message, issued.signature.subarray(signatureLength)];
  return { post_quantum: postQuantum, classical: traditional(...rest) };
}

function report(folder) {
  const [leaf, intermediate, root] = ["leaf", "intermediate", "root"].map((name) => certificate(folder, name));
  return {
    leaf: check(leaf, intermediate),
    intermediate: check(intermediate, root),
    root: check(root, root),
  };
}

const folders = process.argv.slice(2);
console.log(JSON.stringify(Object.fromEntries(folders.map((folder) => [basename(folder), report(folder)]))));
