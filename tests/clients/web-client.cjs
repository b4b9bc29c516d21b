// Drives @10duke/web-client-pkce for tests/it/clients.rs: a request is a JSON object on a line of standard input, and so is its answer on
// standard output. What is asked and what must come of it stands in the test.
"use strict";
// It was written for browsers. Node 18 has their cryptography under another name.
globalThis.crypto ??= require("node:crypto").webcrypto;
globalThis.window = globalThis;
const readline = require("node:readline");
const { LicenseChecker } = require("@10duke/web-client-pkce");

async function answer({ base, jwks, token, hw, call, argument }) {
    const checker = new LicenseChecker(token, new URL(base), new URL(jwks), hw);
    try {
        const result = await checker[call](argument);
        const yes = call === "consumeLicense" ? result.hasLicense(argument) : result.isReleased(argument);
        return { yes, fields: { ...result } };
    } catch (error) {
        return { thrown: error.error ?? error.name };
    }
}

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        console.log(JSON.stringify(await answer(JSON.parse(line))));
    }
}

main();
