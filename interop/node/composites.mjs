// Composites with nothing but Node.js and the text of the standard.
//
// Each argument is a folder as `Chain::write` fills it. Prints a JSON object with one report for each folder, by the
// folder's name: for leaf, intermediate and root which halves of the signature verify under the issuer's key, and a
// signature by the leaf's private key.
//
// Node.js knows no composites. It does know their components, ML-DSA contexts included, so this is an implementation
// of draft-ietf-lamps-pq-composite-sigs-19 that has nothing in common with ours: sections 4.2 and 4.3 for keys and
// signatures, section 6 for the labels and hashes.

import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const PREFIX = Buffer.from("CompositeAlgorithmSignatures2025");
const MESSAGE = Buffer.from("signed by both halves");

// Sizes in bytes of an ML-DSA public key and signature.
const ML_DSA = { 44: [1312, 2420], 65: [1952, 3309], 87: [2592, 4627] };

const curve = (name, oid, hash) => ({ curve: name, oid, hash });
const P256 = curve("prime256v1", "06082a8648ce3d030107", "sha256");
const P384 = curve("secp384r1", "06052b81040022", "sha384");
const P521 = curve("secp521r1", "06052b81040023", "sha512");
const BP256 = curve("brainpoolP256r1", "06092b2403030208010107", "sha256");
const BP384 = curve("brainpoolP384r1", "06092b240303020801010b", "sha384");
const ED25519 = { edwards: "ed25519", oid: "06032b6570" };
const ED448 = { edwards: "ed448", oid: "06032b6571" };
const rsa = (hash, salt) => ({ rsa: true, hash, salt });

// The last arc of 1.3.6.1.5.5.7.6.N: label, pre-hash, ML-DSA parameter set, traditional half.
const COMPOSITES = {
  37: ["COMPSIG-MLDSA44-RSA2048-PSS-SHA256", "sha256", 44, rsa("sha256", 32)],
  38: ["COMPSIG-MLDSA44-RSA2048-PKCS15-SHA256", "sha256", 44, rsa("sha256")],
  39: ["COMPSIG-MLDSA44-Ed25519-SHA512", "sha512", 44, ED25519],
  40: ["COMPSIG-MLDSA44-ECDSA-P256-SHA256", "sha256", 44, P256],
  41: ["COMPSIG-MLDSA65-RSA3072-PSS-SHA512", "sha512", 65, rsa("sha256", 32)],
  42: ["COMPSIG-MLDSA65-RSA3072-PKCS15-SHA512", "sha512", 65, rsa("sha256")],
  43: ["COMPSIG-MLDSA65-RSA4096-PSS-SHA512", "sha512", 65, rsa("sha384", 48)],
  44: ["COMPSIG-MLDSA65-RSA4096-PKCS15-SHA512", "sha512", 65, rsa("sha384")],
  45: ["COMPSIG-MLDSA65-ECDSA-P256-SHA512", "sha512", 65, P256],
  46: ["COMPSIG-MLDSA65-ECDSA-P384-SHA512", "sha512", 65, P384],
  47: ["COMPSIG-MLDSA65-ECDSA-BP256-SHA512", "sha512", 65, BP256],
  48: ["COMPSIG-MLDSA65-Ed25519-SHA512", "sha512", 65, ED25519],
  49: ["COMPSIG-MLDSA87-ECDSA-P384-SHA512", "sha512", 87, P384],
  50: ["COMPSIG-MLDSA87-ECDSA-BP384-SHA512", "sha512", 87, BP384],
  51: ["COMPSIG-MLDSA87-Ed448-SHAKE256", "shake256", 87, ED448],
  52: ["COMPSIG-MLDSA87-RSA3072-PSS-SHA512", "sha512", 87, rsa("sha256", 32)],
  53: ["COMPSIG-MLDSA87-RSA4096-PSS-SHA512", "sha512", 87, rsa("sha384", 48)],
  54: ["COMPSIG-MLDSA87-ECDSA-P521-SHA512", "sha512", 87, P521],
};

// The content of the DER element at a place, and the place after it.
function element(der, at = 0) {
  let length = der[at + 1];
  let start = at + 2;
  if (length & 0x80) {
    const end = start + (length & 0x7f);
    length = parseInt(der.toString("hex", start, end), 16);
    start = end;
  }
  return { content: der.subarray(start, start + length), end: start + length, whole: der.subarray(at, start + length) };
}

function children(der) {
  const found = [];
  for (let at = 0; at < der.length; ) {
    const child = element(der, at);
    found.push(child);
    at = child.end;
  }
  return found;
}

function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

// What a certificate says of its key and its signature: the fields of a version 3 TBSCertificate.
function parse(file) {
  const [tbs, algorithm, signature] = children(element(file).content);
  const [keyAlgorithm, key] = children(children(tbs.content)[6].content);
  const oid = (sequence) => children(sequence.content)[0].content;
  return {
    tbs: tbs.whole,
    arc: arc(oid(algorithm)),
    keyArc: arc(oid(keyAlgorithm)),
    signature: signature.content.subarray(1),
    key: key.content.subarray(1),
  };
}

// 1.3.6.1.5.5.7.6.N, whose last arc is below 128.
function arc(oid) {
  const hex = oid.toString("hex");
  if (!hex.startsWith("2b060105050706") || oid.length !== 8) throw new Error(`no composite: ${hex}`);
  return oid[7];
}

function algorithm([label, preHash, set, traditional]) {
  const options = preHash === "shake256" ? { outputLength: 64 } : undefined;
  const digest = (message) => crypto.createHash(preHash, options).update(message).digest();
  return {
    label: Buffer.from(label),
    type: `ml-dsa-${set}`,
    sizes: ML_DSA[set],
    traditional,
    message: (message) => Buffer.concat([PREFIX, Buffer.from(label), Buffer.from([0]), digest(message)]),
  };
}

function traditionalOptions({ rsa: isRsa, salt }, key) {
  if (!isRsa || salt === undefined) return { key };
  return { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: salt };
}

function publicHalf(traditional, bytes) {
  if (traditional.rsa) return crypto.createPublicKey({ key: bytes, format: "der", type: "pkcs1" });
  const oid = Buffer.from(traditional.oid, "hex");
  const ec = Buffer.from("06072a8648ce3d0201", "hex");
  const identifier = traditional.edwards ? der(0x30, oid) : der(0x30, ec, oid);
  const spki = der(0x30, identifier, der(0x03, Buffer.from([0]), bytes));
  return crypto.createPublicKey({ key: spki, format: "der", type: "spki" });
}

function privateHalf(traditional, bytes) {
  const key = (key, type) => crypto.createPrivateKey({ key, format: "der", type });
  if (traditional.rsa) return key(bytes, "pkcs1");
  if (traditional.curve) return key(bytes, "sec1");
  const oid = Buffer.from(traditional.oid, "hex");
  return key(der(0x30, der(0x02, Buffer.from([0])), der(0x30, oid), der(0x04, der(0x04, bytes))), "pkcs8");
}

function check(certificate, issuer) {
  if (certificate.arc !== issuer.keyArc) throw new Error("the issuer's key is of another algorithm");
  const { label, type, sizes, traditional, message } = algorithm(COMPOSITES[certificate.arc]);
  const [keySize, signatureSize] = sizes;
  const signed = message(certificate.tbs);
  const key = issuer.key;
  const postQuantum = crypto.createPublicKey({
    key: key.subarray(0, keySize),
    format: "raw-public",
    asymmetricKeyType: type,
  });
  const classical = publicHalf(traditional, key.subarray(keySize));
  const { signature } = certificate;
  return {
    post_quantum: crypto.verify(null, signed, { key: postQuantum, context: label }, signature.subarray(0, signatureSize)),
    classical: crypto.verify(
      traditional.hash ?? null,
      signed,
      traditionalOptions(traditional, classical),
      signature.subarray(signatureSize),
    ),
  };
}

// A composite signature put together from the seed and the traditional key of a PKCS#8 file.
function sign(pkcs8) {
  const [, identifier, octets] = children(element(pkcs8).content);
  const kind = COMPOSITES[arc(children(identifier.content)[0].content)];
  const { label, type, traditional, message } = algorithm(kind);
  const seed = octets.content.subarray(0, 32);
  const postQuantum = crypto.createPrivateKey({ key: seed, format: "raw-seed", asymmetricKeyType: type });
  const classical = privateHalf(traditional, octets.content.subarray(32));
  const signed = message(MESSAGE);
  return Buffer.concat([
    crypto.sign(null, signed, { key: postQuantum, context: label }),
    crypto.sign(traditional.hash ?? null, signed, traditionalOptions(traditional, classical)),
  ]).toString("hex");
}

function report(folder) {
  const read = (name) => fs.readFileSync(path.join(folder, `${name}.der`));
  const [leaf, intermediate, root] = ["leaf", "intermediate", "root"].map((name) => parse(read(name)));
  return {
    leaf: check(leaf, intermediate),
    intermediate: check(intermediate, root),
    root: check(root, root),
    signed: sign(read("key")),
  };
}

const reports = process.argv.slice(2).map((folder) => [path.basename(folder), report(folder)]);
console.log(JSON.stringify(Object.fromEntries(reports)));
