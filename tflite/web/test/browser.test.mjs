// The page in headless Chromium, its microphone fed from a WAV file.
//
// CHROMIUM names the program, SCREENSHOTS a folder for pictures of the page.
// MODEL and GOLDEN name another model for the golden folder's test alone: what
// is heard of speech is known of the tiny model.

import assert from 'node:assert/strict';
import {once} from 'node:events';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import test, {after, before} from 'node:test';

import {chromium} from 'playwright-core';

import {makeServer} from '../serve.mjs';
import {GOLDEN, MODEL, TINY} from './places.mjs';

const SPEECH = `${TINY}/sample.wav`;
const TEXT = 'abc ca bab';
const executablePath = process.env.CHROMIUM || findProgram([
  'chromium', 'chromium-browser', 'google-chrome',
]);

let server, address, browser, folder;

function findProgram(names) {
  const folders = (process.env.PATH || '').split(path.delimiter);
  for (const name of names) {
    for (const folder of folders) {
      const file = path.join(folder, name);
      if (existsSync(file)) return file;
    }
  }
  throw new Error('There is no Chromium; name it with CHROMIUM.');
}

function launch(...flags) {
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...flags],
  });
}

before(async () => {
  server = makeServer({model: MODEL, golden: GOLDEN});
  server.listen(0, 'localhost');
  await once(server, 'listening');
  address = `http://localhost:${server.address().port}`;
  folder = mkdtempSync(path.join(tmpdir(), 'dictation-'));
  const spoken = path.join(folder, 'spoken.wav');
  writeFileSync(spoken, afterSilence(readFileSync(SPEECH)));
  browser = await launch(
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-audio-capture=${spoken}%noloop`);
});

after(async () => {
  await browser?.close();
  server?.close();
  if (folder) rmSync(folder, {recursive: true});
});

/** A page that is ready; an error in it fails the test. */
async function openPage(
    t, {from = browser, options = {}, at = '', script = null} = {}) {
  const context = await from.newContext(options);
  const page = await context.newPage();
  if (script) await page.addInitScript(script);
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => { page.broken ??= error; });
  t.after(async () => {
    await context.close();
    assert.equal(page.broken, undefined);
  });
  await page.goto(`${address}/${at}`);
  await page.waitForSelector('html[data-state]');
  return page;
}

async function picture(page, name) {
  if (!process.env.SCREENSHOTS) return;
  await page.screenshot({path: `${process.env.SCREENSHOTS}/${name}.png`});
}

function texts(page) {
  return page.locator('#segments p').allTextContents();
}

/** The samples of a 16-bit mono WAV file with the usual header. */
function samplesOf(wav) {
  return new Int16Array(wav.buffer.slice(wav.byteOffset + 44));
}

/** A WAV file with a second of silence before its sound: a speaker's pause. */
function afterSilence(wav) {
  const silence = Buffer.alloc(2 * wav.readUInt32LE(24));
  const out = Buffer.concat([wav.subarray(0, 44), silence, wav.subarray(44)]);
  out.writeUInt32LE(out.length - 8, 4);
  out.writeUInt32LE(out.length - 44, 40);
  return out;
}

/** A WAV file, stereo, the same sound at another rate (by linear steps). */
function atRate(wav, rate) {
  const samples = samplesOf(wav), from = wav.readUInt32LE(24);
  const count = Math.floor(samples.length * rate / from);
  const out = Buffer.alloc(44 + 4 * count);
  wav.copy(out, 0, 0, 44);
  out.writeUInt32LE(36 + 4 * count, 4);
  out.writeUInt16LE(2, 22);
  out.writeUInt32LE(rate, 24);
  out.writeUInt32LE(4 * rate, 28);
  out.writeUInt16LE(4, 32);
  out.writeUInt32LE(4 * count, 40);
  for (let i = 0; i < count; i++) {
    const at = i * from / rate, low = Math.floor(at);
    const next = samples[Math.min(low + 1, samples.length - 1)];
    const value = samples[low] + (next - samples[low]) * (at - low);
    out.writeInt16LE(Math.round(value), 44 + 4 * i);
    out.writeInt16LE(Math.round(value), 46 + 4 * i);
  }
  return out;
}

async function openFile(page, name, buffer) {
  await page.setInputFiles('#file', {name, mimeType: 'audio/wav', buffer});
  await page.waitForFunction(
      () => document.getElementById('file').value === '' &&
          document.getElementById('listen-text').textContent === 'Start');
}

test('the golden folder is reproduced', async (t) => {
  const page = await openPage(t, {at: 'golden.html'});
  const result = await page.textContent('#result');
  t.diagnostic(result.split('\n').at(-1));
  assert.match(result, /tokens equal, texts equal\nlargest difference /);
  const state = await page.getAttribute('html', 'data-state');
  assert.equal(state, 'equal', result);
});

/** Everything that changes in an element, as `read` has it. */
function watch(page, id, read) {
  return page.evaluateHandle(([id, read]) => {
    const seen = [];
    const element = document.getElementById(id);
    const look = new Function('element', `return ${read}`);
    new MutationObserver(() => seen.push(look(element))).observe(
        element,
        {attributes: true, childList: true, characterData: true, subtree: true});
    return seen;
  }, [id, read]);
}

/** Speaks once into the microphone of a new page. */
async function speak(t, options) {
  const page = await openPage(t, options);
  assert.equal(await page.isHidden('#loading'), true);
  const partials = await watch(page, 'partial', 'element.textContent');
  const levels = await watch(
      page, 'meter', 'Number(element.getAttribute("aria-valuenow"))');
  await page.focus('#listen');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#listen[data-on=true]');
  assert.equal(await page.textContent('#status'), 'Listening');
  await page.waitForSelector('#segments p');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#listen[data-on=false]:enabled');
  assert.equal(await page.textContent('#status'), '');
  const loud = await levels.jsonValue();
  assert.ok(Math.max(...loud) > -30, `${Math.max(...loud)} dB`);
  assert.equal(loud.at(-1), -60);
  const seen = (await partials.jsonValue()).filter((text) => text);
  return {texts: await texts(page), seen};
}

/** What is heard; real time: a machine that is busy loses samples. */
async function speakUntilHeard(t, options) {
  let found;
  for (let i = 0; i < 3 && found?.texts.join() !== TEXT; i++) {
    found = await speak(t, options);
    t.diagnostic(`${found.seen.join(' | ')} -> ${found.texts.join(' | ')}`);
  }
  assert.deepEqual(found.texts, [TEXT]);
  return found.seen;
}

test('speech at the microphone is text while it is spoken', async (t) => {
  const seen = await speakUntilHeard(t);
  assert.ok(seen.length > 3, seen.join(' | '));
  assert.ok(seen.every((text) => TEXT.startsWith(text)), seen.join(' | '));
});

test('a browser that does not resample the microphone does as well', async (t) => {
  await speakUntilHeard(t, {script: () => {
    const connect = AudioContext.prototype.createMediaStreamSource;
    AudioContext.prototype.createMediaStreamSource = function(media) {
      if (this.sampleRate < 44100) throw new DOMException('another rate');
      return connect.call(this, media);
    };
  }});
});

test('a denied microphone is told, and a file is heard all the same', async (t) => {
  const denying = await launch('--use-fake-device-for-media-stream');
  t.after(() => denying.close());
  const page = await openPage(t, {from: denying});
  await page.click('#listen');
  await page.waitForSelector('#error:visible');
  assert.match(await page.textContent('#error-text'),
               /microphone is blocked.*Allow it.*or open a sound file/);
  assert.equal(await page.getAttribute('#listen', 'data-on'), 'false');
  assert.equal(await page.getAttribute('#error', 'role'), 'alert');
  await picture(page, 'denied');
  await openFile(page, 'speech.wav', readFileSync(SPEECH));
  assert.equal(await page.isHidden('#error'), true);
  assert.deepEqual(await texts(page), [TEXT]);
});

test('files of any rate; what is no sound is told', async (t) => {
  const page = await openPage(t);
  const wav = readFileSync(SPEECH);
  for (const [name, bytes, message] of [
    ['notes.wav', Buffer.from('this is no sound'), /notes\.wav is not a sound/],
    ['empty.wav', Buffer.alloc(0), /empty\.wav is empty/],
    ['none.wav', Buffer.from(wav.subarray(0, 44)), /none\.wav/],
  ]) {
    await openFile(page, name, bytes);
    await page.waitForSelector('#error:visible');
    assert.match(await page.textContent('#error-text'), message);
    assert.deepEqual(await texts(page), []);
  }
  await openFile(page, 'same.wav', wav);
  assert.equal(await page.isHidden('#error'), true);
  for (const rate of [8000, 44100, 48000]) {
    await openFile(page, `${rate}.wav`, atRate(wav, rate));
  }
  assert.deepEqual(await texts(page), [TEXT, TEXT, TEXT, TEXT]);
  await page.click('#clear');
  assert.deepEqual(await texts(page), []);
});

test('bad input is refused in the page, the stream goes on, nothing leaks', async (t) => {
  const page = await openPage(t, {at: 'golden.html'});
  const found = await page.evaluate(async () => {
    const {fetchGolden} = await import('./js/golden.js');
    const {Recognizer} = await import('./js/recognizer.js');
    const litert = await import('@litertjs/core');
    const bytes = new Uint8Array(
        await (await fetch('model.tflite')).arrayBuffer());
    const recognizer = await Recognizer.open(bytes, litert);
    const golden = await fetchGolden('golden');
    const chunk = golden.arrays.samples.slice(0, recognizer.chunkSamples);
    const messages = [];
    const refused = async (work) => {
      try {
        await work();
        messages.push('(taken)');
      } catch (error) {
        messages.push(error.message);
      }
    };
    const clean = await recognizer.step(chunk);
    recognizer.reset();
    await refused(() => recognizer.step(chunk.subarray(0, 0)));
    await refused(() => recognizer.step(new Float32Array(chunk.length + 1)));
    await refused(() => recognizer.step(chunk.map(() => NaN)));
    await refused(() => recognizer.setStates({other: chunk}));
    await refused(() => Recognizer.open(bytes.slice(0, 5000), litert));
    const again = await recognizer.step(chunk);
    const heap = () => litert.getGlobalLiteRt().liteRtWasm.HEAPU8.length;
    for (let i = 0; i < 50; i++) await recognizer.step(chunk);
    const before = heap();
    const started = performance.now();
    for (let i = 0; i < 500; i++) await recognizer.step(chunk);
    return {
      messages,
      same: again.scores.every((x, i) => x === clean.scores[i]),
      openTensors: recognizer.openTensors,
      grown: heap() - before,
      milliseconds: (performance.now() - started) / 500,
    };
  });
  t.diagnostic(`${found.milliseconds.toFixed(2)} ms a chunk`);
  const expected = [
    /A chunk of 0 samples/, /fewer only in the last/, /NaN or infinite/,
    /states of another model/, /broken/,
  ];
  found.messages.forEach((text, i) => assert.match(text, expected[i]));
  assert.equal(found.messages.length, expected.length);
  assert.equal(found.same, true);
  assert.equal(found.openTensors, 0);
  assert.equal(found.grown, 0);
});

test('a model that is not there is told', async (t) => {
  const page = await openPage(t, {at: '?model=no-such.tflite'});
  assert.equal(await page.getAttribute('html', 'data-state'), 'failed');
  assert.match(await page.textContent('#error-text'),
               /no-such\.tflite gives 404/);
  assert.equal(await page.isDisabled('#listen'), true);
  await page.goto(`${address}/?model=style.css`);
  await page.waitForSelector('html[data-state=failed]');
  assert.match(await page.textContent('#error-text'), /not a \.tflite file/);
});

for (const [name, viewport] of Object.entries({
  phone: {width: 360, height: 740}, desktop: {width: 1200, height: 800},
})) {
  for (const colorScheme of ['light', 'dark']) {
    test(`the page fits: ${name}, ${colorScheme}`, async (t) => {
      const page = await openPage(t, {options: {viewport, colorScheme}});
      await openFile(page, 'speech.wav', readFileSync(SPEECH));
      await page.click('#listen');
      await page.waitForFunction(
          () => document.getElementById('partial').textContent.length > 2);
      await picture(page, `${name}-${colorScheme}`);
      const [width, height] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.scrollHeight,
      ]);
      assert.ok(width <= viewport.width, `${width} wide`);
      assert.ok(height <= viewport.height, `${height} high`);
      // Every control has a name, is big enough for a finger, and is seen.
      for (const button of await page.locator('.controls button').all()) {
        const {height} = await button.boundingBox();
        assert.ok(height >= 43, `${height} px`);
        assert.ok((await button.textContent()).trim());
      }
      await page.click('#listen');
      await page.waitForSelector('#listen[data-on=false]:enabled');
    });
  }
}
