// SPDX-License-Identifier: Apache-2.0
// Seals or opens one text with @hpke/core: hpke.js seal PUBLIC.pem INFO AAD TEXT, hpke.js open PRIVATE.pem INFO AAD HEX.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const { CipherSuite, DhkemX25519HkdfSha256, DhkemP256HkdfSha256, HkdfSha256, Aes256Gcm } = require("@hpke/core");

const bytes = (buffer) => new Uint8Array(buffer).buffer;

async function main(what, pem, info, aad, text) {
  const text_of = fs.readFileSync(pem, "ascii");
  const key = what === "seal" ? crypto.createPublicKey(text_of) : crypto.createPrivateKey(text_of);
  const kem = key.asymmetricKeyType === "x25519" ? new DhkemX25519HkdfSha256() : new DhkemP256HkdfSha256();
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const jwk = key.export({ format: "jwk" });
  const words = { info: bytes(Buffer.from(info)) };
  const more = bytes(Buffer.from(aad));
  if (what === "seal") {
    const to = await suite.kem.importKey("jwk", jwk, true);
    const sender = await suite.createSenderContext({ recipientPublicKey: to, ...words });
    const sealed = await sender.seal(bytes(Buffer.from(text)), more);
    return Buffer.concat([Buffer.from(sender.enc), Buffer.from(sealed)]).toString("hex");
  }
  const mine = await suite.kem.importKey("jwk", jwk, false);
  const sealed = Buffer.from(text, "hex");
  const n = suite.kem.encSize;
  const from = await suite.createRecipientContext({ recipientKey: mine, enc: bytes(sealed.subarray(0, n)), ...words });
  return Buffer.from(await from.open(bytes(sealed.subarray(n)), more)).toString();
}

main(...process.argv.slice(2)).then(
  (line) => console.log(line),
  (error) => {
    console.error(String(error));
    process.exit(1);
  },
);
