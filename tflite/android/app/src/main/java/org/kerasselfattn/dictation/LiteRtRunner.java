package org.kerasselfattn.dictation;

import android.content.Context;
import android.content.res.AssetFileDescriptor;

import org.kerasselfattn.stream.ModelMetadata;
import org.kerasselfattn.stream.Recognizer;
import org.kerasselfattn.stream.StreamException;
import org.tensorflow.lite.Interpreter;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Map;

/** Runs the signature of the model that lies in the app's assets. */
final class LiteRtRunner implements Recognizer.Runner, AutoCloseable {
    private static final String ASSET = "model.tflite";

    private final Interpreter interpreter;
    private final String signature;

    private LiteRtRunner(Interpreter interpreter, String signature) {
        this.interpreter = interpreter;
        this.signature = signature;
    }

    /** The file, mapped into memory; it is not compressed in the package. */
    static MappedByteBuffer map(Context context) throws IOException {
        try (AssetFileDescriptor asset = context.getAssets().openFd(ASSET);
                FileInputStream stream = new FileInputStream(asset.getFileDescriptor())) {
            return stream.getChannel().map(FileChannel.MapMode.READ_ONLY,
                    asset.getStartOffset(), asset.getDeclaredLength());
        }
    }

    static LiteRtRunner open(MappedByteBuffer file, ModelMetadata metadata) {
        Interpreter.Options options = new Interpreter.Options().setNumThreads(1);
        Interpreter interpreter = new Interpreter(file, options);
        for (String key : interpreter.getSignatureKeys()) {
            if (key.equals(metadata.signature)) {
                return new LiteRtRunner(interpreter, key);
            }
        }
        interpreter.close();
        throw new StreamException("This file has no signature " + metadata.signature + ".");
    }

    @Override
    public void run(Map<String, Object> inputs, Map<String, Object> outputs) {
        interpreter.runSignature(inputs, outputs, signature);
    }

    @Override
    public void close() {
        interpreter.close();
    }
}
