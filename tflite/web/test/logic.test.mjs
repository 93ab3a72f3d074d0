// What needs no browser: metadata, segments, resampling, the server.
//
// MODEL and GOLDEN name the file and the folder; the tiny ones by default.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {once} from 'node:events';
import {request} from 'node:http';
import test from 'node:test';

import {Resampler} from '../js/audio.js';
import {readMetadata, UsageError} from '../js/metadata.js';
import {Recognizer, Stream} from '../js/recognizer.js';
import {detokenize, Segments} from '../js/segments.js';
import {makeServer} from '../serve.mjs';
import {GOLDEN, MODEL} from './places.mjs';

const bytes = new Uint8Array(readFileSync(MODEL));
const metadata = readMetadata(bytes);
const facts = JSON.parse(readFileSync(`${GOLDEN}/golden.json`, 'utf8'));

function goldenArray(name) {
  const {file, dtype} = facts.arrays[name];
  const {buffer} = new Uint8Array(readFileSync(`${GOLDEN}/${file}`));
  return dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer);
}

test('the metadata of a file is read', () => {
  assert.equal(metadata.task, 'SpeechRecognizer');
  assert.equal(metadata.vocabulary[0], '<blank>');
  assert.equal(
      metadata.stream.chunk_samples, facts.arrays.samples.shape[1]);
  const states = Object.keys(metadata.stream.states);
  assert.ok(states.every((name) => `next_state_${name}` in facts.arrays));
});

test('what is no file of ours is refused in a sentence', () => {
  const refused = (broken, message) => assert.throws(
      () => readMetadata(broken),
      (error) => error instanceof UsageError && message.test(error.message));
  refused(new Uint8Array(), /not a \.tflite file/);
  refused(new Uint8Array(readFileSync(new URL(import.meta.url))),
          /not a \.tflite file/);
  for (const size of [8, 40, 400, bytes.length / 2]) {
    refused(bytes.slice(0, size), /broken/);
  }
  const other = bytes.slice();
  const at = Buffer.from(other.buffer).indexOf('"vocabulary"');
  other[at + 1] = 'w'.charCodeAt(0);
  refused(other, /lacks vocabulary/);
  const name = Buffer.from(other.buffer).lastIndexOf('keras_selfattn\0');
  other[name] = 'K'.charCodeAt(0);
  refused(other, /no metadata of keras_selfattn/);
});

test('golden log-probabilities give the golden texts', () => {
  const [ids, scores] = ['token_ids', 'log_probabilities'].map(goldenArray);
  const counts = goldenArray('num_samples');
  const frames = metadata.stream.chunk_frames;
  const size = metadata.vocabulary.length;
  const hop = metadata.stream.chunk_samples / frames;
  const segments = new Segments(metadata, facts.endpoint_seconds);
  const texts = [];
  counts.forEach((count, chunk) => {
    const first = chunk * frames, last = first + Math.ceil(count / hop);
    const row = scores.subarray(first * size, last * size);
    if (segments.add(ids.subarray(first, last), row)) texts.push(segments.end());
  });
  texts.push(segments.end());
  assert.deepEqual(texts.filter((text) => text), facts.texts);
});

test('pieces of words and special tokens', () => {
  const vocabulary = ['<blank>', '\u2581he', 'llo', '\u2581w\u00f6rld', '<unk>', '<'];
  assert.equal(detokenize([1, 2, 3, 4], vocabulary), 'hello w\u00f6rld');
  assert.equal(detokenize([4], vocabulary), '');
  assert.equal(detokenize([5], vocabulary), '<');
});

function segmentsOf(longest) {
  return new Segments({
    vocabulary: ['<blank>', ' ', 'a'],
    frame_seconds: 0.1,
    stream: {chunk_seconds: 0.4, longest_segment_seconds: longest},
  });
}

function say(segments, best) {
  const scores = new Float32Array(best.length * 3).fill(-9);
  best.forEach((id, frame) => { scores[3 * frame + id] = 0; });
  return segments.add(Int32Array.from(best), scores);
}

test('a second of silence ends a segment; blanks are silence', () => {
  const segments = segmentsOf(null);
  assert.equal(say(segments, [0, 2, 0, 0]), false);
  assert.equal(say(segments, [0, 1, 0, 0]), false);
  assert.equal(say(segments, [0, 0, 2, 0]), false);
  assert.equal(say(segments, [0, 0, 0, 0]), false);
  assert.equal(say(segments, [0, 0, 0, 0]), false);
  assert.equal(say(segments, [0, 0, 0, 0]), true);
  assert.equal(segments.end(), 'a a');
  assert.equal(segments.text, '');
  assert.equal(segments.beginsAnew, false);
});

test('a segment ends at its greatest length, before that in a pause', () => {
  const segments = segmentsOf(4);
  let chunks = 1;
  while (!say(segments, [2, 0, 2, 0])) chunks++;
  assert.equal(chunks, 10);
  segments.end();
  for (let i = 0; i < 5; i++) assert.equal(say(segments, [2, 0, 2, 2]), false);
  assert.equal(say(segments, [0, 0, 0, 0]), true);
  assert.equal(segments.beginsAnew, true);
});

test('a rate is changed, in pieces as in one', () => {
  for (const from of [8000, 22050, 44100, 48000]) {
    const tone = Float32Array.from(
        {length: from}, (_, i) => 0.5 * Math.sin(2 * Math.PI * 1000 * i / from));
    const whole = new Resampler(from, 16000);
    const expected = [...whole.feed(tone), ...whole.finish()];
    const pieces = new Resampler(from, 16000), found = [];
    for (let i = 0; i < from; i += 777) {
      found.push(...pieces.feed(tone.subarray(i, i + 777)));
    }
    found.push(...pieces.finish());
    assert.ok(Math.abs(found.length - 16000) <= 1, `${found.length} at ${from}`);
    const gap = found.map((x, i) => Math.abs(x - expected[i]));
    assert.ok(Math.max(...gap) < 1e-5, `${Math.max(...gap)} at ${from}`);
    const error = found.slice(100, 15900).map((x, i) => Math.abs(
        x - 0.5 * Math.sin(2 * Math.PI * 1000 * (i + 100) / 16000)));
    assert.ok(Math.max(...error) < 5e-3, `${Math.max(...error)} at ${from}`);
  }
});

test('what a lower rate cannot hold goes, and does not come back lower', () => {
  const tone = Float32Array.from(
      {length: 48000}, (_, i) => Math.sin(2 * Math.PI * 11000 * i / 48000));
  const found = new Resampler(48000, 16000).feed(tone);
  assert.ok(Math.max(...found.subarray(100).map(Math.abs)) < 0.01);
});

/** A recogniser whose file answers with what it got: nothing is computed. */
function fakeRecognizer() {
  class Tensor {
    constructor(values) { this.values = values; }
    toTypedArray() { return this.values; }
    delete() { this.values = null; }
  }
  const signature = {
    run: async (inputs) => ({
      token_ids: new Tensor(new Int32Array(metadata.stream.chunk_frames)),
      log_probabilities: new Tensor(new Float32Array(
          metadata.stream.chunk_frames * metadata.vocabulary.length)),
      ...Object.fromEntries(
          Object.keys(metadata.stream.states).map((name) => [
            `next_state_${name}`,
            new Tensor(inputs[`state_${name}`].values.map((x) => x + 1)),
          ])),
    }),
  };
  const stream = {...metadata.stream, longest_segment_seconds: null};
  return new Recognizer({...metadata, stream}, {}, signature, Tensor);
}

test('what is refused changes nothing', async () => {
  const recognizer = fakeRecognizer(), size = recognizer.chunkSamples;
  const [name] = Object.keys(recognizer.specs);
  await recognizer.step(new Float32Array(size));
  const kept = recognizer.states;
  const holding = (value) => {
    const samples = new Float32Array(size);
    samples[3] = value;
    return samples;
  };
  for (const [samples, message] of [
    [new Float32Array(), /A chunk of 0 samples/],
    [new Float32Array(size + 1), /fewer only in the last/],
    [holding(NaN), /1 of .* NaN or infinite/],
    [holding(Infinity), /NaN or infinite/],
  ]) {
    await assert.rejects(recognizer.step(samples), message);
  }
  const {[name]: _, ...fewer} = kept;
  for (const [states, message] of [
    [fewer, /states of another model/],
    [{...kept, [name]: new Float32Array(3)}, /has 3 values.*another model/],
    [{...kept, [name]: kept[name].map(() => NaN)}, /NaN or infinite/],
  ]) {
    assert.throws(() => recognizer.setStates(states), message);
  }
  assert.equal(recognizer.states, kept);
  assert.equal(recognizer.openTensors, 0);
  await recognizer.step(new Float32Array(1));
  assert.equal(recognizer.states[name][0], 2);
});

test('a stream makes chunks of any pieces and goes on after an error', async () => {
  const recognizer = fakeRecognizer(), size = recognizer.chunkSamples;
  const [name] = Object.keys(recognizer.specs);
  const stream = new Stream(recognizer);
  await Promise.all([
    stream.feed(new Float32Array(size - 1)),
    stream.feed(new Float32Array(2)),  // a chunk, and one sample waits
    assert.rejects(stream.feed(new Float32Array(size).fill(NaN)), /NaN/),
    stream.feed(new Float32Array(2 * size)),
  ]);
  await stream.finish();
  // Whole chunks: one, none for the one with NaN, two; and the rest.
  assert.equal(recognizer.states[name][0], 4);
  assert.ok(Math.abs(stream.lagSeconds) < 1e-9);
});

test('the server gives the page and nothing else', async () => {
  const server = makeServer({model: MODEL, golden: GOLDEN});
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const get = (path) => new Promise((resolve, reject) => {
    const {port} = server.address();
    request({port, path, host: 'localhost'}, (response) => {
      response.resume();
      resolve([response.statusCode, response.headers['content-type']]);
    }).on('error', reject).end();
  });
  assert.deepEqual(await get('/'), [200, 'text/html; charset=utf-8']);
  assert.equal((await get('/js/app.js'))[0], 200);
  assert.equal((await get('/model.tflite?x=1'))[0], 200);
  assert.equal((await get('/golden/golden.json'))[0], 200);
  for (const path of [
    '/package.json', '/serve.mjs', '/../README.md', '/%2e%2e/README.md',
    '/js/../serve.mjs', '/golden/../make_golden.py', '/js', '/js/%00',
    '/golden/..%2fmake_golden.py', '//', '/%zz',
  ]) {
    assert.equal((await get(path))[0], 404, path);
  }
  server.close();
});
