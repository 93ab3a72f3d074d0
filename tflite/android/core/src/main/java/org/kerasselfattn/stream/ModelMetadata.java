package org.kerasselfattn.stream;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What the file of a streaming recogniser says of itself. */
public final class ModelMetadata {
    private static final String NAME = "keras_selfattn";
    // Fields of the schema of .tflite files, by their number.
    private static final int MODEL_BUFFERS = 4;
    private static final int MODEL_METADATA = 6;
    private static final int ENTRY_NAME = 0;
    private static final int ENTRY_BUFFER = 1;
    private static final int BUFFER_DATA = 0;

    /** The shape and type of a state. */
    public static final class State {
        public final String name;
        public final boolean isInteger; // int32; else float32
        public final int count; // values, of 4 bytes each

        State(String name, boolean isInteger, int count) {
            this.name = name;
            this.isInteger = isInteger;
            this.count = count;
        }
    }

    public final int samplingRateHz;
    public final List<String> vocabulary;
    public final double frameSeconds;
    public final String signature;
    public final int chunkSamples;
    public final int chunkFrames;
    public final double chunkSeconds;
    public final double latencyMs;
    /** 0 where segments may be of any length and states go on after them. */
    public final double longestSegmentSeconds;
    public final Map<String, State> states;

    /**
     * @param file the whole file, mapped or read; its position is left alone.
     * @throws StreamException no .tflite file, or not of a streaming recogniser
     */
    public static ModelMetadata read(ByteBuffer file) {
        ByteBuffer bytes = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        bytes.position(0);
        if (bytes.limit() < 8 || !text(bytes, 4, 4).equals("TFL3")) {
            throw new StreamException("This is not a .tflite file.");
        }
        String found;
        try {
            found = find(bytes);
        } catch (IndexOutOfBoundsException | BufferUnderflowException error) {
            throw new StreamException("This .tflite file is broken: it ends too early.");
        }
        if (found == null) {
            throw new StreamException(
                    "This .tflite file has no metadata of keras_selfattn; export it again.");
        }
        Object value = Json.parse(found);
        if (!(value instanceof Map)) {
            throw new StreamException("The metadata is no JSON object.");
        }
        return new ModelMetadata((Map<?, ?>) value);
    }

    ModelMetadata(Map<?, ?> all) {
        List<String> missing = new ArrayList<>();
        for (String key :
                new String[] {"sampling_rate_hz", "vocabulary", "frame_seconds", "stream"}) {
            if (!all.containsKey(key)) {
                missing.add(key);
            }
        }
        if (!missing.isEmpty()) {
            throw new StreamException("This file is no streaming recogniser: its metadata lacks "
                    + String.join(", ", missing) + ".");
        }
        try {
            Map<?, ?> stream = (Map<?, ?>) all.get("stream");
            samplingRateHz = integer(all.get("sampling_rate_hz"));
            frameSeconds = (Double) all.get("frame_seconds");
            List<String> pieces = new ArrayList<>();
            for (Object piece : (List<?>) all.get("vocabulary")) {
                pieces.add((String) piece);
            }
            vocabulary = Collections.unmodifiableList(pieces);
            signature = (String) stream.get("signature");
            chunkSamples = integer(stream.get("chunk_samples"));
            chunkFrames = integer(stream.get("chunk_frames"));
            chunkSeconds = (Double) stream.get("chunk_seconds");
            latencyMs = (Double) stream.get("latency_ms");
            Double longest = (Double) stream.get("longest_segment_seconds");
            longestSegmentSeconds = longest == null ? 0 : longest;
            states = readStates((Map<?, ?>) stream.get("states"));
        } catch (ClassCastException | NullPointerException error) {
            throw new StreamException(
                    "The metadata of this file has a field of another kind than expected.");
        }
    }

    private static Map<String, State> readStates(Map<?, ?> listed) {
        Map<String, State> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : listed.entrySet()) {
            String name = (String) entry.getKey();
            Map<?, ?> spec = (Map<?, ?>) entry.getValue();
            int count = 1;
            for (Object size : (List<?>) spec.get("shape")) {
                count = Math.multiplyExact(count, integer(size));
            }
            String type = (String) spec.get("dtype");
            if (!type.equals("int32") && !type.equals("float32")) {
                throw new StreamException("The state " + name + " is " + type
                        + "; expected float32 or int32.");
            }
            found.put(name, new State(name, type.equals("int32"), count));
        }
        return Collections.unmodifiableMap(found);
    }

    private static int integer(Object value) {
        double number = (Double) value;
        if (number < 1 || number > Integer.MAX_VALUE || number != Math.rint(number)) {
            throw new StreamException("The metadata says " + number
                    + " where a whole number from 1 on is expected.");
        }
        return (int) number;
    }

    private static String find(ByteBuffer file) {
        int model = follow(file, 0);
        int entries = vector(file, model, MODEL_METADATA);
        int count = entries == 0 ? 0 : file.getInt(entries);
        for (int i = 0; i < count; i++) {
            int entry = follow(file, entries + 4 + 4 * i);
            int name = vector(file, entry, ENTRY_NAME);
            if (name == 0 || !text(file, name + 4, file.getInt(name)).equals(NAME)) {
                continue;
            }
            int place = field(file, entry, ENTRY_BUFFER);
            int index = place == 0 ? 0 : file.getInt(place);
            int buffers = vector(file, model, MODEL_BUFFERS);
            int buffer = follow(file, buffers + 4 + 4 * index);
            int data = vector(file, buffer, BUFFER_DATA);
            return data == 0 ? null : text(file, data + 4, file.getInt(data));
        }
        return null;
    }

    private static int follow(ByteBuffer file, int at) {
        return at + file.getInt(at);
    }

    /** Where a field of a table stands, or 0 where it is left out. */
    private static int field(ByteBuffer file, int table, int number) {
        int fields = table - file.getInt(table);
        int place = 4 + 2 * number;
        if (place >= (file.getShort(fields) & 0xFFFF)) {
            return 0;
        }
        int offset = file.getShort(fields + place) & 0xFFFF;
        return offset == 0 ? 0 : table + offset;
    }

    private static int vector(ByteBuffer file, int table, int number) {
        int place = field(file, table, number);
        return place == 0 ? 0 : follow(file, place);
    }

    private static String text(ByteBuffer file, int at, int size) {
        if (size < 0 || at < 0 || size > file.limit() - at) {
            throw new IndexOutOfBoundsException();
        }
        byte[] bytes = new byte[size];
        ByteBuffer from = file.duplicate();
        from.position(at);
        from.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
