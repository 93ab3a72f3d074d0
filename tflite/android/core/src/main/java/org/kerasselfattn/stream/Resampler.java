package org.kerasselfattn.stream;

import java.util.Arrays;

/**
 * Changes the rate of a stream of samples, piece by piece: a windowed sinc that
 * lets pass what both rates can hold. For microphones that do not give the
 * model's rate.
 */
public final class Resampler {
    private static final int ZERO_CROSSINGS = 16;

    private final double step;
    private final double cutoff;
    private final int half;
    private float[] kept;
    private double at; // of the next sample out, counted in `kept`

    public Resampler(int fromHz, int toHz) {
        step = (double) fromHz / toHz;
        cutoff = Math.min(1, 1 / step);
        half = (int) Math.ceil(ZERO_CROSSINGS / cutoff);
        kept = new float[half]; // silence before the beginning
        at = half;
    }

    /** The samples out that `count` samples in make possible. */
    public float[] feed(float[] samples, int count) {
        float[] joined = Arrays.copyOf(kept, kept.length + count);
        System.arraycopy(samples, 0, joined, kept.length, count);
        float[] out = new float[(int) (count / step) + 2];
        int length = 0;
        while (at + half < joined.length) {
            out[length++] = value(joined, at);
            at += step;
        }
        int start = Math.max(0, (int) at - half);
        kept = Arrays.copyOfRange(joined, start, joined.length);
        at -= start;
        return Arrays.copyOf(out, length);
    }

    /** The last samples: the sound goes over into silence. */
    public float[] finish() {
        return feed(new float[half], half);
    }

    private float value(float[] samples, double place) {
        double sum = 0;
        int first = Math.max(0, (int) Math.ceil(place - half));
        int last = Math.min(samples.length - 1, (int) (place + half));
        for (int i = first; i <= last; i++) {
            double x = i - place;
            double angle = Math.PI * x * cutoff;
            double sinc = Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle;
            sum += samples[i] * sinc * (0.5 + 0.5 * Math.cos(Math.PI * x / half));
        }
        return (float) (sum * cutoff);
    }
}
