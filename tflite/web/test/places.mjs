// Where the tests find the model and its golden folder.

import {fileURLToPath} from 'node:url';

const place = (path) => fileURLToPath(new URL(path, import.meta.url));

export const TINY = place('../../../tests/golden/tiny_stream');
export const MODEL = process.env.MODEL || `${TINY}/model.tflite`;
export const GOLDEN = process.env.GOLDEN || place('../../golden');
