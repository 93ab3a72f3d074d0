// The page: buttons, messages, and what is shown of a stream.

import {Microphone, readFile} from './audio.js';
import {loadRecognizer, modelAddress} from './loading.js';
import {UsageError} from './metadata.js';
import {Stream} from './recognizer.js';

const LOWEST_DB = -60;
const LATE_SECONDS = 3;  // behind the speaker: say so

const $ = (id) => document.getElementById(id);

let recognizer;
let source = null;  // what is heard now: {stop}
let texts = [];

function say(status) {
  $('status').textContent = status;
}

function showError(error) {
  // What we did not foresee is for the console, too.
  if (!(error instanceof UsageError)) console.error(error);
  $('error-text').textContent = error.message || String(error);
  $('error').hidden = false;
}

function hideError() {
  $('error').hidden = true;
}

function scroll() {
  $('paper').scrollTop = $('paper').scrollHeight;
}

function showPartial(text) {
  if ($('partial').textContent === text) return;
  $('partial').textContent = text;
  if (text) $('empty').hidden = true;
  scroll();
}

function addSegment(text) {
  texts.push(text);
  const paragraph = document.createElement('p');
  paragraph.textContent = text;
  $('segments').append(paragraph);
  $('empty').hidden = true;
  $('copy').disabled = $('clear').disabled = false;
  scroll();
}

function showLevel(samples) {
  let sum = 0;
  for (const x of samples) sum += x * x;
  const power = samples.length ? sum / samples.length : 0;
  const db = Math.max(LOWEST_DB, 10 * Math.log10(power + 1e-12));
  $('level').style.transform = `scaleX(${1 - db / LOWEST_DB})`;
  $('meter').setAttribute('aria-valuenow', String(Math.round(db)));
}

/** Sets the buttons: `what` is heard now, or null. */
function setSource(what) {
  source = what;
  $('listen').dataset.on = String(Boolean(what));
  $('listen-text').textContent = what ? 'Stop' : 'Start';
  $('open').disabled = Boolean(what);
}

function newStream() {
  return new Stream(recognizer, {onPartial: showPartial, onSegment: addSegment});
}

async function listen() {
  hideError();
  const stream = newStream();
  let microphone;
  $('listen').disabled = true;
  const stop = async () => {
    setSource(null);
    $('listen').disabled = $('open').disabled = true;
    try {
      await microphone.close();
      await stream.finish();
    } catch (error) {
      showError(error);
    } finally {
      $('listen').disabled = $('open').disabled = false;
      showLevel([]);
      say('');
    }
  };
  const hear = (samples) => {
    showLevel(samples);
    stream.feed(samples).catch(showError);
    if (stream.lagSeconds > LATE_SECONDS) {
      say(`This device is slow: ${stream.lagSeconds.toFixed(0)} s behind.`);
    }
  };
  const lost = () => {
    if (source?.stop !== stop) return;
    stop().then(() => showError(new UsageError(
        'The microphone was taken away. Press Start to go on.')));
  };
  try {
    say('Waiting for the microphone…');
    microphone =
        await Microphone.open(recognizer.samplingRateHz, hear, lost);
    setSource({stop});
    say('Listening');
  } catch (error) {
    say('');
    showError(error);
  } finally {
    $('listen').disabled = false;
  }
}

async function open(file) {
  hideError();
  let isStopped = false;
  setSource({stop: () => { isStopped = true; }});
  const stream = newStream();
  try {
    say(`Reading ${file.name}…`);
    const samples = await readFile(file, recognizer.samplingRateHz);
    const rate = recognizer.samplingRateHz;
    const total = samples.length / rate;
    for (let start = 0; start < samples.length && !isStopped; start += rate) {
      await stream.feed(samples.subarray(start, start + rate));
      say(`${file.name}: ${Math.min(start / rate + 1, total).toFixed(0)} of ` +
          `${total.toFixed(0)} s`);
      await new Promise((resolve) => setTimeout(resolve));  // let it be drawn
    }
    await stream.finish();
    say(`${file.name}: ${isStopped ? 'stopped' : 'done'}`);
  } catch (error) {
    say('');
    showError(error);
  } finally {
    showPartial('');
    setSource(null);
    $('file').value = '';
  }
}

async function copy() {
  try {
    await navigator.clipboard.writeText(texts.join('\n'));
    say('Copied');
  } catch {
    showError(new UsageError(
        'This browser does not let the page copy. Select the text instead.'));
  }
}

function clear() {
  texts = [];
  $('segments').replaceChildren();
  $('copy').disabled = $('clear').disabled = true;
  $('empty').hidden = false;
  say('');
  $('listen').focus();
}

function listenToThePage() {
  $('listen').addEventListener(
      'click', () => source ? source.stop() : listen());
  $('open').addEventListener('click', () => $('file').click());
  $('file').addEventListener('change', () => {
    if ($('file').files.length) open($('file').files[0]);
  });
  $('copy').addEventListener('click', copy);
  $('clear').addEventListener('click', clear);
  $('error-close').addEventListener('click', () => {
    hideError();
    $('listen').focus();
  });
  addEventListener('keydown', ({key}) => {
    if (key === 'Escape') source?.stop();
  });
  const over = (is) => (event) => {
    event.preventDefault();
    $('paper').classList.toggle('over', is && !source);
  };
  addEventListener('dragover', over(true));
  addEventListener('dragleave', over(false));
  addEventListener('drop', (event) => {
    over(false)(event);
    const [file] = event.dataTransfer.files;
    if (file && recognizer && !source) open(file);
  });
}

async function main() {
  setSource(null);
  $('open').disabled = true;
  listenToThePage();
  try {
    recognizer = await loadRecognizer(modelAddress(), (part) => {
      $('progress').value = part;
    });
    $('listen').disabled = $('open').disabled = false;
    const milliseconds = Math.round(recognizer.metadata.stream.latency_ms);
    $('about').textContent =
        `Text while you speak, ${milliseconds} ms behind. Your voice stays ` +
        'on this device.';
  } catch (error) {
    showError(error);
  } finally {
    $('loading').hidden = true;
  }
  document.documentElement.dataset.state = recognizer ? 'ready' : 'failed';
}

main();
