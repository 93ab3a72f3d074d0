"""`keras-selfattn transcribe --stream`: text while it is spoken."""

import sys

from keras_selfattn.commands.terminal import model_source, report

STDIN = "-"
BLOCK_SAMPLES = 1 << 14


def transcribe_streams(
    paths, preset, json, threads, endpoint_seconds, second_pass, search=None
):
    """Print each segment of each source when it has ended, a line each.

    Where stderr is a terminal, the text that is being spoken stands there.

    Args:
        paths: list of paths of sound files, or `-` for raw 16-bit samples on
            stdin.
        preset: see `model_source`.
        json: bool, print a JSON object a line instead of text.
        threads: int >= 1.
        endpoint_seconds: float > 0, silence that ends a segment.
        second_pass: bool, hear each ended segment again in full context.
        search: `SpeechSearch`, or None.

    Returns:
        int, how many sources could not be used; each was reported.
    """
    from keras_selfattn.runtime.streaming_transcriber import (
        StreamingTranscriber,
    )

    stream = StreamingTranscriber(
        model_source(preset), threads, endpoint_seconds, second_pass, search
    )
    failed = 0
    for path in paths:
        stream.reset()
        try:
            _transcribe(stream, path, json)
        except (ValueError, OSError) as error:
            _show("")
            report("stdin" if str(path) == STDIN else path, error)
            failed += 1
    return failed


def _transcribe(stream, path, json):
    def write():
        segments = stream.take_segments()
        if segments:
            _show("")
        for segment in segments:
            line = segment.json(path) if json else segment.text
            print(line, flush=True)

    try:
        for samples in _blocks(path, stream.sampling_rate_hz):
            text = stream.feed(samples)
            write()
            _show(text)
    finally:
        # What was said before an error is not lost.
        last = stream.finish()
        _show("")
        if last.text or last.command:
            print(last.json(path) if json else last.text, flush=True)


def _blocks(path, rate_hz):
    if str(path) == STDIN:
        from keras_selfattn.preprocessing.pcm_stream import pcm_blocks

        if sys.stdin.isatty():
            raise ValueError(
                "stdin is a terminal; pipe samples in: arecord -f S16_LE -c 1 "
                f"-r {rate_hz} | keras-selfattn transcribe --stream -"
            )
        yield from pcm_blocks(sys.stdin.buffer, rate_hz)
        return
    from keras_selfattn.preprocessing.audio import read_audio

    samples = read_audio(path, rate_hz)
    for start in range(0, len(samples), BLOCK_SAMPLES):
        yield samples[start : start + BLOCK_SAMPLES]


def _show(text, width=78):
    """The end of `text` on the last line of a terminal, in place."""
    if sys.stderr.isatty():
        print(f"\r{text[-width:]:<{width}}\r", end="", file=sys.stderr)
        sys.stderr.flush()
