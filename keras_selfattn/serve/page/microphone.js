// The microphone as a stream of text: samples go out, messages come in.

import { streamTarget } from "./api.js";

const LONGEST_WAIT_MS = 15000;

export class Microphone {
  /**
   * @param {(message: object) => void} onMessage of the service, and
   *   {type: "level", level} of the microphone.
   */
  constructor(onMessage) {
    this.onMessage = onMessage;
  }

  /** Resolves when the service listens; rejects with a sentence. */
  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("A microphone needs https, or localhost.");
    }
    try {
      this.media = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1 },
      });
    } catch {
      throw new Error("The microphone cannot be used: allow it first.");
    }
    try {
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule("/page/worklet.js");
      await this.connect();
    } catch (error) {
      this.release();
      throw error;
    }
    const node = new AudioWorkletNode(this.context, "samples");
    node.port.onmessage = ({ data }) => {
      if (this.socket.readyState === WebSocket.OPEN && !this.ending) {
        this.socket.send(data.samples);
      }
      this.onMessage({ type: "level", level: data.level });
    };
    this.context.createMediaStreamSource(this.media).connect(node);
  }

  connect() {
    const [url, protocols] = streamTarget(this.context.sampleRate);
    this.socket = new WebSocket(url, protocols);
    this.ended = new Promise((resolve) => {
      this.socket.onclose = () => {
        this.release();
        resolve();
      };
    });
    return new Promise((resolve, reject) => {
      this.socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === "ready") resolve();
        if (message.type === "error") reject(new Error(message.error.message));
        this.onMessage(message);
      };
      this.socket.onerror = () =>
        reject(new Error("The service does not take the stream."));
    });
  }

  /** Ends the stream; resolves when the last text has come. */
  async stop() {
    this.ending = true;
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "end" }));
      const late = setTimeout(() => this.socket.close(), LONGEST_WAIT_MS);
      await this.ended;
      clearTimeout(late);
    }
    this.release();
  }

  release() {
    for (const track of this.media?.getTracks() ?? []) track.stop();
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
