// Serves the page on this machine: npm start -- --model FILE.tflite
//
//   --model FILE     the file that the page runs (required)
//   --golden FOLDER  for golden.html; default ../golden
//   --port NUMBER    default 8080; 0 takes a free one and prints it
//
// A folder of any web server does as well: this folder with its node_modules,
// and the model beside index.html. Microphones need https or localhost.

import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {createServer} from 'node:http';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PUBLIC = [
  'index.html', 'golden.html', 'style.css', 'icon.svg', 'js',
  'node_modules/@litertjs',
];
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** The file that an address means, or null where it means none. */
function fileOf(address, {model, golden}) {
  let name;
  try {
    const {pathname} = new URL(address, 'http://localhost');
    name = path.posix.normalize(decodeURIComponent(pathname)).slice(1);
  } catch {
    return null;
  }
  if (name.includes('\0') || name.split('/').includes('..')) return null;
  if (name === 'model.tflite') return model;
  if (name.startsWith('golden/')) return path.join(golden, name.slice(7));
  name ||= 'index.html';
  const isPublic =
      PUBLIC.some((open) => name === open || name.startsWith(`${open}/`));
  return isPublic ? path.join(HERE, name) : null;
}

/** A server that is not listening yet. */
export function makeServer(options) {
  return createServer(async (request, response) => {
    const file = fileOf(request.url, options);
    const found = file && await stat(file).catch(() => null);
    if (!found?.isFile()) {
      response.writeHead(404).end('not found\n');
      return;
    }
    response.writeHead(200, {
      'content-type':
          TYPES[path.extname(file)] ?? 'application/octet-stream',
      'content-length': found.size,
      'cache-control': 'no-cache',
    });
    if (request.method === 'HEAD') {
      response.end();
    } else {
      createReadStream(file).on('error', () => response.destroy())
          .pipe(response);
    }
  });
}

async function main() {
  const {values} = parseArgs({
    options: {
      model: {type: 'string'},
      golden: {type: 'string', default: path.join(HERE, '..', 'golden')},
      port: {type: 'string', default: '8080'},
    },
  });
  if (!values.model || !(await stat(values.model).catch(() => null))) {
    console.error('usage: npm start -- --model FILE.tflite [--port NUMBER]');
    process.exit(2);
  }
  const server = makeServer(values);
  server.listen(Number(values.port), 'localhost', () => {
    console.log(`http://localhost:${server.address().port}/`);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
