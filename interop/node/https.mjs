// HTTPS with client certificates on SVIDs of ours: `server FOLDER SCHEME GROUP…` listens once for each group, and
// `client FOLDER SCHEME GROUP PORT` asks once. The folder is as `Realm::write` fills it.
//
// The scheme is the only one that either end signs with and verifies, and the group the only one that it takes part in,
// so that a connection is proof of both. Prints a JSON document for each connection, and first the server's ports.

import fs from "node:fs";
import https from "node:https";
import path from "node:path";

const [mode, folder, scheme, ...rest] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name));
const identity = {
  cert: read("chain.pem"),
  key: read("key.pem"),
  ca: read("root.pem"),
  minVersion: "TLSv1.3",
  sigalgs: scheme,
  rejectUnauthorized: true,
};
const say = (document) => console.log(JSON.stringify(document));

function seen(socket) {
  return {
    authorized: socket.authorized,
    protocol: socket.getProtocol(),
    names: socket.getPeerX509Certificate().subjectAltName,
    // A client's alone, and in the words of OpenSSL.
    key_exchange: socket.getEphemeralKeyInfo(),
  };
}

function listen(group) {
  const server = https.createServer({ ...identity, ecdhCurve: group, requestCert: true }, (request, response) => {
    say({ group, ...seen(request.socket) });
    response.end(`${group}\n`);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  });
}

if (mode === "server") {
  say(await Promise.all(rest.map(listen)));
} else {
  const [group, port] = rest;
  const options = { ...identity, ecdhCurve: group, host: "127.0.0.1", port, servername: "localhost", agent: false };
  const request = https.get(options, (response) => {
    const found = seen(response.socket);
    response.setEncoding("utf8");
    let body = "";
    response.on("data", (chunk) => (body += chunk));
    response.on("end", () => say({ group, body, ...found }));
  });
  request.on("error", (error) => say({ error: `${error.code ?? error.name}: ${error.message}` }));
}
