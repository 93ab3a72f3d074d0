// The page of a golden folder: the model beside it, or ?model= and ?golden=.

import {compare, fetchGolden} from './golden.js';
import {loadRecognizer, modelAddress} from './loading.js';

const result = document.getElementById('result');

async function main() {
  const named = new URLSearchParams(location.search).get('golden');
  const golden = await fetchGolden(named ?? 'golden');
  const recognizer = await loadRecognizer(modelAddress());
  const found = await compare(recognizer, golden);
  const lines = Object.entries(found.differences).map(
      ([name, gap]) => `${name} ${gap.toPrecision(3)}`);
  result.textContent = [
    ...lines,
    `chunks ${golden.num_chunks}, tokens equal, texts equal`,
    `largest difference ${found.largest.toPrecision(3)}, allowed ${found.allowed}`,
  ].join('\n');
  return found.largest <= found.allowed;
}

main()
    .catch((error) => {
      result.textContent = error.message;
      return false;
    })
    .then((isGood) => {
      document.documentElement.dataset.state = isGood ? 'equal' : 'different';
    });
