// The streams of the service, read while they come: npy for images alone, tar for images with labels.

import { decodePng } from "./png.js";

const BLOCK = 512;

/** Bytes of a stream, taken in the pieces that a reader wants rather than those that come. */
class Bytes {
  constructor(stream) {
    this._reader = stream.getReader();
    this._parts = [];
    this._have = 0;
  }

  /** Return exactly `count` bytes, or null where the stream ends before the first of them. */
  async take(count) {
    while (this._have < count) {
      const { done, value } = await this._reader.read();
      if (done) {
        if (this._have === 0) return null;
        throw new TypeError("the stream ended early");
      }
      this._parts.push(value);
      this._have += value.length;
    }
    return this._cut(count);
  }

  _cut(count) {
    const out = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const part = this._parts[0];
      const used = Math.min(part.length, count - filled);
      out.set(part.subarray(0, used), filled);
      filled += used;
      if (used === part.length) this._parts.shift();
      else this._parts[0] = part.subarray(used);
    }
    this._have -= count;
    return out;
  }
}

/**
 * Read an array of images.
 * @param {ReadableStream} stream of a npy file
 * @param {number} start index of its first image
 * @returns {AsyncGenerator<Sample>} `{index, width, height, image}`
 */
export async function* readNpy(stream, start) {
  const bytes = new Bytes(stream);
  const head = await bytes.take(10);
  if (head === null) throw new TypeError("the stream ended early");
  const text = new TextDecoder("latin1").decode(await bytes.take(head[8] | (head[9] << 8)));
  const shape = /'shape': \((\d+), (\d+), (\d+)\)/.exec(text);
  const [count, height, width] = shape.slice(1).map(Number);
  for (let at = 0; at < count; at += 1) {
    const image = await bytes.take(width * height);
    if (image === null) throw new TypeError("the stream ended early");
    yield { index: start + at, width, height, image };
  }
}

/**
 * Read samples with their labels.
 * @param {ReadableStream} stream of a tar file
 * @param {boolean} pixels whether pictures are decoded; else only the records are read
 * @returns {AsyncGenerator<Sample>} `{index, record}`, and with pixels `width`, `height`, `image` and a member
 *   for every label that is an image
 */
export async function* readTar(stream, pixels = true) {
  const bytes = new Bytes(stream);
  let files = {};
  for (;;) {
    const header = await bytes.take(BLOCK);
    if (header === null) throw new TypeError("the stream ended early");
    if (header[0] === 0) break; // the end marker
    const name = textOf(header, 0, 100);
    const size = parseInt(textOf(header, 124, 12), 8);
    const content = (await bytes.take(Math.ceil(size / BLOCK) * BLOCK)).subarray(0, size);
    files[name.slice(name.indexOf(".") + 1)] = content;
    if (name.endsWith(".json")) {
      yield await decode(files, pixels);
      files = {};
    }
  }
  for (let rest = 0; rest !== null; ) rest = await bytes.take(BLOCK); // else the stream counts as aborted
}

async function decode(files, pixels) {
  const record = JSON.parse(new TextDecoder().decode(files.json));
  const sample = { index: record.index, record };
  if (!pixels) return sample;
  for (const [kind, content] of Object.entries(files)) {
    if (!kind.endsWith("png")) continue;
    const { width, height, values } = await decodePng(content);
    Object.assign(sample, { width, height, [kind === "png" ? "image" : kind.slice(0, -4)]: values });
  }
  return sample;
}

function textOf(header, from, length) {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? field : field.subarray(0, end)).trim();
}
