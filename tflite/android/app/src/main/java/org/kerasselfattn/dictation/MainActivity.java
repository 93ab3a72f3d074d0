package org.kerasselfattn.dictation;

import android.Manifest;
import android.app.Activity;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Bundle;
import android.provider.Settings;
import android.view.View;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.ScrollView;
import android.widget.TextView;

import org.kerasselfattn.stream.ModelMetadata;
import org.kerasselfattn.stream.Recognizer;
import org.kerasselfattn.stream.Sound;
import org.kerasselfattn.stream.SpeechStream;
import org.kerasselfattn.stream.StreamException;

import java.io.IOException;
import java.nio.MappedByteBuffer;

/** One screen: what is said, and a button. */
public final class MainActivity extends Activity {
    private static final int ASK = 1;

    private TextView status;
    private TextView said;
    private TextView partial;
    private ScrollView paper;
    private ProgressBar loudness;
    private Button listen;
    private Button share;
    private Button clear;
    private Button settings;

    private LiteRtRunner runner; // null until the model is loaded
    private Recognizer recognizer;
    private Microphone microphone; // null while nobody listens
    private boolean isDestroyed;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        status = findViewById(R.id.status);
        said = findViewById(R.id.said);
        partial = findViewById(R.id.partial);
        paper = findViewById(R.id.paper);
        loudness = findViewById(R.id.loudness);
        listen = findViewById(R.id.listen);
        share = findViewById(R.id.share);
        clear = findViewById(R.id.clear);
        settings = findViewById(R.id.settings);
        listen.setOnClickListener(view -> {
            if (microphone == null) {
                start();
            } else {
                stop();
            }
        });
        share.setOnClickListener(view -> share());
        clear.setOnClickListener(view -> clear());
        settings.setOnClickListener(view -> startActivity(new Intent(
                Settings.ACTION_APPLICATION_DETAILS_SETTINGS,
                Uri.fromParts("package", getPackageName(), null))));
        new Thread(this::load, "loading").start();
    }

    private void load() {
        try {
            MappedByteBuffer file = LiteRtRunner.map(this);
            ModelMetadata metadata = ModelMetadata.read(file);
            LiteRtRunner opened = LiteRtRunner.open(file, metadata);
            Recognizer made = new Recognizer(metadata, opened);
            runOnUiThread(() -> ready(opened, made));
        } catch (IOException | StreamException | IllegalStateException error) {
            String why = error.getMessage();
            runOnUiThread(() -> status.setText(getString(R.string.no_model, why)));
        }
    }

    private void ready(LiteRtRunner opened, Recognizer made) {
        if (isDestroyed) {
            opened.close();
            return;
        }
        runner = opened;
        recognizer = made;
        listen.setEnabled(true);
        showReady();
    }

    private void showReady() {
        status.setText(getString(R.string.ready, Math.round(recognizer.metadata.latencyMs)));
    }

    private void start() {
        settings.setVisibility(View.GONE);
        if (checkSelfPermission(Manifest.permission.RECORD_AUDIO)
                != PackageManager.PERMISSION_GRANTED) {
            requestPermissions(new String[] {Manifest.permission.RECORD_AUDIO}, ASK);
            return;
        }
        SpeechStream stream = new SpeechStream(recognizer, new SpeechStream.Listener() {
            @Override
            public void onPartial(String text) {
                runOnUiThread(() -> showPartial(text));
            }

            @Override
            public void onSegment(String text) {
                runOnUiThread(() -> addSegment(text));
            }
        });
        microphone = Microphone.open(recognizer.metadata.samplingRateHz,
                new Microphone.Listener() {
                    @Override
                    public void onSamples(float[] samples, int count) {
                        double decibels = Sound.decibels(samples, count);
                        runOnUiThread(() -> showLoudness(decibels));
                        hear(() -> stream.feed(samples, count));
                    }

                    @Override
                    public void onEnd(boolean isLost) {
                        hear(stream::finish);
                        runOnUiThread(() -> ended(isLost));
                    }
                });
        if (microphone == null) {
            status.setText(R.string.no_microphone);
            return;
        }
        status.setText(R.string.listening);
        listen.setText(R.string.stop);
    }

    /** Shows what was refused; the stream goes on. */
    private void hear(Runnable work) {
        try {
            work.run();
        } catch (StreamException error) {
            runOnUiThread(() -> status.setText(error.getMessage()));
        }
    }

    private void stop() {
        if (microphone != null) {
            listen.setEnabled(false); // until `ended`
            microphone.close();
        }
    }

    private void ended(boolean isLost) {
        microphone = null;
        if (isDestroyed) {
            runner.close();
            return;
        }
        listen.setEnabled(true);
        listen.setText(R.string.start);
        showLoudness(Sound.LOWEST_DB);
        if (isLost) {
            status.setText(R.string.microphone_lost);
        } else {
            showReady();
        }
    }

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        if (request != ASK) {
            return;
        }
        if (results.length > 0 && results[0] == PackageManager.PERMISSION_GRANTED) {
            start();
        } else if (shouldShowRequestPermissionRationale(Manifest.permission.RECORD_AUDIO)
                || results.length == 0) { // none: the question was put away
            status.setText(R.string.denied);
        } else {
            status.setText(R.string.denied_for_good);
            settings.setVisibility(View.VISIBLE);
        }
    }

    private void showLoudness(double decibels) {
        loudness.setProgress((int) Math.round(100 * (1 - decibels / Sound.LOWEST_DB)));
    }

    private void showPartial(String text) {
        partial.setText(text);
        scroll();
    }

    private void addSegment(String text) {
        said.append(said.length() == 0 ? text : "\n" + text);
        share.setEnabled(true);
        clear.setEnabled(true);
        scroll();
    }

    private void scroll() {
        paper.post(() -> paper.fullScroll(View.FOCUS_DOWN));
    }

    private void share() {
        Intent send = new Intent(Intent.ACTION_SEND);
        send.setType("text/plain");
        send.putExtra(Intent.EXTRA_TEXT, said.getText().toString());
        startActivity(Intent.createChooser(send, null));
    }

    private void clear() {
        said.setText("");
        share.setEnabled(false);
        clear.setEnabled(false);
    }

    @Override
    protected void onStop() {
        super.onStop();
        stop(); // nobody is heard who does not see it
    }

    @Override
    protected void onDestroy() {
        isDestroyed = true;
        if (microphone == null && runner != null) {
            runner.close(); // else `ended` does, when the thread is through
        }
        super.onDestroy();
    }
}
