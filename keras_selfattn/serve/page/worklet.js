// Samples of the first channel as 16-bit integers, an eighth of a second each.

class Samples extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 8);
    this.begin();
  }

  begin() {
    this.samples = new Int16Array(this.size);
    this.filled = 0;
    this.peak = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.samples[this.filled++] = Math.round(clipped * 32767);
      this.peak = Math.max(this.peak, Math.abs(clipped));
      if (this.filled === this.size) {
        const { samples, peak: level } = this;
        const data = { samples: samples.buffer, level };
        this.port.postMessage(data, [samples.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("samples", Samples);
