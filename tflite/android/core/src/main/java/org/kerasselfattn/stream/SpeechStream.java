package org.kerasselfattn.stream;

/**
 * Text from pieces of samples of any length, one after another.
 *
 * For one thread: what reads the microphone and what hears it may differ, but
 * then pieces are handed over in order.
 */
public final class SpeechStream {
    /** Told what is being said, and what was said. */
    public interface Listener {
        void onPartial(String text);

        void onSegment(String text);
    }

    private final Recognizer recognizer;
    private final Segments segments;
    private final Listener listener;
    private final float[] chunk;
    private int waiting;

    public SpeechStream(Recognizer recognizer, Listener listener) {
        this.recognizer = recognizer;
        this.listener = listener;
        segments = new Segments(recognizer.metadata, Segments.ENDPOINT_SECONDS);
        chunk = new float[recognizer.metadata.chunkSamples];
        recognizer.reset();
    }

    /** Takes samples in; of what is refused, none is taken. */
    public void feed(float[] samples, int count) {
        Recognizer.checkFinite(samples, count);
        for (int i = 0; i < count; i++) {
            chunk[waiting++] = samples[i];
            if (waiting == chunk.length) {
                waiting = 0;
                hear(chunk.length);
            }
        }
    }

    /** Hears what makes no whole chunk, and ends the segment. */
    public void finish() {
        int rest = waiting;
        waiting = 0;
        if (rest > 0) {
            hear(rest);
        }
        end();
    }

    private void hear(int count) {
        recognizer.step(chunk, count);
        if (segments.add(recognizer.tokenIds, recognizer.logProbabilities, recognizer.frames)) {
            end();
        } else {
            listener.onPartial(segments.text());
        }
    }

    private void end() {
        String text = segments.end();
        if (segments.beginsAnew()) {
            recognizer.reset();
        }
        if (!text.isEmpty()) {
            listener.onSegment(text);
        }
        listener.onPartial("");
    }
}
