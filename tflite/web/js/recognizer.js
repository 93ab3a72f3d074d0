// A .tflite file that turns chunks of samples and states into tokens, and a
// stream of any pieces of samples on top of it.

import {readMetadata, UsageError} from './metadata.js';
import {Segments} from './segments.js';

const TYPES = {float32: Float32Array, int32: Int32Array};

function countOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

function checkFinite(samples) {
  const bad = samples.reduce((sum, x) => sum + !Number.isFinite(x), 0);
  if (bad) {
    throw new UsageError(
        `${bad} of ${samples.length} samples are NaN or infinite; they were ` +
        'not taken.');
  }
}

/** Runs the signature `stream`; it holds the states between chunks. */
export class Recognizer {
  /**
   * @param {Uint8Array} bytes A file of `task.export`.
   * @param {object} litert The module @litertjs/core, loaded.
   * @return {Promise<Recognizer>}
   */
  static async open(bytes, litert) {
    const metadata = readMetadata(bytes);
    let model;
    try {
      model = await litert.loadAndCompile(bytes, {accelerator: 'wasm'});
    } catch (error) {
      throw new UsageError(`LiteRT cannot run this file: ${error.message}`);
    }
    const signature = model.signatures[metadata.stream.signature];
    if (!signature) {
      model.delete();
      throw new UsageError(
          `This file has no signature ${metadata.stream.signature}.`);
    }
    return new Recognizer(metadata, model, signature, litert.Tensor);
  }

  constructor(metadata, model, signature, Tensor) {
    this.metadata = metadata;
    this.samplingRateHz = metadata.sampling_rate_hz;
    this.chunkSamples = metadata.stream.chunk_samples;
    this.chunkFrames = metadata.stream.chunk_frames;
    this.specs = metadata.stream.states;
    /** Tensors that are open: 0 between chunks, or memory leaks. */
    this.openTensors = 0;
    this.model = model;
    this.signature = signature;
    this.Tensor = Tensor;
    this.reset();
  }

  /** Begins a new stream: states of zeros. */
  reset() {
    this.states = Object.fromEntries(Object.entries(this.specs).map(
        ([name, {shape, dtype}]) => [name, new TYPES[dtype](countOf(shape))]));
  }

  /** Goes on from other states; what is refused changes nothing. */
  setStates(states) {
    const given = Object.keys(states).sort().join(', ');
    const expected = Object.keys(this.specs).sort().join(', ');
    if (given !== expected) {
      throw new UsageError(
          `These are states of another model: ${given}; expected ${expected}.`);
    }
    for (const [name, {shape, dtype}] of Object.entries(this.specs)) {
      const value = states[name];
      if (!(value instanceof TYPES[dtype]) || value.length !== countOf(shape)) {
        throw new UsageError(
            `The state ${name} has ${value.length} values of ` +
            `${value.constructor.name}; expected ${countOf(shape)} of ${dtype}: ` +
            'it is another model\'s.');
      }
      if (!value.every(Number.isFinite)) {
        throw new UsageError(
            `The state ${name} holds NaN or infinite values; begin anew.`);
      }
    }
    this.states = Object.fromEntries(
        Object.entries(states).map(([name, value]) => [name, value.slice()]));
  }

  /**
   * Runs a chunk; only the last of a stream may be shorter than a chunk.
   *
   * What is refused changes nothing: the stream goes on.
   *
   * @param {Float32Array} samples In [-1, 1], at the model's rate.
   * @return {Promise<{ids: Int32Array, scores: Float32Array}>} Of the frames
   *     that mean something.
   */
  async step(samples) {
    if (!samples.length || samples.length > this.chunkSamples) {
      throw new UsageError(
          `A chunk of ${samples.length} samples came; expected ` +
          `${this.chunkSamples}, fewer only in the last chunk.`);
    }
    checkFinite(samples);
    const padded = new Float32Array(this.chunkSamples);
    padded.set(samples);
    const found = await this.run({
      samples: [padded, [1, this.chunkSamples]],
      num_samples: [Int32Array.of(samples.length), [1]],
      ...Object.fromEntries(Object.entries(this.states).map(
          ([name, value]) =>
              [`state_${name}`, [value, this.specs[name].shape]])),
    });
    this.states = Object.fromEntries(Object.keys(this.specs).map(
        (name) => [name, found[`next_state_${name}`]]));
    const hop = this.chunkSamples / this.chunkFrames;
    const frames = Math.ceil(samples.length / hop);
    const size = this.metadata.vocabulary.length;
    return {
      ids: found.token_ids.subarray(0, frames),
      scores: found.log_probabilities.subarray(0, frames * size),
    };
  }

  /** Arrays in, arrays out; every tensor made on the way is deleted. */
  async run(arrays) {
    const tensors = [];
    const keep = (tensor) => {
      this.openTensors++;
      tensors.push(tensor);
      return tensor;
    };
    try {
      const inputs = {};
      for (const [name, [values, shape]] of Object.entries(arrays)) {
        inputs[name] = keep(new this.Tensor(values, shape));
      }
      const outputs = await this.signature.run(inputs);
      Object.values(outputs).forEach(keep);
      return Object.fromEntries(Object.entries(outputs).map(
          ([name, tensor]) => [name, tensor.toTypedArray().slice()]));
    } finally {
      for (const tensor of tensors) {
        tensor.delete();
        this.openTensors--;
      }
    }
  }

  delete() {
    this.model.delete();
  }
}

/**
 * Text from pieces of samples of any length, one after another.
 *
 * `onPartial(text)` tells what is being said, `onSegment(text)` what was said
 * when nothing has been for a second.
 */
export class Stream {
  constructor(recognizer, {onPartial = () => {}, onSegment = () => {}} = {}) {
    this.recognizer = recognizer;
    this.segments = new Segments(recognizer.metadata);
    this.waiting = new Float32Array();
    this.onPartial = onPartial;
    this.onSegment = onSegment;
    this.last = Promise.resolve();
    /** Seconds of sound that came and were not heard yet. */
    this.lagSeconds = 0;
    recognizer.reset();
  }

  /**
   * Takes samples in; resolves when they were heard. Of what is refused, none
   * is taken: the stream goes on.
   */
  feed(samples) {
    return this.#queue(samples.length, async () => {
      checkFinite(samples);
      const joined = new Float32Array(this.waiting.length + samples.length);
      joined.set(this.waiting);
      joined.set(samples, this.waiting.length);
      this.waiting = joined;
      const size = this.recognizer.chunkSamples;
      while (this.waiting.length >= size) {
        const chunk = this.waiting.subarray(0, size);
        this.waiting = this.waiting.slice(size);
        await this.#hear(chunk);
      }
    });
  }

  /** Hears what makes no whole chunk, and ends the segment. */
  finish() {
    return this.#queue(0, async () => {
      const rest = this.waiting;
      this.waiting = new Float32Array();
      if (rest.length) await this.#hear(rest);
      this.#end();
    });
  }

  #queue(count, work) {
    const seconds = count / this.recognizer.samplingRateHz;
    this.lagSeconds += seconds;
    const done = this.last.then(work).finally(() => {
      this.lagSeconds -= seconds;
    });
    this.last = done.catch(() => {});  // the next piece is heard all the same
    return done;
  }

  async #hear(chunk) {
    const {ids, scores} = await this.recognizer.step(chunk);
    if (this.segments.add(ids, scores)) {
      this.#end();
    } else {
      this.onPartial(this.segments.text);
    }
  }

  #end() {
    const text = this.segments.end();
    if (this.segments.beginsAnew) this.recognizer.reset();
    if (text) this.onSegment(text);
    this.onPartial('');
  }
}
