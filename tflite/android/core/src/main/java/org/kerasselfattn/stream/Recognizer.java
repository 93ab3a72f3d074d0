package org.kerasselfattn.stream;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

/**
 * Turns chunks of samples into tokens; holds the states between them.
 *
 * One object serves one stream at a time, on one thread. What is refused with
 * a StreamException changes nothing: the stream goes on.
 */
public final class Recognizer {
    /** Runs the signature; an Interpreter of LiteRT, or a stand-in of a test. */
    public interface Runner {
        /** Reads all of `inputs` and fills all of `outputs`, by name. */
        void run(Map<String, Object> inputs, Map<String, Object> outputs);
    }

    public final ModelMetadata metadata;
    /** Of the last step: how many frames mean something, and what they hold. */
    public int frames;
    public final int[] tokenIds;
    public final float[] logProbabilities;

    private final Runner runner;
    private final ByteBuffer samples;
    private final ByteBuffer numSamples = buffer(1);
    private final ByteBuffer idBuffer;
    private final ByteBuffer scoreBuffer;
    private Map<String, ByteBuffer> states = new HashMap<>();
    private Map<String, ByteBuffer> following = new HashMap<>();

    public Recognizer(ModelMetadata metadata, Runner runner) {
        this.metadata = metadata;
        this.runner = runner;
        tokenIds = new int[metadata.chunkFrames];
        logProbabilities = new float[metadata.chunkFrames * metadata.vocabulary.size()];
        samples = buffer(metadata.chunkSamples);
        idBuffer = buffer(tokenIds.length);
        scoreBuffer = buffer(logProbabilities.length);
        for (ModelMetadata.State state : metadata.states.values()) {
            states.put(state.name, buffer(state.count));
            following.put(state.name, buffer(state.count));
        }
    }

    private static ByteBuffer buffer(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder());
    }

    /** Begins a new stream: states of zeros. */
    public void reset() {
        for (ByteBuffer state : states.values()) {
            for (int i = 0; i < state.capacity(); i++) {
                state.put(i, (byte) 0);
            }
        }
    }

    /** A copy of the states, to go on from with `setStates`. */
    public Map<String, ByteBuffer> copyStates() {
        Map<String, ByteBuffer> copies = new HashMap<>();
        for (Map.Entry<String, ByteBuffer> entry : states.entrySet()) {
            ByteBuffer copy = buffer(entry.getValue().capacity() / 4);
            copy.put(start(entry.getValue())).rewind();
            copies.put(entry.getKey(), copy);
        }
        return copies;
    }

    /** Goes on from other states; all of them, in the order of bytes of this machine. */
    public void setStates(Map<String, ByteBuffer> others) {
        if (!others.keySet().equals(states.keySet())) {
            throw new StreamException("These are states of another model: " + others.keySet()
                    + "; expected " + states.keySet() + ".");
        }
        for (ModelMetadata.State state : metadata.states.values()) {
            ByteBuffer other = start(others.get(state.name));
            if (other.remaining() != 4 * state.count) {
                throw new StreamException("The state " + state.name + " has "
                        + other.remaining() + " bytes; expected " + 4 * state.count
                        + ": it is another model's.");
            }
            for (int i = 0; !state.isInteger && i < state.count; i++) {
                if (!isFinite(other.getFloat(4 * i))) {
                    throw new StreamException("The state " + state.name
                            + " holds NaN or infinite values; begin anew with reset().");
                }
            }
        }
        for (Map.Entry<String, ByteBuffer> entry : others.entrySet()) {
            start(states.get(entry.getKey())).put(start(entry.getValue()));
        }
    }

    private static ByteBuffer start(ByteBuffer buffer) {
        ByteBuffer view = buffer.duplicate().order(ByteOrder.nativeOrder());
        view.clear();
        return view;
    }

    private static boolean isFinite(float value) {
        return !Float.isNaN(value) && !Float.isInfinite(value);
    }

    /** Refuses samples that hold NaN or infinite values. */
    static void checkFinite(float[] values, int count) {
        int bad = 0;
        for (int i = 0; i < count; i++) {
            bad += isFinite(values[i]) ? 0 : 1;
        }
        if (bad > 0) {
            throw new StreamException(bad + " of " + count
                    + " samples are NaN or infinite; they were not taken.");
        }
    }

    /**
     * Runs a chunk; only the last of a stream may be shorter than a chunk.
     *
     * @param chunk samples in [-1, 1] at the model's rate; `count` of them count
     */
    public void step(float[] chunk, int count) {
        int size = metadata.chunkSamples;
        if (count < 1 || count > size || count > chunk.length) {
            throw new StreamException("A chunk of " + count + " samples came; expected " + size
                    + ", fewer only in the last chunk.");
        }
        checkFinite(chunk, count);
        for (int i = 0; i < size; i++) {
            samples.putFloat(4 * i, i < count ? chunk[i] : 0f);
        }
        numSamples.putInt(0, count);
        Map<String, Object> inputs = new HashMap<>();
        Map<String, Object> outputs = new HashMap<>();
        inputs.put("samples", start(samples));
        inputs.put("num_samples", start(numSamples));
        outputs.put("token_ids", start(idBuffer));
        outputs.put("log_probabilities", start(scoreBuffer));
        for (String name : states.keySet()) {
            inputs.put("state_" + name, start(states.get(name)));
            outputs.put("next_state_" + name, start(following.get(name)));
        }
        runner.run(inputs, outputs);
        Map<String, ByteBuffer> before = states;
        states = following;
        following = before;
        start(idBuffer).asIntBuffer().get(tokenIds);
        start(scoreBuffer).asFloatBuffer().get(logProbabilities);
        int hop = size / metadata.chunkFrames;
        frames = (count + hop - 1) / hop;
    }
}
