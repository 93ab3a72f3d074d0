// Samples at the model's rate, from a sound file or from the microphone.

import {UsageError} from './metadata.js';

const ZERO_CROSSINGS = 16;

/**
 * Changes the rate of a stream of samples, piece by piece: a windowed sinc
 * that lets pass what both rates can hold. Used where the browser does not
 * resample the microphone itself.
 */
export class Resampler {
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz;
    this.cutoff = Math.min(1, 1 / this.step);
    this.half = Math.ceil(ZERO_CROSSINGS / this.cutoff);
    this.kept = new Float32Array(this.half);  // silence before the beginning
    this.at = this.half;  // of the next sample out, counted in `kept`
  }

  /** Returns the samples out that `samples` in make possible. */
  feed(samples) {
    const joined = new Float32Array(this.kept.length + samples.length);
    joined.set(this.kept);
    joined.set(samples, this.kept.length);
    const out = [];
    while (this.at + this.half < joined.length) {
      out.push(this.#value(joined, this.at));
      this.at += this.step;
    }
    const start = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = joined.slice(start);
    this.at -= start;
    return Float32Array.from(out);
  }

  /** Returns the last samples: the sound goes over into silence. */
  finish() {
    return this.feed(new Float32Array(this.half));
  }

  #value(samples, at) {
    let sum = 0;
    const first = Math.max(0, Math.ceil(at - this.half));
    const last = Math.min(samples.length - 1, Math.floor(at + this.half));
    for (let i = first; i <= last; i++) {
      const x = i - at;
      const angle = Math.PI * x * this.cutoff;
      const sinc = Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle;
      const window = 0.5 + 0.5 * Math.cos(Math.PI * x / this.half);
      sum += samples[i] * sinc * window;
    }
    return sum * this.cutoff;
  }
}

/** The mean of the channels of an AudioBuffer. */
function mono(buffer) {
  const mean = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const values = buffer.getChannelData(channel);
    for (let i = 0; i < mean.length; i++) {
      mean[i] += values[i] / buffer.numberOfChannels;
    }
  }
  return mean;
}

/**
 * Decodes a sound file of any format and rate that the browser knows.
 *
 * @param {File} file
 * @param {number} samplingRateHz Of the samples that are returned.
 */
export async function readFile(file, samplingRateHz) {
  if (!file.size) throw new UsageError(`${file.name} is empty (0 bytes).`);
  // Decoding at a context's rate resamples to it.
  const context = new OfflineAudioContext(1, 1, samplingRateHz);
  let buffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new UsageError(
        `${file.name} is not a sound file that this browser can read. Try WAV, ` +
        'MP3, OGG or FLAC.');
  }
  if (!buffer.length) throw new UsageError(`${file.name} holds no sound.`);
  return mono(buffer);
}

/** Says in words why there is no microphone. */
function whyNoMicrophone(error) {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'The microphone is blocked for this page. Allow it beside the ' +
          'address of the page and press Start again, or open a sound file.';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'There is no microphone. Plug one in and press Start again, or ' +
          'open a sound file.';
    case 'NotReadableError':
    case 'AbortError':
      return 'Another program holds the microphone. Close it and press Start ' +
          'again, or open a sound file.';
    default:
      return `The microphone cannot be used: ${error.message}`;
  }
}

/** The microphone, from `open` to `close`. */
export class Microphone {
  /**
   * @param {number} samplingRateHz
   * @param {function(Float32Array)} onSamples Called with pieces, in order.
   * @param {function()} onEnd Called where the device is taken away.
   * @return {Promise<Microphone>}
   */
  static async open(samplingRateHz, onSamples, onEnd) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new UsageError(
          'This page may not use the microphone: serve it over https, or from ' +
          'localhost. A sound file can be opened all the same.');
    }
    // All that takes time comes first: nothing of what is said at once is lost.
    const microphone = new Microphone();
    try {
      await microphone.#prepare(samplingRateHz);
      microphone.media = await navigator.mediaDevices.getUserMedia({
        audio: {
          channelCount: 1,
          echoCancellation: false,
          noiseSuppression: false,
          autoGainControl: false,
        },
      });
      await microphone.#connect(samplingRateHz, onSamples);
    } catch (error) {
      await microphone.close();
      throw new UsageError(whyNoMicrophone(error));
    }
    for (const track of microphone.media.getAudioTracks()) {
      track.addEventListener('ended', onEnd);
    }
    return microphone;
  }

  async #prepare(sampleRate) {
    this.context = new AudioContext(sampleRate ? {sampleRate} : {});
    await this.context.audioWorklet.addModule(
        new URL('./microphone_worklet.js', import.meta.url));
  }

  async #connect(samplingRateHz, onSamples) {
    let source;
    try {  // browsers that resample by themselves
      source = this.context.createMediaStreamSource(this.media);
    } catch {
      await this.context.close();
      await this.#prepare(null);
      source = this.context.createMediaStreamSource(this.media);
    }
    const rate = this.context.sampleRate;
    const resampler =
        rate === samplingRateHz ? null : new Resampler(rate, samplingRateHz);
    const node = new AudioWorkletNode(this.context, 'microphone', {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    this.flushed = () => {};
    node.port.onmessage = ({data}) => {
      if (data === null) {
        this.flushed();
      } else {
        onSamples(resampler ? resampler.feed(data) : data);
      }
    };
    source.connect(node);
    await this.context.resume();
    this.node = node;
  }

  /** Closes it; resolves when the last piece was given. */
  async close() {
    if (this.node) {
      await new Promise((resolve) => {
        this.flushed = resolve;
        this.node.port.postMessage(null);
        setTimeout(resolve, 500);  // a context that does not run says nothing
      });
    }
    this.media?.getTracks().forEach((track) => track.stop());
    await this.context?.close();
  }
}
