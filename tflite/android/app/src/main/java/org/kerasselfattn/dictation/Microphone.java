package org.kerasselfattn.dictation;

import android.annotation.SuppressLint;
import android.media.AudioFormat;
import android.media.AudioRecord;
import android.media.MediaRecorder;

import org.kerasselfattn.stream.Resampler;
import org.kerasselfattn.stream.Sound;

/** The microphone on a thread of its own, from `open` to `close`. */
final class Microphone implements AutoCloseable {
    /** Called on the microphone's thread. */
    interface Listener {
        void onSamples(float[] samples, int count);

        /** The last call: it was closed, or the device was taken away. */
        void onEnd(boolean isLost);
    }

    // Every phone has this one, should it not have the model's.
    private static final int SURE_RATE_HZ = 44100;
    private static final int PIECE_SAMPLES = 1024;
    private static final int BUFFER_SECONDS = 2; // room for a slow chunk

    private final AudioRecord record;
    private final Resampler resampler; // null where none is needed
    private final Thread thread;
    private volatile boolean isOpen = true;

    private Microphone(AudioRecord record, Resampler resampler, Listener listener) {
        this.record = record;
        this.resampler = resampler;
        thread = new Thread(() -> read(listener), "microphone");
    }

    /** Returns null where no microphone opens; permission must have been given. */
    static Microphone open(int samplingRateHz, Listener listener) {
        for (int rate : new int[] {samplingRateHz, SURE_RATE_HZ}) {
            AudioRecord record = record(rate);
            if (record != null) {
                Resampler resampler =
                        rate == samplingRateHz ? null : new Resampler(rate, samplingRateHz);
                Microphone microphone = new Microphone(record, resampler, listener);
                microphone.thread.start();
                return microphone;
            }
        }
        return null;
    }

    @SuppressLint("MissingPermission") // MainActivity asks before
    private static AudioRecord record(int rate) {
        int channel = AudioFormat.CHANNEL_IN_MONO;
        int encoding = AudioFormat.ENCODING_PCM_16BIT;
        int least = AudioRecord.getMinBufferSize(rate, channel, encoding);
        if (least <= 0) {
            return null;
        }
        AudioRecord record = null;
        try {
            record = new AudioRecord(MediaRecorder.AudioSource.VOICE_RECOGNITION, rate, channel,
                    encoding, Math.max(least, 2 * BUFFER_SECONDS * rate));
            if (record.getState() == AudioRecord.STATE_INITIALIZED) {
                record.startRecording();
                if (record.getRecordingState() == AudioRecord.RECORDSTATE_RECORDING) {
                    return record;
                }
            }
        } catch (IllegalArgumentException | IllegalStateException | SecurityException error) {
            // The next rate, or the message that none opens.
        }
        if (record != null) {
            record.release();
        }
        return null;
    }

    private void read(Listener listener) {
        short[] raw = new short[PIECE_SAMPLES];
        float[] samples = new float[PIECE_SAMPLES];
        boolean isLost = false;
        while (isOpen && !isLost) {
            int count = record.read(raw, 0, raw.length);
            if (count < 0) {
                isLost = isOpen; // an error code
            } else if (count > 0) {
                Sound.toFloats(raw, samples, count);
                give(listener, samples, count);
            }
        }
        if (resampler != null) {
            float[] last = resampler.finish();
            listener.onSamples(last, last.length);
        }
        record.release();
        listener.onEnd(isLost);
    }

    private void give(Listener listener, float[] samples, int count) {
        if (resampler == null) {
            listener.onSamples(samples, count);
        } else {
            float[] resampled = resampler.feed(samples, count);
            listener.onSamples(resampled, resampled.length);
        }
    }

    /** Asks the thread to end; `onEnd` tells when it has. */
    @Override
    public void close() {
        isOpen = false;
    }
}
