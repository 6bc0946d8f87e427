// Grey PNG files of 8 or 16 bits, decoded exactly: a canvas would make 8 bits of 16.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Decode a grey PNG file.
 * @param {Uint8Array} file
 * @returns {Promise<{width: number, height: number, values: Uint8Array|Uint16Array}>} row by row
 */
export async function decodePng(file) {
  if (!SIGNATURE.every((byte, at) => file[at] === byte)) throw new Error("no PNG");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let header = null;
  const data = [];
  for (let at = 8; at < file.length; ) {
    const size = view.getUint32(at);
    const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (kind === "IHDR") {
      header = { width: view.getUint32(at + 8), height: view.getUint32(at + 12), bits: file[at + 16], colour: file[at + 17] };
    } else if (kind === "IDAT") data.push(file.subarray(at + 8, at + 8 + size));
    at += size + 12;
  }
  if (header === null || header.colour !== 0 || (header.bits !== 8 && header.bits !== 16)) {
    throw new Error("no grey PNG of 8 or 16 bits");
  }
  const { width, height, bits } = header;
  const bytes = unfilter(await inflate(data), width * (bits / 8), height, bits / 8);
  if (bits === 8) return { width, height, values: bytes };
  const values = new Uint16Array(width * height);
  for (let at = 0; at < values.length; at += 1) values[at] = (bytes[2 * at] << 8) | bytes[2 * at + 1];
  return { width, height, values };
}

async function inflate(parts) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undo the filters of rows of `length` bytes, each behind the number of its filter. */
function unfilter(rows, length, height, step) {
  const out = new Uint8Array(length * height);
  for (let row = 0; row < height; row += 1) {
    const filter = rows[row * (length + 1)];
    const from = row * (length + 1) + 1;
    const to = row * length;
    for (let at = 0; at < length; at += 1) {
      const left = at >= step ? out[to + at - step] : 0;
      const up = row > 0 ? out[to + at - length] : 0;
      const corner = row > 0 && at >= step ? out[to + at - length - step] : 0;
      out[to + at] = rows[from + at] + predict(filter, left, up, corner);
    }
  }
  return out;
}

function predict(filter, left, up, corner) {
  switch (filter) {
    case 1: return left;
    case 2: return up;
    case 3: return (left + up) >> 1;
    case 4: return nearest(left, up, corner);
    default: return 0;
  }
}

function nearest(left, up, corner) {
  const guess = left + up - corner;
  const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
