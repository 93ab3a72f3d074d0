package org.kerasselfattn.stream;

/** Samples as the microphone gives them. */
public final class Sound {
    public static final double LOWEST_DB = -60;

    private Sound() {}

    /** 16-bit samples as floats in [-1, 1). */
    public static void toFloats(short[] from, float[] to, int count) {
        for (int i = 0; i < count; i++) {
            to[i] = from[i] / 32768f;
        }
    }

    /** The loudness in decibels of full scale, from LOWEST_DB to 0. */
    public static double decibels(float[] samples, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += (double) samples[i] * samples[i];
        }
        double power = count > 0 ? sum / count : 0;
        return Math.max(LOWEST_DB, Math.min(0, 10 * Math.log10(power + 1e-12)));
    }
}
