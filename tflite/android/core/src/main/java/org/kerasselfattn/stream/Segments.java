package org.kerasselfattn.stream;

import java.util.List;

/**
 * Text from token ids, cut where nothing is said for a second.
 *
 * The rules stand in tflite/README.md; each runner has the same.
 */
public final class Segments {
    public static final double ENDPOINT_SECONDS = 1.0;
    private static final double LONGEST_SEGMENT_SECONDS = 60.0;
    private static final char WORD_START = '\u2581'; // SentencePiece's blank

    private final ModelMetadata metadata;
    private final double endpointSeconds;
    private final double longestSeconds;
    private final boolean[] silent;
    private final StringBuilder pieces = new StringBuilder();
    private int frames;
    private int silentFrames;

    public Segments(ModelMetadata metadata, double endpointSeconds) {
        this.metadata = metadata;
        this.endpointSeconds = endpointSeconds;
        longestSeconds = metadata.longestSegmentSeconds > 0
                ? metadata.longestSegmentSeconds : LONGEST_SEGMENT_SECONDS;
        List<String> vocabulary = metadata.vocabulary;
        silent = new boolean[vocabulary.size()];
        for (int id = 0; id < silent.length; id++) {
            silent[id] = id == 0 || tidy(plain(vocabulary.get(id))).isEmpty();
        }
    }

    /** Whether the states begin anew with a segment. */
    public boolean beginsAnew() {
        return metadata.longestSegmentSeconds > 0;
    }

    /** The text of the segment that is being spoken. */
    public String text() {
        return tidy(pieces);
    }

    /**
     * Takes the frames of a chunk in; returns whether the segment ends.
     *
     * @param ids a token where it starts, 0 elsewhere; `count` of them mean something
     * @param scores log-probabilities, frames by vocabulary
     */
    public boolean add(int[] ids, float[] scores, int count) {
        for (int frame = 0; frame < count; frame++) {
            if (ids[frame] != 0) {
                pieces.append(plain(metadata.vocabulary.get(ids[frame])));
            }
            int best = 0;
            int row = frame * silent.length;
            for (int id = 1; id < silent.length; id++) {
                if (scores[row + id] > scores[row + best]) {
                    best = id;
                }
            }
            silentFrames = silent[best] ? silentFrames + 1 : 0;
        }
        frames += count;
        double silence = silentFrames * metadata.frameSeconds;
        double length = frames * metadata.frameSeconds;
        return silence >= endpointSeconds
                || length + metadata.chunkSeconds > longestSeconds
                || (length > longestSeconds / 2 && silence >= metadata.chunkSeconds);
    }

    /** Ends the segment; returns its text, "" where nothing was said. */
    public String end() {
        String text = text();
        pieces.setLength(0);
        frames = 0;
        silentFrames = 0;
        return text;
    }

    private static String plain(String piece) {
        boolean isSpecial = piece.length() > 2 && piece.startsWith("<") && piece.endsWith(">");
        return isSpecial ? "" : piece.replace(WORD_START, ' ');
    }

    private static String tidy(CharSequence text) {
        return text.toString().trim().replaceAll("\\s+", " ");
    }
}
