// Runs the chunks of a golden folder and compares with what Keras gave.

import {UsageError} from './metadata.js';
import {Segments} from './segments.js';

const TYPES = {float32: Float32Array, int32: Int32Array};
const OUT = 'next_state_';

/** The folder's facts, with an array by name under `arrays`. */
export async function fetchGolden(folder) {
  const read = async (name) => {
    const response = await fetch(`${folder}/${name}`);
    if (!response.ok) {
      throw new UsageError(`${folder}/${name} gives ${response.status}.`);
    }
    return response;
  };
  const facts = await (await read('golden.json')).json();
  const arrays = await Promise.all(Object.entries(facts.arrays).map(
      async ([name, {file, dtype}]) => [
        name, new TYPES[dtype](await (await read(file)).arrayBuffer()),
      ]));
  return {...facts, arrays: Object.fromEntries(arrays)};
}

/** The row of a chunk of each array. */
function rowsOf(golden, chunk) {
  return Object.fromEntries(Object.entries(golden.arrays).map(
      ([name, values]) => {
        const size = values.length / golden.num_chunks;
        return [name, values.subarray(chunk * size, (chunk + 1) * size)];
      }));
}

function statesOf(rows) {
  return Object.fromEntries(
      Object.entries(rows)
          .filter(([name]) => name.startsWith(OUT))
          .map(([name, values]) => [name.slice(OUT.length), values]));
}

function difference(found, wanted, worst) {
  if (found.length > wanted.length) return Infinity;
  for (let i = 0; i < found.length; i++) {
    const gap = Math.abs(found[i] - wanted[i]);
    if (!(gap <= worst)) worst = Number.isNaN(gap) ? Infinity : gap;
  }
  return worst;
}

/**
 * From zeros to the end, and once more from the states in the middle.
 *
 * @return {Promise<{largest: number, allowed: number, differences: object,
 *     texts: string[]}>}
 */
export async function compare(recognizer, golden) {
  recognizer.setStates(statesOf(rowsOf(golden, 0)));  // refuses other models'
  const differences = {};
  let texts;
  for (const first of [0, Math.floor(golden.num_chunks / 2)]) {
    recognizer.reset();
    if (first) recognizer.setStates(statesOf(rowsOf(golden, first - 1)));
    const segments = new Segments(
        recognizer.metadata, golden.endpoint_seconds);
    const found = [];
    for (let chunk = first; chunk < golden.num_chunks; chunk++) {
      const rows = rowsOf(golden, chunk);
      const {ids, scores} = await recognizer.step(
          rows.samples.subarray(0, rows.num_samples[0]));
      if (ids.some((id, i) => id !== rows.token_ids[i])) {
        throw new UsageError(
            `Chunk ${chunk} gave the tokens ${ids.join(' ')}; expected ` +
            `${rows.token_ids.subarray(0, ids.length).join(' ')}.`);
      }
      const wanted = {log_probabilities: rows.log_probabilities,
                      ...statesOf(rows)};
      const given = {log_probabilities: scores, ...recognizer.states};
      for (const [name, values] of Object.entries(given)) {
        differences[name] =
            difference(values, wanted[name], differences[name] ?? 0);
      }
      if (segments.add(ids, scores)) found.push(segments.end());
    }
    found.push(segments.end());
    texts ??= found.filter((text) => text);
  }
  if (texts.join('\n') !== golden.texts.join('\n')) {
    throw new UsageError(
        `The texts ${texts.join(' | ')} came; expected ` +
        `${golden.texts.join(' | ')}.`);
  }
  const largest = Math.max(...Object.values(differences));
  return {largest, allowed: golden.tolerance, differences, texts};
}
