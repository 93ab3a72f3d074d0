package org.kerasselfattn.stream;

/** A file, a state or samples that cannot be used; the message says why. */
public final class StreamException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    public StreamException(String message) {
        super(message);
    }
}
