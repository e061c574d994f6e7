// What Node.js makes of chains, requests and keys.
//
// Each argument is a folder as `Chain::write` fills it. Prints a JSON object with one report for each folder, by the
// folder's name. A report says what happened, as a value or as the error's text; it does not judge.

import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const MESSAGE = Buffer.from("signed with the key that was read");

function outcome(action) {
  try {
    return action();
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`;
  }
}

// ECDSA over P-384 goes with SHA-384; Ed25519 and ML-DSA hash by themselves.
function digest(key) {
  if (key.asymmetricKeyType !== "ec") return null;
  return key.asymmetricKeyDetails.namedCurve === "secp384r1" ? "sha384" : "sha256";
}

function report(folder) {
  const read = (name) => fs.readFileSync(path.join(folder, name));
  const certificate = (name) => new crypto.X509Certificate(read(`${name}.der`));
  const [leaf, intermediate, root] = ["leaf", "intermediate", "root"].map(certificate);
  const spki = (key) => key.export({ type: "spki", format: "der" }).toString("hex");
  return {
    issued: outcome(() => [
      leaf.checkIssued(intermediate) && leaf.verify(intermediate.publicKey),
      intermediate.checkIssued(root) && intermediate.verify(root.publicKey),
      root.checkIssued(root) && root.verify(root.publicKey),
    ]),
    // What must not verify: the leaf by the root, which signed only what is between them.
    skipped: outcome(() => leaf.verify(root.publicKey)),
    names: leaf.subjectAltName,
    authorities: [leaf.ca, intermediate.ca, root.ca],
    key: outcome(() => {
      const [der, pem] = [
        crypto.createPrivateKey({ key: read("key.der"), format: "der", type: "pkcs8" }),
        crypto.createPrivateKey(read("key.pem")),
      ];
      const signature = crypto.sign(digest(der), MESSAGE, der);
      return {
        is_the_leafs: leaf.checkPrivateKey(der) && der.equals(pem),
        public: spki(crypto.createPublicKey(der)),
        signed: signature.toString("hex"),
        verified: crypto.verify(digest(der), MESSAGE, leaf.publicKey, signature),
        written: der.export({ type: "pkcs8", format: "der" }).toString("hex"),
      };
    }),
    signature: outcome(() => {
      const key = crypto.createPublicKey(read("spki.pem"));
      const signature = read("signature.bin");
      const good = crypto.verify(digest(key), MESSAGE, key, signature);
      signature[signature.length >> 1] ^= 1;
      return [good, crypto.verify(digest(key), MESSAGE, key, signature)];
    }),
  };
}

const reports = process.argv.slice(2).map((folder) => [path.basename(folder), report(folder)]);
console.log(JSON.stringify(Object.fromEntries(reports)));
