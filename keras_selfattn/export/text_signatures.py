"""Signatures of a SavedModel that take what a client has, and give text.

Around the signatures of a task: texts become ids, samples or WAV files become
samples and lengths, ids become texts, scores get their labels. A task says with
`text_parts` what it has of these.

Shapes: `B` batch, `L` samples, `C` classes.
"""

from dataclasses import dataclass, field

from keras_selfattn.export.ids_in_graph import WrittenText, reader_of


@dataclass(frozen=True)
class TextSignature:
    """One of them.

    Args:
        name: str.
        function: of tensors by name, gives a dict of tensors.
        inputs: dict of name to (shape, dtype).
    """

    name: str
    function: object = field(repr=False)
    inputs: dict


def text_signatures(task, traced):
    """The text signatures of a task.

    Args:
        task: Task, on the TensorFlow backend.
        traced: dict of the task's signatures' names to concrete functions
            with a batch of any size.

    Returns:
        list of `TextSignature`, and a list of what must be held by the module
        that is saved.

    Raises:
        ValueError: the task has none, or its tokenizer has no counterpart in
            TensorFlow.
    """
    made, held = [], []
    for part in task.text_parts():
        run = traced[part["of"]]
        if part["kind"] not in _MAKERS:
            made += _hear(part, run)
            continue
        read = reader_of(part)
        held += read.resources
        made.append(_MAKERS[part["kind"]](part, run, read))
    if not made:
        raise ValueError(
            f"A {type(task).__name__} has no signature that takes and gives "
            "text; export it without."
        )
    return made, held


def _classify(part, run, read):
    import tensorflow as tf

    labels = part["labels"]

    def classify(texts):
        found = run(**read(texts))["log_probabilities"]
        _, best = tf.math.top_k(found, 1)
        return {
            "labels": tf.gather(tf.constant(labels), best[:, 0]),
            "scores": tf.exp(found),
            "classes": tf.constant(labels),
        }

    return TextSignature(part["name"], classify, {"texts": ([None], "string")})


def _embed(part, run, read):
    def embed(texts):
        return {"embeddings": run(**read(texts))["embedding"]}

    return TextSignature(part["name"], embed, {"texts": ([None], "string")})


def _write(part, run, read):
    import tensorflow as tf

    written = WrittenText(part["vocabulary"])

    def write(texts, **more):
        ids, longer = read(texts)
        found = written(run(source_ids=ids, **more)["token_ids"])
        nothing = tf.shape(ids)[1] < 2  # ends alone
        empty = nothing | (ids[:, 0] == part["end_id"])
        return {
            "texts": tf.where(empty, "", found),
            "truncated": longer,
        }

    return TextSignature(
        part["name"],
        write,
        {"texts": ([None], "string"), **part.get("more_inputs", {})},
    )


def _hear(part, run):
    import tensorflow as tf

    written = WrittenText(part["vocabulary"])
    rate = part["sampling_rate_hz"]

    def hear(samples, num_samples):
        found = run(samples=samples, num_samples=num_samples)
        return {"texts": written(found["token_ids"])}

    def read(content):
        sound, found = tf.audio.decode_wav(content)
        tf.debugging.assert_equal(
            found, rate, f"Expected WAV files of {rate} Hz: resample them."
        )
        return tf.reduce_mean(sound, axis=1)

    def hear_wav(wav):
        sounds = tf.map_fn(
            read,
            wav,
            fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, 0),
        )
        return hear(sounds.to_tensor(), tf.cast(sounds.row_lengths(), "int32"))

    return [
        TextSignature(
            part["name"],
            hear,
            {
                "samples": ([None, None], "float32"),
                "num_samples": ([None], "int32"),
            },
        ),
        TextSignature(
            f"{part['name']}_of_wav", hear_wav, {"wav": ([None], "string")}
        ),
    ]


# Kinds of parts whose texts are read; the others hear.
_MAKERS = {"classify": _classify, "embed": _embed, "write": _write}
