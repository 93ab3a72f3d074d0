// What an exported file says of itself: JSON in a buffer of the flatbuffer.

const NAME = 'keras_selfattn';
// Fields of the schema of .tflite files, by their number.
const MODEL = {buffers: 4, metadata: 6};
const ENTRY = {name: 0, buffer: 1};
const BUFFER = {data: 0, offset: 1, size: 2};

/** A file or a recording that cannot be used; the message says why. */
export class UsageError extends Error {}

/** Reads tables of a flatbuffer; each read is checked against the end. */
class Flatbuffer {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.bytes = bytes;
  }

  follow(at) {
    return at + this.view.getUint32(at, true);
  }

  /** Where a field of a table stands, or 0 where it is left out. */
  field(table, number) {
    const fields = table - this.view.getInt32(table, true);
    const place = 4 + 2 * number;
    if (place >= this.view.getUint16(fields, true)) return 0;
    const offset = this.view.getUint16(fields + place, true);
    return offset ? table + offset : 0;
  }

  /** The tables of a vector of tables. */
  tables(table, number) {
    const field = this.field(table, number);
    if (!field) return [];
    const start = this.follow(field);
    const count = this.view.getUint32(start, true);
    if (count > this.bytes.length / 4) throw new RangeError('a wrong length');
    return Array.from({length: count}, (_, i) => this.follow(start + 4 + 4 * i));
  }

  /** The bytes of a text or of a vector of bytes. */
  content(table, number) {
    const field = this.field(table, number);
    if (!field) return new Uint8Array();
    const start = this.follow(field);
    const size = this.view.getUint32(start, true);
    if (start + 4 + size > this.bytes.length) throw new RangeError('a wrong length');
    return this.bytes.subarray(start + 4, start + 4 + size);
  }
}

function find(bytes) {
  const file = new Flatbuffer(bytes);
  const model = file.follow(0);
  const text = new TextDecoder();
  for (const entry of file.tables(model, MODEL.metadata)) {
    if (text.decode(file.content(entry, ENTRY.name)) !== NAME) continue;
    const at = file.field(entry, ENTRY.buffer);
    const index = at ? file.view.getUint32(at, true) : 0;
    const buffer = file.tables(model, MODEL.buffers)[index];
    const inside = file.content(buffer, BUFFER.data);
    if (inside.length) return text.decode(inside);
    // Files above 2 GB keep their buffers behind the flatbuffer.
    const [offset, size] = [BUFFER.offset, BUFFER.size].map((number) => {
      const place = file.field(buffer, number);
      return place ? Number(file.view.getBigUint64(place, true)) : 0;
    });
    return text.decode(bytes.subarray(offset, offset + size));
  }
  return null;
}

/**
 * Returns the metadata of a streaming recogniser's file.
 *
 * @param {Uint8Array} bytes The file.
 * @return {object}
 */
export function readMetadata(bytes) {
  if (new TextDecoder().decode(bytes.subarray(4, 8)) !== 'TFL3') {
    throw new UsageError('This is not a .tflite file.');
  }
  let metadata;
  try {
    metadata = JSON.parse(find(bytes));
  } catch (error) {
    throw new UsageError(`This .tflite file is broken: ${error.message}.`);
  }
  if (!metadata) {
    throw new UsageError(
        'This .tflite file has no metadata of keras_selfattn; export it again.');
  }
  const needed = ['sampling_rate_hz', 'vocabulary', 'frame_seconds', 'stream'];
  const missing = needed.filter((key) => !(key in metadata));
  if (missing.length) {
    throw new UsageError(
        'This file is no streaming recogniser: its metadata lacks ' +
        `${missing.join(', ')}.`);
  }
  return metadata;
}
