"""Masked language model: fills in hidden words, and embeds sentences.

Shapes: `B` batch, `T` tokens, `D` features, `V` vocabulary, `K` best tokens,
`P` places.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.decoding.mask_filling import fill_masks, find_masks
from keras_selfattn.export.signature import PartCheck, Signature
from keras_selfattn.layers.add_bias import AddBias
from keras_selfattn.layers.feed_forward import OWN
from keras_selfattn.layers.masked_pooling import MaskedPooling
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.losses.cross_entropy import (
    smoothed_cross_entropy,
    token_mean,
)
from keras_selfattn.models.bert import BertEncoder
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.tasks.foreign_encoder import encode
from keras_selfattn.tasks.task import Task, from_config, to_config

POOLINGS = ("mean", "start")
WIDTH_MULTIPLE = 16  # few shapes, so few compilations
EXPORTED_BEST = 10  # tokens that a file gives for each place
_PROBE_LENGTHS = (3, 4, 7, 16, 17, 40, 129, 512)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MaskedLM(Task):
    """Encoder and masked-language head in one model.

    `logits = norm(gelu(W hidden + b)) E' + c`, with `E` the embeddings of the
    tokens, or a matrix of its own. `zoo.load("hf://owner/name")` gives one
    with the weights of a BERT, RoBERTa, DistilBERT or MiniLM; a checkpoint
    that has no such head (of sentence embeddings) gives one with
    `head=False`.

    Reference: Devlin et al. 2019 (arXiv:1810.04805), section 3.1; sentence
    embeddings: Reimers and Gurevych 2019 (arXiv:1908.10084), section 3.

    Args:
        tokenizer: SubwordTokenizer or its config.
        encoder: BertEncoder or its config. Default: BERT's, of MiniLM's size.
        head: bool, False: no head; the model gives `hidden`, and only `embed`
            and its export work.
        pooling: "mean" over the tokens or "start" (the first token's vector):
            what `embed` gives of a text.

    Call arguments:
        inputs: dict of "token_ids", int32 `(B, T)`, padded with the
            tokenizer's `padding_id`. Optional: "mask_positions", int32
            `(B, P)`: the head looks at these places of each text alone, which
            is what training needs (`MaskedDataset(..., positions=True)`).
        training: bool.

    Returns:
        logits, float32 `(B, T, V)`, or `(B, P, V)` with "mask_positions";
        without the head float `(B, T, D)`.

    Raises:
        ValueError: where tokenizer and encoder do not fit together.

    Example:
        >>> task = MaskedLM(tokenizer, BertEncoder(tokenizer.vocabulary_size))
        >>> task.compile("adamw")
        >>> task.fit(MaskedDataset(texts, tokenizer).for_backend())
        >>> task.fill_mask("the [MASK] sat")[0].token
        "cat"
        >>> task.embed(["one text", "another"]).shape
        (2, 384)
    """

    def __init__(
        self, tokenizer, encoder=None, head=True, pooling="mean", **kwargs
    ):
        # Layers
        if isinstance(tokenizer, dict):
            tokenizer = SubwordTokenizer(**tokenizer)
        if encoder is None:
            encoder = BertEncoder(tokenizer.vocabulary_size, name="encoder")
        elif isinstance(encoder, dict):
            encoder = from_config(encoder, name="encoder")
        if pooling not in POOLINGS:
            raise ValueError(
                f"pooling={pooling!r} is unknown; use one of {POOLINGS}."
            )
        if encoder.vocabulary_size != tokenizer.vocabulary_size:
            raise ValueError(
                f"The encoder has {encoder.vocabulary_size} token ids, the "
                f"tokenizer {tokenizer.vocabulary_size}; the two must come "
                "from one model."
            )
        if tokenizer.max_tokens > encoder.room:
            raise ValueError(
                f"The tokenizer keeps max_tokens={tokenizer.max_tokens} of a "
                f"text, the encoder has room for {encoder.room}."
            )

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        mask = ops.not_equal(token_ids, tokenizer.padding_id)  # (B, T)
        hidden = encode(encoder, token_ids, mask)  # (B, T, D)
        outputs = hidden
        if head:
            dense = keras.layers.Dense(
                encoder.hidden_dim,
                activation=OWN.get(encoder.activation, encoder.activation),
                name="head_dense",
            )
            norm = {"kind": "layer", "epsilon": encoder.norm_epsilon}
            norm, bias = make_norm(norm, "head_norm"), AddBias(name="head_bias")
            outputs = _logits(encoder, dense, norm, bias, hidden)  # (B, T, V)
        super().__init__(
            inputs={"token_ids": token_ids}, outputs=outputs, **kwargs
        )

        # Config
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.head = head
        self.pooling = pooling
        pooled = _pool(hidden, mask, pooling)
        self._embedder = keras.Model({"token_ids": token_ids}, pooled)
        self._hidden = keras.Model({"token_ids": token_ids}, hidden)

    def call(self, inputs, training=None, mask=None):
        places = inputs.get("mask_positions")
        inputs = {"token_ids": inputs["token_ids"]}
        if places is None:
            return super().call(inputs, training=training, mask=mask)
        self._require_head("mask_positions")
        hidden = self._hidden(inputs, training=training)
        places = ops.expand_dims(places, -1)  # (B, P, 1)
        hidden = ops.take_along_axis(hidden, places, axis=1)  # (B, P, D)
        names = "head_dense", "head_norm", "head_bias"
        layers = map(self.get_layer, names)
        return _logits(self.encoder, *layers, hidden)

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "encoder": to_config(self.encoder),
            "head": self.head,
            "pooling": self.pooling,
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Nats a hidden token: the mean over those whose weight is not 0."""
        self._require_head("A loss")
        costs = smoothed_cross_entropy(y, y_pred)  # (B, T)
        if sample_weight is None:
            raise ValueError(
                "A loss needs the weights that say which tokens were hidden; "
                "fit on a MaskedDataset."
            )
        return token_mean(costs, sample_weight)

    def fill_mask(self, text, top_k=5):
        """The likeliest tokens for each mask of a text.

        Args:
            text: str with the tokenizer's mask, once or more.
            top_k: int >= 1.

        Returns:
            list of Fill, the likeliest first; with several masks a list of
            such lists. Each mask is filled by itself.

        Raises:
            ValueError: there is no head, or no mask in the text (or only
                behind what is cut off).
        """
        self._require_head("fill_mask")
        ids, places = find_masks(self.tokenizer, text, top_k)
        scores = self._run(self.predict_on_batch, [ids])[0][places]
        scores = _log_softmax(scores)
        best = np.argsort(-scores, axis=-1, kind="stable")[:, :top_k]
        best_scores = np.take_along_axis(scores, best, -1)
        return fill_masks(self.tokenizer, ids, places, best, best_scores)

    def embed(self, texts, normalize=True, batch_size=32, progress=None):
        """One vector a text: near for texts that mean alike.

        A text longer than the tokenizer's `max_tokens` is cut.

        Args:
            texts: str, or list of str.
            normalize: bool, to length 1, so that a dot product is a cosine.
            batch_size: int, texts at once; they are batched by length.
            progress: called with (texts done, texts in all), or None.

        Returns:
            float32 `(D,)`, for a list `(B, D)`.
        """
        single = isinstance(texts, str)
        rows = [
            self.tokenizer.encode(t) for t in ([texts] if single else texts)
        ]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = np.zeros((len(rows), self.encoder.hidden_dim), "float32")
        run = self._embedder.predict_on_batch
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            found[places] = self._run(run, [rows[i] for i in places])
            if progress is not None:
                progress(start + len(places), len(order))
        if normalize:
            norms = np.linalg.norm(found, axis=-1, keepdims=True)
            found /= np.maximum(norms, 1e-12)
        return found[0] if single else found

    def _run(self, function, rows):
        width = max(map(len, rows))
        width = -(-width // WIDTH_MULTIPLE) * WIDTH_MULTIPLE
        inputs = self.tokenizer.pad(rows, min(width, self.encoder.room))
        return np.asarray(function(inputs), "float32")

    def _require_head(self, what):
        if not self.head:
            raise ValueError(
                f"{what} needs a masked-language head, which this model lacks: "
                "its checkpoint was one of embeddings alone. Use embed, or "
                "load a checkpoint ...ForMaskedLM; to train a new head: "
                "MaskedLM(task.tokenizer, task.encoder)."
            )

    def export_signature(self):
        if not self.head:
            return EMBED
        return Signature(
            "fill_mask",
            inputs={"token_ids": "int32"},
            outputs={"best_ids": "int32", "log_probabilities": "float32"},
            agreement="of the best tokens are those that Keras gives",
            decisions="best_ids",
        )

    def text_parts(self):
        return [
            {
                "kind": "embed",
                "name": "embed_text",
                "of": "embed",
                "tokenizer": self.tokenizer,
            }
        ]

    def export_metadata(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "pooling": self.pooling,
        }

    def export_outputs(self, inputs):
        """The best tokens at each place, or a text's vector of length 1."""
        if not self.head:
            return self._export_embedding(inputs["token_ids"])
        scores = ops.log_softmax(self(inputs, training=False), axis=-1)
        best = ops.top_k(scores, min(EXPORTED_BEST, scores.shape[-1]))
        return {"log_probabilities": best[0], "best_ids": best[1]}

    def _export_embedding(self, token_ids):
        found = self._embedder({"token_ids": token_ids}, training=False)
        length = ops.sqrt(ops.sum(ops.square(found), axis=-1, keepdims=True))
        return {"embedding": found / ops.maximum(length, 1e-12)}

    def export_parts(self, rows=None):
        if not self.head:
            return {}
        return {
            "embed": (
                self._export_embedding,
                {"token_ids": ((rows, None), "int32")},
            )
        }

    def export_part_checks(self):
        if not self.head:
            return {}

        def found(run, example):
            outputs = run("embed", token_ids=example["token_ids"][None])
            return {"embedding": outputs["embedding"][0]}

        return {"embed": PartCheck(EMBED, found, self._reference_embedding)}

    def export_part_examples(self, examples):
        if not self.head:
            return []
        return [
            ("embed", {"token_ids": example["token_ids"][None]})
            for example in examples
        ]

    def _reference_embedding(self, inputs):
        rows = [inputs["token_ids"]]
        found = self._run(self._embedder.predict_on_batch, rows)[0]
        return {"embedding": found / np.linalg.norm(found)}

    def reference_outputs(self, inputs):
        if not self.head:
            return self._reference_embedding(inputs)
        ids = inputs["token_ids"]
        scores = self._run(self.predict_on_batch, [ids])[0][: len(ids)]
        scores = _log_softmax(scores).astype("float32")
        best = np.argsort(-scores, axis=-1, kind="stable")[:, :EXPORTED_BEST]
        return {
            "best_ids": best.astype("int32"),
            "log_probabilities": np.take_along_axis(scores, best, -1),
        }

    def export_probes(self):
        longest = self.tokenizer.max_tokens
        lengths = {min(length, longest) for length in _PROBE_LENGTHS}
        return [self._probe(length) for length in sorted(lengths)]

    def _probe(self, length):
        """Any tokens between the marks, `length` in all."""
        tokenizer = self.tokenizer
        random = np.random.default_rng(length)
        ids = random.integers(0, tokenizer.vocabulary_size, length)
        other = tokenizer.unknown_id or tokenizer.mask_id
        ids[ids == tokenizer.padding_id] = other
        if tokenizer.start is not None:
            ids[0] = tokenizer.encode("")[0]
        if tokenizer.end is not None:
            ids[-1] = tokenizer.encode("")[-1]
        return {"token_ids": ids.astype("int32")}

    def typical_input(self):
        length = min(40, self.tokenizer.max_tokens)
        return self._probe(length), f"{length} tokens"

    def calibration_inputs(self, items):
        rows = (self.tokenizer.encode(text) for text in items)
        return [{"token_ids": np.asarray(row, "int32")} for row in rows]


EMBED = Signature(
    "embed",
    inputs={"token_ids": "int32"},
    outputs={"embedding": "float32"},
    agreement="texts have their largest feature where Keras has it",
    scores="embedding",
)


def _logits(encoder, dense, norm, bias, hidden):
    """The head: `(..., D)` to float32 `(..., V)`."""
    x = norm(dense(hidden))
    logits = encoder.get_layer("token_embedding")(x, reverse=True)
    return ops.cast(bias(logits), "float32")


def _pool(hidden, mask, pooling):
    """`(B, T, D)` to `(B, D)`: the first vector, or the mean where real."""
    if pooling == "start":
        return hidden[:, 0]
    return MaskedPooling("mean", name="mean_pooling")(hidden, mask)


def _log_softmax(logits):
    logits = np.asarray(logits, "float64")
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
