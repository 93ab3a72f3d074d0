"""One architecture, trained or timed in a process of its own.

Started by `compare_architectures.py` (or by hand, with KERAS_BACKEND set); it
answers requests on stdin, see `keras_selfattn.measuring.serve`:

- `train`: trains on arrays from a file, returns accuracy, sizes and seconds;
- `prepare`: builds an architecture for one length, with its training step;
- `time`: one training step at that length, in seconds;
- `peak`: memory that a training step needs.

Shapes: `B` batch, `T` tokens, `S` sentences, `W` words of a sentence, `D`
model dimension, `C` classes.
"""

import time

import keras
import numpy as np
from keras import ops

from keras_selfattn import measuring
from keras_selfattn.layers.attention_pooling import AttentionPooling
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.hierarchical_attention import HierarchicalAttention
from keras_selfattn.layers.positions import SinusoidalPositions
from keras_selfattn.models import TextCNN, TextEncoder, TextRNN

EMBEDDING = "token_embedding"
IGNORED = -1  # the label of a token that has none


def encoder(architecture, sizes, vocabulary_size, length):
    """The encoder of a flat architecture; all have the same interface."""
    options = dict(sizes[architecture])
    dropout = sizes["dropout"]
    if architecture == "cnn":
        return TextCNN(
            vocabulary_size, sizes["hidden_dim"], dropout=dropout, **options
        )
    if architecture == "rnn":
        return TextRNN(
            vocabulary_size,
            embedding_dim=sizes["hidden_dim"],
            dropout=dropout,
            **options,
        )
    attention = options.pop("attention", None)
    if architecture == "low_rank":
        attention = {**attention, "max_sequence_length": length}
    return TextEncoder(
        vocabulary_size,
        sizes["hidden_dim"],
        attention=attention,
        dropout=dropout,
        **options,
    )


def hierarchy(token_ids, mask, sizes, vocabulary_size, length):
    """Embeddings `(B, T, D)` and a document vector `(B, D)`.

    Sentences are stretches of W words.
    """
    options = dict(sizes["hierarchical"])
    words, dim = options.pop("words"), sizes["hidden_dim"]
    options["dropout"] = sizes["dropout"]
    embedding = keras.layers.Embedding(
        vocabulary_size,
        dim,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=dim**-0.5
        ),
        name=EMBEDDING,
    )
    x = SinusoidalPositions()(embedding(token_ids) * dim**0.5)
    x = keras.layers.Dropout(sizes["dropout"], seed=0)(x)
    attention = HierarchicalAttention(
        word_encoder=EncoderBlock(seed=10, **options),
        sentence_encoder=EncoderBlock(seed=20, **options),
    )
    document = attention(
        ops.reshape(x, (-1, length // words, words, dim)),
        padding_mask=ops.reshape(mask, (-1, length // words, words)),
    )
    return x, document


def build(architecture, length, task, sizes):
    """A model from token ids `(B, T)`, 0 = padding, to logits.

    Logits are `(B, C)`, or `(B, T, C)` where the task labels tokens. A flat
    encoder's tokens are pooled by attention, as a hierarchy pools its own; a
    hierarchy tells a token by its embedding beside the document's vector.
    """
    size = task["vocabulary_size"]
    token_ids = keras.Input((length,), dtype="int32", name="token_ids")
    mask = ops.not_equal(token_ids, 0)
    if architecture == "hierarchical":
        tokens, x = hierarchy(token_ids, mask, sizes, size, length)
        if task["per_token"]:
            document = keras.layers.RepeatVector(length)(x)
            x = ops.concatenate([tokens, document], axis=-1)
            x = keras.layers.Dense(sizes["hidden_dim"], activation="gelu")(x)
    else:
        outputs = encoder(architecture, sizes, size, length)(
            {"token_ids": token_ids, "padding_mask": mask}
        )
        x = outputs["hidden"]
        if not task["per_token"]:
            pooling = AttentionPooling(sizes["hidden_dim"])
            x = pooling(x, padding_mask=mask)
    logits = keras.layers.Dense(
        task["num_classes"], dtype="float32", name="logits"
    )(x)
    return keras.Model(token_ids, logits)


def parameters(model):
    """Number of weights: all, and those that are not embeddings."""
    total = embeddings = 0
    for variable in model.trainable_variables:
        count = int(np.prod(variable.shape))
        total += count
        embeddings += count * (EMBEDDING in variable.path)
    return {"parameters": total, "body_parameters": total - embeddings}


def loss(labels, logits):
    """Mean cross-entropy of what has a label."""
    labels = ops.cast(labels, "int32")
    counts = ops.cast(ops.not_equal(labels, IGNORED), "float32")
    losses = keras.losses.sparse_categorical_crossentropy(
        ops.maximum(labels, 0), logits, from_logits=True
    )
    return ops.sum(losses * counts) / ops.maximum(ops.sum(counts), 1.0)


def compiled(architecture, length, task, sizes, learning_rate, steps):
    """A model with its optimizer: AdamW, warm-up and a cosine to zero."""
    model = build(architecture, length, task, sizes)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - steps // 10),
        warmup_target=learning_rate,
        warmup_steps=max(1, steps // 10),
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0)
    model.compile(optimizer, loss)
    return model


def train(architecture, data, task, sizes, budget, seed):
    """Trains for a number of steps; returns what came of it.

    Seconds are those of the processor, all threads together, so that other
    work on the machine does not count.

    Args:
        architecture: str.
        data: path of an .npz file with train_ids, train_labels, test_ids,
            test_labels, and test_distances where tokens are labelled.
        task: dict of "vocabulary_size", "num_classes" and "per_token".
        sizes: dict; see compare_architectures_plan.json.
        budget: dict of "steps", "batch_size" and "learning_rate".
        seed: int, of the first weights and the order of the examples.
    """
    arrays = np.load(data)
    ids, labels = arrays["train_ids"], arrays["train_labels"]
    keras.utils.set_random_seed(seed)
    steps, rows = budget["steps"], budget["batch_size"]
    model = compiled(
        architecture,
        ids.shape[1],
        task,
        sizes,
        budget["learning_rate"],
        steps,
    )
    order = np.random.default_rng(seed)
    waiting, curve = np.empty(0, "int64"), []
    start = time.process_time()
    for step in range(1, steps + 1):
        while len(waiting) < rows:
            waiting = np.concatenate([waiting, order.permutation(len(ids))])
        chosen, waiting = waiting[:rows], waiting[rows:]
        value = model.train_on_batch(ids[chosen], labels[chosen])
        if step % max(1, steps // 20) == 0:
            seconds = time.process_time() - start
            curve.append([step, float(np.asarray(value)), seconds])
    seconds = time.process_time() - start
    right = correct(model, arrays["test_ids"], arrays["test_labels"], rows)
    found = {
        "accuracy": float(right.mean()),
        "tested": len(right),
        "train_seconds": seconds,
        "curve": curve,
        **parameters(model),
    }
    if "test_distances" in arrays:
        known = arrays["test_labels"] != IGNORED
        distances = arrays["test_distances"][known]
        found["by_distance"] = by_distance(right, distances)
    return found


def correct(model, ids, labels, rows):
    """Whether each label that there is was found, bool `(number,)`."""
    found = []
    for start in range(0, len(ids), rows):
        part = ids[start : start + rows]
        # Always as many rows, so that nothing is compiled twice.
        padded = np.pad(part, [(0, rows - len(part)), (0, 0)])
        logits = model.predict_on_batch(padded)[: len(part)]
        known = labels[start : start + rows]
        best = logits.argmax(-1)
        found.append((best == known)[known != IGNORED])
    return np.concatenate(found)


def by_distance(right, distances, bins=8):
    """Accuracy by distance from question to answer, in equal bins.

    Returns:
        list of [mean distance, accuracy, answers].
    """
    edges = np.quantile(distances, np.linspace(0, 1, bins + 1))
    places = np.clip(
        np.searchsorted(edges, distances, "right") - 1, 0, bins - 1
    )
    return [
        [
            float(distances[places == i].mean()),
            float(right[places == i].mean()),
            int((places == i).sum()),
        ]
        for i in range(bins)
        if (places == i).any()
    ]


class Steps:
    """Holds the training step of the last `prepare`."""

    def prepare(self, architecture, length, task, sizes, batch):
        """Builds and compiles; runs one step, for what only the first does."""
        rng = np.random.default_rng(0)
        keras.utils.set_random_seed(0)
        sizes = {**sizes, "dropout": 0.0}
        self.model = compiled(architecture, length, task, sizes, 1e-4, 1000)
        shape = (batch, length)
        self.ids = rng.integers(1, task["vocabulary_size"], shape, "int32")
        labelled = shape if task["per_token"] else shape[:1]
        self.labels = rng.integers(0, task["num_classes"], labelled, "int32")
        self.step()
        return parameters(self.model)

    def step(self):
        """One training step, until its loss is there."""
        value = self.model.train_on_batch(self.ids, self.labels)
        return float(np.asarray(value))

    def time(self):
        """Seconds of one step."""
        start = time.perf_counter()
        self.step()
        return {"seconds": time.perf_counter() - start}

    def peak(self):
        """Memory that a step needs beyond what was there before it.

        None on TensorFlow, which keeps what the first step has allocated.
        """
        if keras.backend.backend() == "tensorflow":
            return {"bytes": None}
        measuring.release()
        before = measuring.resident_bytes()
        resets = measuring.reset_peak()
        self.step()
        needed = measuring.peak_bytes() - before
        return {"bytes": max(needed, 0) if resets else None}


if __name__ == "__main__":
    held = Steps()
    measuring.serve(
        {
            "train": train,
            "prepare": held.prepare,
            "time": held.time,
            "peak": held.peak,
        }
    )
