"""Sound files decoded inside a `tf.data` pipeline, by tensorflow-io.

Optional, and for TensorFlow 2.16 alone: the last tensorflow-io (0.37.1, 2024)
was built against it, and beside a newer TensorFlow its library does not load.
Elsewhere `SpeechDataset` decodes by libsndfile, on any backend.

Shapes: `L` samples of a recording.
"""

import importlib.metadata
import importlib.util

from keras_selfattn.preprocessing.audio import SAMPLING_RATE_HZ

NEEDED = (
    "tensorflow-io decodes sound only beside the TensorFlow that it was built "
    "against: pip install 'tensorflow==2.16.*' 'tensorflow-io==0.37.1' "
    "'numpy==1.26.4' in an environment of its own"
)


def decoded_audio(paths, sampling_rate_hz=SAMPLING_RATE_HZ, parallel=2):
    """A dataset of recordings as samples.

    Args:
        paths: list of str or paths; 16-bit WAV and FLAC, Ogg Vorbis.
        sampling_rate_hz: int, rate of the result; others are resampled.
        parallel: int >= 1, files decoded at once.

    Returns:
        `tf.data.Dataset` of float32 `(L,)`, mono (the channels' mean), in the
        order of the paths.

    Raises:
        ImportError: TensorFlow or tensorflow-io is missing, or they do not go
            together; names the versions found.
        ValueError: no paths, or a suffix that it cannot decode.

    Example:
    ```python
    waves = decoded_audio(["a.flac", "b.wav"])
    batches = waves.padded_batch(2)
    ```
    """
    paths = [str(path) for path in paths]
    if not paths:
        raise ValueError(
            "no paths were given; expected one sound file or more."
        )
    kinds = sorted({_kind(path) for path in paths})
    if unknown := [kind for kind in kinds if kind not in _DECODERS]:
        raise ValueError(
            f"files end in {', '.join(unknown)}; tensorflow-io decodes "
            f"{', '.join(_DECODERS)}. SpeechDataset reads all that libsndfile "
            "does."
        )
    tf, audio = _tensorflow_io()

    def decode(path):
        content = tf.io.read_file(path)
        kind = tf.strings.lower(tf.strings.split(path, ".")[-1])
        cases = [
            (
                tf.equal(kind, name),
                lambda name=name: _mono(tf, audio, name, content),
            )
            for name in kinds
        ]
        sound, rate = tf.case(cases, exclusive=True)
        sound = tf.cond(  # its filter delays even what keeps its rate
            tf.equal(rate, sampling_rate_hz),
            lambda: sound,
            lambda: audio.resample(sound, rate, sampling_rate_hz),
        )
        return tf.ensure_shape(tf.squeeze(sound, -1), [None])

    return tf.data.Dataset.from_tensor_slices(paths).map(
        decode, num_parallel_calls=parallel, deterministic=True
    )


_DECODERS = ("wav", "flac", "ogg")


def _kind(path):
    return path.rpartition(".")[2].lower()


def _mono(tf, audio, kind, content):
    """Samples `(L, 1)`, float32, and the rate of a file's content."""
    if kind == "wav":
        sound, rate = tf.audio.decode_wav(content)
    elif kind == "flac":
        # 20 bits of STREAMINFO, which is the first block.
        high, middle, low = _bytes(tf, content, 18, 3)
        rate = high * 4096 + middle * 16 + low // 16
        sound = _as_float(tf, audio.decode_flac(content, dtype=tf.int16))
    else:
        # Of the identification header, behind the first page's header.
        parts = _bytes(tf, content, 40, 4)
        rate = sum(part * 256**i for i, part in enumerate(parts))
        sound = audio.decode_vorbis(content)
    sound = tf.reduce_mean(sound, axis=1, keepdims=True)
    return sound, tf.cast(rate, tf.int64)


def _bytes(tf, content, first, count):
    part = tf.strings.substr(content, first, count)
    values = tf.cast(tf.io.decode_raw(part, tf.uint8), tf.int32)
    return tf.unstack(tf.ensure_shape(values, [count]))


def _as_float(tf, sound):
    return tf.cast(sound, tf.float32) / (float(sound.dtype.max) + 1)


def _tensorflow_io():
    """TensorFlow and `tensorflow_io.audio`, where they go together."""
    for module in ("tensorflow", "tensorflow_io"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"{module} is not installed. {NEEDED}.")
    import tensorflow as tf

    try:
        import tensorflow_io as tfio

        # Its library is loaded at the first call, and may fail then.
        tfio.audio.resample(tf.zeros([8, 1]), 16000, 16000)
    except (ImportError, NotImplementedError, AttributeError) as error:
        found = importlib.metadata.version("tensorflow-io")
        raise ImportError(
            f"tensorflow-io {found} does not work beside TensorFlow "
            f"{tf.__version__} ({error}). {NEEDED}."
        ) from error
    return tf, tfio.audio
