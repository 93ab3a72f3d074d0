package org.kerasselfattn.stream;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Checks the plain Java against a model's file and its golden folder.
 *
 * StreamCheck MODEL.tflite GOLDEN_FOLDER. LiteRT is not run: a stand-in gives
 * the golden outputs, and refuses inputs other than the golden ones. Prints a
 * line a check; ends with an exception where one does not hold.
 */
public final class StreamCheck {
    private final ByteBuffer file;
    private final ModelMetadata metadata;
    private final Map<?, ?> facts;
    private final Path folder;
    private final int chunks;

    private StreamCheck(Path model, Path folder) throws IOException {
        this.folder = folder;
        file = ByteBuffer.wrap(Files.readAllBytes(model));
        metadata = ModelMetadata.read(file);
        facts = (Map<?, ?>) Json.parse(text(folder.resolve("golden.json")));
        chunks = ((Double) facts.get("num_chunks")).intValue();
    }

    public static void main(String[] arguments) throws IOException {
        StreamCheck check = new StreamCheck(Path.of(arguments[0]), Path.of(arguments[1]));
        check.readsMetadata();
        check.refusesOtherFiles();
        check.readsJson();
        check.givesTheGoldenTexts();
        check.carriesStates();
        check.refusesBadInput();
        check.endsSegments();
        check.joinsPieces();
        check.resamples();
        check.measuresLoudness();
        System.out.println("all checks hold");
    }

    private static String text(Path path) throws IOException {
        return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
    }

    private static void expect(boolean good, String what) {
        if (!good) {
            throw new AssertionError(what);
        }
    }

    private static void refuses(String fragment, Runnable work) {
        try {
            work.run();
        } catch (StreamException error) {
            expect(error.getMessage().contains(fragment),
                    "expected \"" + fragment + "\" in: " + error.getMessage());
            return;
        }
        throw new AssertionError("was not refused: " + fragment);
    }

    /** The bytes of a golden array, a row a chunk. */
    private ByteBuffer row(String name, int chunk) {
        try {
            Map<?, ?> listed = (Map<?, ?>) ((Map<?, ?>) facts.get("arrays")).get(name);
            byte[] all = Files.readAllBytes(folder.resolve((String) listed.get("file")));
            int size = all.length / chunks;
            return ByteBuffer.wrap(all, chunk * size, size).slice()
                    .order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    private int count(int chunk) {
        return row("num_samples", chunk).getInt(0);
    }

    private float[] samples(int chunk) {
        float[] found = new float[metadata.chunkSamples];
        row("samples", chunk).asFloatBuffer().get(found);
        return found;
    }

    private void readsMetadata() {
        expect(metadata.chunkSamples == row("samples", 0).remaining() / 4, "chunk samples");
        expect(metadata.chunkFrames == row("token_ids", 0).remaining() / 4, "chunk frames");
        expect(metadata.vocabulary.get(0).equals("<blank>"), "vocabulary");
        expect(metadata.samplingRateHz
                == ((Double) facts.get("sampling_rate_hz")).intValue(), "rate");
        for (ModelMetadata.State state : metadata.states.values()) {
            int bytes = row("next_state_" + state.name, 0).remaining();
            expect(bytes == 4 * state.count, state.name);
        }
        System.out.println("metadata: " + metadata.states.size() + " states");
    }

    private void refusesOtherFiles() {
        refuses("not a .tflite file", () -> ModelMetadata.read(ByteBuffer.allocate(3)));
        refuses("not a .tflite file", () -> ModelMetadata.read(ByteBuffer.allocate(64)));
        byte[] all = file.array();
        for (int size : new int[] {8, 40, 400, all.length / 2}) {
            refuses("broken", () -> ModelMetadata.read(ByteBuffer.wrap(Arrays.copyOf(all, size))));
        }
        // Latin-1 keeps bytes and letters apart by nothing.
        String letters = new String(all, StandardCharsets.ISO_8859_1);
        refuses("lacks vocabulary", () -> ModelMetadata.read(ByteBuffer.wrap(
                letters.replace("\"vocabulary\"", "\"vocabulery\"")
                        .getBytes(StandardCharsets.ISO_8859_1))));
        refuses("no metadata of keras_selfattn", () -> ModelMetadata.read(ByteBuffer.wrap(
                letters.replace("keras_selfattn\0", "keras_selfattm\0")
                        .getBytes(StandardCharsets.ISO_8859_1))));
        System.out.println("other files: refused");
    }

    private void readsJson() {
        Map<?, ?> found = (Map<?, ?>) Json.parse(
                " {\"a\": [1, -2.5e3, null, true], \"\\u2581b\\n\": {\"c\": \"\\\"\\ud83d\\ude00\"}}");
        expect(found.get("a").equals(Arrays.asList(1.0, -2500.0, null, true)), "a list");
        Map<?, ?> inner = (Map<?, ?>) found.get("\u2581b\n");
        expect(inner.get("c").equals("\"\uD83D\uDE00"), "a text");
        for (String broken : new String[] {
            "", "{", "[1,", "{\"a\" 1}", "\"a", "[1] 2", "tru", "\"\\x\"", "\"\\u12\"", "1.2.3",
        }) {
            refuses("No JSON text", () -> Json.parse(broken));
        }
        StringBuilder deep = new StringBuilder();
        for (int i = 0; i < 5000; i++) {
            deep.append('[');
        }
        refuses("No JSON text", () -> Json.parse(deep.toString()));
        System.out.println("JSON: read");
    }

    private void givesTheGoldenTexts() {
        Segments segments =
                new Segments(metadata, (Double) facts.get("endpoint_seconds"));
        List<Object> texts = new ArrayList<>();
        int hop = metadata.chunkSamples / metadata.chunkFrames;
        int[] ids = new int[metadata.chunkFrames];
        float[] scores = new float[ids.length * metadata.vocabulary.size()];
        for (int chunk = 0; chunk < chunks; chunk++) {
            row("token_ids", chunk).asIntBuffer().get(ids);
            row("log_probabilities", chunk).asFloatBuffer().get(scores);
            if (segments.add(ids, scores, (count(chunk) + hop - 1) / hop)) {
                texts.add(segments.end());
            }
        }
        texts.add(segments.end());
        texts.removeIf(text -> text.equals(""));
        expect(texts.equals(facts.get("texts")), "texts: " + texts);
        System.out.println("golden texts: " + texts);
    }

    /** Gives the golden outputs for the golden inputs, and for no others. */
    private final class Replay implements Recognizer.Runner {
        int chunk;
        boolean goesOn = true; // states are those of the chunk before

        @Override
        public void run(Map<String, Object> inputs, Map<String, Object> outputs) {
            same(inputs.get("samples"), row("samples", chunk), "samples");
            same(inputs.get("num_samples"), row("num_samples", chunk), "num_samples");
            expect(inputs.size() == metadata.states.size() + 2, "inputs");
            expect(outputs.size() == metadata.states.size() + 2, "outputs");
            for (String name : metadata.states.keySet()) {
                ByteBuffer before = chunk > 0 ? row("next_state_" + name, chunk - 1)
                        : ByteBuffer.allocate(row("next_state_" + name, 0).remaining());
                if (goesOn) {
                    same(inputs.get("state_" + name), before, "state " + name);
                }
            }
            for (Map.Entry<String, Object> output : outputs.entrySet()) {
                ((ByteBuffer) output.getValue()).put(row(output.getKey(), chunk));
            }
            chunk++;
        }

        private void same(Object given, ByteBuffer wanted, String name) {
            expect(given.equals(wanted), name + " of chunk " + chunk + " is another one");
        }
    }

    private void carriesStates() {
        Replay replay = new Replay();
        Recognizer recognizer = new Recognizer(metadata, replay);
        Map<String, ByteBuffer> middle = null;
        for (int pass = 0; pass < 2; pass++) {
            recognizer.reset();
            replay.chunk = 0;
            for (int chunk = 0; chunk < chunks; chunk++) {
                recognizer.step(samples(chunk), count(chunk));
                float[] scores = new float[recognizer.logProbabilities.length];
                row("log_probabilities", chunk).asFloatBuffer().get(scores);
                expect(Arrays.equals(scores, recognizer.logProbabilities), "scores");
                if (chunk == chunks / 2) {
                    middle = recognizer.copyStates();
                }
            }
            expect(replay.chunk == chunks, "chunks");
        }
        recognizer.setStates(middle);
        replay.chunk = chunks / 2 + 1;
        recognizer.step(samples(replay.chunk), count(replay.chunk));
        System.out.println("states: carried over " + chunks + " chunks, and from the middle");
    }

    private void refusesBadInput() {
        Replay replay = new Replay();
        Recognizer recognizer = new Recognizer(metadata, replay);
        int size = metadata.chunkSamples;
        recognizer.step(samples(0), count(0));
        refuses("A chunk of 0 samples", () -> recognizer.step(samples(1), 0));
        refuses("fewer only in the last",
                () -> recognizer.step(new float[size + 1], size + 1));
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            float[] broken = samples(1);
            broken[5] = bad;
            refuses("1 of " + size + " samples are NaN", () -> recognizer.step(broken, size));
        }
        Map<String, ByteBuffer> states = recognizer.copyStates();
        for (ModelMetadata.State state : metadata.states.values()) {
            Map<String, ByteBuffer> others = new HashMap<>(states);
            others.put(state.name, ByteBuffer.allocate(4 * state.count + 4));
            refuses("it is another model's", () -> recognizer.setStates(others));
            others.remove(state.name);
            refuses("states of another model", () -> recognizer.setStates(others));
            if (!state.isInteger) {
                ByteBuffer broken = ByteBuffer.allocate(4 * state.count)
                        .order(ByteOrder.nativeOrder());
                broken.putFloat(0, Float.NaN);
                others.put(state.name, broken);
                refuses("NaN or infinite", () -> recognizer.setStates(others));
            }
        }
        recognizer.step(samples(1), count(1)); // the stand-in checks the states
        System.out.println("bad input: refused, and the stream goes on");
    }

    private static ModelMetadata small(Double longest) {
        Map<String, Object> stream = new HashMap<>();
        stream.put("signature", "stream");
        stream.put("chunk_samples", 4.0);
        stream.put("chunk_frames", 4.0);
        stream.put("chunk_seconds", 0.4);
        stream.put("latency_ms", 400.0);
        stream.put("longest_segment_seconds", longest);
        stream.put("states", new HashMap<String, Object>());
        Map<String, Object> all = new HashMap<>();
        all.put("sampling_rate_hz", 10.0);
        all.put("vocabulary", Arrays.asList("<blank>", " ", "\u2581he", "llo", "<unk>"));
        all.put("frame_seconds", 0.1);
        all.put("stream", stream);
        return new ModelMetadata(all);
    }

    private static boolean say(Segments segments, int... best) {
        float[] scores = new float[5 * best.length];
        for (int frame = 0; frame < best.length; frame++) {
            scores[5 * frame + best[frame]] = 1;
        }
        return segments.add(best, scores, best.length);
    }

    private void endsSegments() {
        Segments segments = new Segments(small(null), 1.0);
        expect(!segments.beginsAnew(), "goes on");
        expect(!say(segments, 2, 3, 0, 0), "speech");
        expect(!say(segments, 1, 4, 0, 0), "silence, 0.6 s");
        expect(!say(segments, 2, 0, 0, 0), "speech");
        expect(!say(segments, 0, 0, 0, 0), "silence, 0.7 s");
        expect(say(segments, 0, 0, 0, 0), "silence, 1.1 s");
        expect(segments.text().equals("hello he"), segments.text());
        expect(segments.end().equals("hello he") && segments.end().isEmpty(), "text");
        Segments longer = new Segments(small(4.0), 1.0);
        expect(longer.beginsAnew(), "begins anew");
        int count = 1;
        while (!say(longer, 2, 0, 2, 0)) {
            count++;
        }
        expect(count == 10, count + " chunks");
        longer.end();
        for (int i = 0; i < 5; i++) {
            expect(!say(longer, 2, 0, 2, 2), "speech");
        }
        expect(say(longer, 0, 0, 0, 0), "a pause late in the segment");
        System.out.println("segments: end in silence and at their greatest length");
    }

    private void joinsPieces() {
        Replay replay = new Replay();
        replay.goesOn = metadata.longestSegmentSeconds == 0;
        List<Object> texts = new ArrayList<>();
        List<String> partials = new ArrayList<>();
        SpeechStream stream = new SpeechStream(new Recognizer(metadata, replay),
                new SpeechStream.Listener() {
                    @Override
                    public void onPartial(String text) {
                        partials.add(text);
                    }

                    @Override
                    public void onSegment(String text) {
                        texts.add(text);
                    }
                });
        int size = metadata.chunkSamples;
        float[] all = new float[chunks * size];
        int length = 0;
        for (int chunk = 0; chunk < chunks; chunk++) {
            System.arraycopy(samples(chunk), 0, all, length, count(chunk));
            length += count(chunk);
        }
        for (int start = 0; start < length; start += 777) {
            int stop = Math.min(length, start + 777);
            float[] piece = Arrays.copyOfRange(all, start, stop);
            if (start > 0) { // refused as a whole: nothing of it is taken
                float[] broken = piece.clone();
                broken[broken.length - 1] = Float.NaN;
                refuses("NaN", () -> stream.feed(broken, broken.length));
            }
            stream.feed(piece, piece.length);
        }
        stream.finish();
        expect(replay.chunk == chunks, replay.chunk + " chunks");
        expect(texts.equals(facts.get("texts")), "texts: " + texts);
        String first = (String) texts.get(0);
        expect(partials.stream().anyMatch(x -> !x.isEmpty() && first.startsWith(x)),
                "partial texts: " + partials);
        System.out.println("pieces of any length: the golden texts");
    }

    private void resamples() {
        for (int rate : new int[] {8000, 44100, 48000}) {
            float[] tone = new float[rate];
            for (int i = 0; i < rate; i++) {
                tone[i] = (float) (0.5 * Math.sin(2 * Math.PI * 1000 * i / rate));
            }
            Resampler resampler = new Resampler(rate, 16000);
            List<Float> found = new ArrayList<>();
            for (int start = 0; start < rate; start += 1000) {
                float[] piece = Arrays.copyOfRange(tone, start, Math.min(rate, start + 1000));
                for (float value : resampler.feed(piece, piece.length)) {
                    found.add(value);
                }
            }
            for (float value : resampler.finish()) {
                found.add(value);
            }
            expect(Math.abs(found.size() - 16000) <= 1, found.size() + " samples");
            double worst = 0;
            for (int i = 100; i < 15900; i++) {
                double wanted = 0.5 * Math.sin(2 * Math.PI * 1000 * i / 16000);
                worst = Math.max(worst, Math.abs(found.get(i) - wanted));
            }
            expect(worst < 5e-3, "resampled from " + rate + ": " + worst);
        }
        System.out.println("other rates: resampled");
    }

    private void measuresLoudness() {
        short[] raw = {-32768, 0, 16384, 32767};
        float[] values = new float[4];
        Sound.toFloats(raw, values, 4);
        expect(values[0] == -1f && values[2] == 0.5f && values[3] < 1f, "floats");
        expect(Sound.decibels(new float[100], 100) == Sound.LOWEST_DB, "silence");
        float[] half = new float[100];
        Arrays.fill(half, 0.5f);
        expect(Math.abs(Sound.decibels(half, 100) + 6.02) < 0.01, "half of full scale");
        expect(Sound.decibels(half, 0) == Sound.LOWEST_DB, "nothing");
        System.out.println("loudness: measured");
    }
}
