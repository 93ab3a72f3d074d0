// Runs on the audio thread: gathers blocks of 128 samples into pieces.

const PIECE_SAMPLES = 1024;

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(PIECE_SAMPLES);
    this.count = 0;
    this.isOpen = true;
    this.port.onmessage = () => {  // the end: give what there is
      this.send();
      this.port.postMessage(null);
      this.isOpen = false;
    };
  }

  send() {
    if (this.count) this.port.postMessage(this.piece.slice(0, this.count));
    this.count = 0;
  }

  process([[channel]]) {
    if (channel) {
      if (this.count + channel.length > PIECE_SAMPLES) this.send();
      this.piece.set(channel, this.count);
      this.count += channel.length;
    }
    return this.isOpen;
  }
}

registerProcessor('microphone', MicrophoneProcessor);
