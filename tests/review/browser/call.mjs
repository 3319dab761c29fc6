// Calls functions of the page's own modules, outside a browser: reads {module, calls: [[name, ...arguments]]} as JSON.
// A mask or image is {bytes | floats: base64}; the last call's arguments that were given so come back as base64.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { module, name, given } = JSON.parse(readFileSync(0, "utf8"));
const found = await import(pathToFileURL(module).href);
const buffer = (text) => Uint8Array.from(Buffer.from(text, "base64")).buffer;
const made = given.map((value) => {
  if (value?.bytes !== undefined) return new Uint8Array(buffer(value.bytes));
  if (value?.floats !== undefined) return new Float32Array(buffer(value.floats));
  return value;
});
const answer = found[name](...made);
const plain = (value) => (ArrayBuffer.isView(value) ? { kind: value.constructor.name, data: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") } : value);
process.stdout.write(JSON.stringify({ answer: plain(answer), given: made.map(plain) }));
