// Text from token ids, cut where nothing is said for a second. The rules stand
// in tflite/README.md; each runner has the same.

const WORD_START = /\u2581/g;  // SentencePiece's mark of a blank before a piece
const LONGEST_SEGMENT_SECONDS = 60;

/** The text of token ids. */
export function detokenize(ids, vocabulary) {
  return Array.from(ids, (id) => vocabulary[id])
      .filter((piece) => !/^<.+>$/s.test(piece))
      .join('')
      .replace(WORD_START, ' ')
      .split(/\s+/)
      .filter((word) => word)
      .join(' ');
}

export class Segments {
  /**
   * @param {object} metadata What the file says of itself.
   * @param {number} endpointSeconds Silence that ends a segment.
   */
  constructor(metadata, endpointSeconds = 1) {
    this.vocabulary = metadata.vocabulary;
    this.frameSeconds = metadata.frame_seconds;
    this.chunkSeconds = metadata.stream.chunk_seconds;
    this.endpointSeconds = endpointSeconds;
    const longest = metadata.stream.longest_segment_seconds;
    /** Whether states begin anew with a segment. */
    this.beginsAnew = longest !== null && longest !== undefined;
    this.longestSeconds = longest || LONGEST_SEGMENT_SECONDS;
    this.silent = this.vocabulary.map(
        (_, id) => id === 0 || !detokenize([id], this.vocabulary));
    this.begin();
  }

  begin() {
    this.ids = [];
    this.frames = 0;
    this.silentFrames = 0;
  }

  /** The text of the segment that is being spoken. */
  get text() {
    return detokenize(this.ids, this.vocabulary);
  }

  /**
   * Takes the frames of a chunk in; returns whether the segment ends.
   *
   * @param {Int32Array} ids A token where it starts, 0 elsewhere.
   * @param {Float32Array} scores Log-probabilities, frames by vocabulary.
   */
  add(ids, scores) {
    const size = this.vocabulary.length;
    ids.forEach((id, frame) => {
      if (id) this.ids.push(id);
      const row = scores.subarray(frame * size, (frame + 1) * size);
      let best = 0;
      for (let i = 1; i < size; i++) if (row[i] > row[best]) best = i;
      this.silentFrames = this.silent[best] ? this.silentFrames + 1 : 0;
    });
    this.frames += ids.length;
    const silence = this.silentFrames * this.frameSeconds;
    const length = this.frames * this.frameSeconds;
    return silence >= this.endpointSeconds ||
        length + this.chunkSeconds > this.longestSeconds ||
        (length > this.longestSeconds / 2 && silence >= this.chunkSeconds);
  }

  /** Ends the segment; returns its text, '' where nothing was said. */
  end() {
    const text = this.text;
    this.begin();
    return text;
  }
}
