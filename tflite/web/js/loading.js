// Fetching the model, with progress, and starting LiteRT beside it.

import * as litert from '@litertjs/core';

import {UsageError} from './metadata.js';
import {Recognizer} from './recognizer.js';

const WASM = new URL('../node_modules/@litertjs/core/wasm/', import.meta.url);

/** The address of the model: of `?model=` or the one beside the page. */
export function modelAddress() {
  const named = new URLSearchParams(location.search).get('model');
  return named ?? 'model.tflite';
}

/**
 * Returns a file's bytes.
 *
 * @param {string} url
 * @param {function(number)} onProgress From 0 to 1; not called where the
 *     server does not say how long the file is.
 */
async function download(url, onProgress) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new UsageError(`The model cannot be loaded: ${error.message}.`);
  }
  if (!response.ok) {
    throw new UsageError(
        `The model cannot be loaded: ${url} gives ${response.status}. Start ` +
        'the server with --model FILE.');
  }
  const length = Number(response.headers.get('content-length'));
  const parts = [];
  let count = 0;
  for await (const part of parts_of(response.body)) {
    parts.push(part);
    count += part.length;
    if (length) onProgress(count / length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Not every browser can iterate over a stream. */
async function* parts_of(body) {
  const reader = body.getReader();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Loads the model and LiteRT, and returns a `Recognizer`. */
export async function loadRecognizer(url, onProgress = () => {}) {
  const started = litert.loadLiteRt(WASM.href).catch((error) => {
    throw new UsageError(
        `LiteRT does not start in this browser: ${error.message}`);
  });
  const [bytes] = await Promise.all([download(url, onProgress), started]);
  return Recognizer.open(bytes, litert);
}
