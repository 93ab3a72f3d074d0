"""Text classification: a text in, the name of its class out.

Shapes: `B` batch, `T` tokens, `G` n-grams, `D` features, `C` classes.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.decoding.classification import classification
from keras_selfattn.export.probes import probe_texts
from keras_selfattn.export.signature import Signature
from keras_selfattn.layers.attention_pooling import AttentionPooling
from keras_selfattn.layers.masked_pooling import MaskedPooling
from keras_selfattn.layers.token_embedding import (
    embed_ngrams,
    put_word_vectors,
)
from keras_selfattn.layers.word_dropout import WordDropout
from keras_selfattn.losses.cross_entropy import SmoothedCrossEntropy
from keras_selfattn.models.text_encoder import TextEncoder
from keras_selfattn.preprocessing.text_tokenizer import (
    TextTokenizer,
    pad_features,
)
from keras_selfattn.tasks.explanation import Explanation, head_scores
from keras_selfattn.tasks.foreign_encoder import encode, segments
from keras_selfattn.tasks.task import Task, from_config, to_config

POOLINGS = ("attention", "mean", "max")
WIDTH_MULTIPLE = 16  # few shapes, so few compilations


@keras.saving.register_keras_serializable(package="keras_selfattn")
class TextClassifier(Task):
    """Text to label: embeddings, encoder, pooling and a softmax in one model.

    `logits = W dropout(pool(encoder(token_ids))) + b`. The tokenizer is part
    of the task: it is saved, exported and loaded with it. Where it makes
    n-grams, the sum of their embeddings over the root of their number stands
    beside the pooled vector; these embeddings begin at zero.

    Where the tokenizer has a mark `end`, a text may be a tuple of two strs;
    an encoder with segments is told what stands behind the first mark. See
    `pretrained_classifier` for encoders that were trained before.

    Reference: attention pooling: Yang et al. 2016 (NAACL, N16-1174), section
    2.2; n-grams: Joulin et al. 2017 (arXiv:1607.01759), section 2.2.

    Args:
        labels: list of str, the classes' names; class i is `labels[i]`.
        tokenizer: TextTokenizer or its config.
        encoder: TextEncoder, TextCNN or TextRNN, or its config; or any Keras
            model that gives a vector a token, such as a KerasHub backbone
            (see `foreign_encoder`). Default: a small TextEncoder.
        pooling: "attention", "mean" or "max", or a list of these, whose
            results are put side by side.
        dropout: float in [0, 1), before the last matrix.
        word_dropout: float in [0, 1), share of tokens that are unknown in
            training.
        ngram_dim: int, features of an n-gram's embedding.
        ngram_dropout: float in [0, 1), share of n-grams left out in training.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "token_ids", int32 `(B, T)`, 0 = padding, and, with
            n-grams, "ngram_ids", int32 `(B, G)`.
        training: bool.

    Returns:
        logits, float32 `(B, C)`.

    Raises:
        ValueError: where labels, tokenizer and encoder do not fit together.

    Example:
        >>> tokenizer = TextTokenizer.build(texts)
        >>> classifier = TextClassifier(["bad", "good"], tokenizer)
        >>> classifier.compile("adamw", label_smoothing=0.1)
        >>> classifier.fit(tokenizer.batch(texts), label_ids)
        >>> classifier.classify("It's fine.").label
        "good"
    """

    def __init__(
        self,
        labels,
        tokenizer,
        encoder=None,
        pooling="attention",
        dropout=0.1,
        word_dropout=0.0,
        ngram_dim=8,
        ngram_dropout=0.3,
        seed=0,
        **kwargs,
    ):
        # Layers
        labels = _check_labels(labels)
        if isinstance(tokenizer, dict):
            tokenizer = TextTokenizer(**tokenizer)
        if encoder is None:
            encoder = TextEncoder(tokenizer.vocabulary_size, name="encoder")
        elif isinstance(encoder, dict):
            encoder = from_config(encoder, name="encoder")
        known = getattr(encoder, "vocabulary_size", tokenizer.vocabulary_size)
        if known < tokenizer.vocabulary_size:
            raise ValueError(
                f"The encoder knows {known} token ids, the tokenizer has "
                f"{tokenizer.vocabulary_size}; give the encoder "
                "vocabulary_size=tokenizer.vocabulary_size."
            )
        poolings = [pooling] if isinstance(pooling, str) else list(pooling)
        if not poolings or set(poolings) - set(POOLINGS):
            raise ValueError(
                f"pooling={pooling!r} is unknown; use one or more of "
                f"{POOLINGS}."
            )
        pools = {
            kind: AttentionPooling(name="attention_pooling")
            if kind == "attention"
            else MaskedPooling(kind, name=f"{kind}_pooling")
            for kind in poolings
        }
        word_dropout_layer = WordDropout(
            word_dropout, tokenizer.unknown_id, seed, name="word_dropout"
        )
        head_dropout = keras.layers.Dropout(
            dropout, seed=seed + 1, name="head_dropout"
        )
        head = keras.layers.Dense(
            len(labels), dtype="float32", name="class_head"
        )

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        inputs = {"token_ids": token_ids}
        mask = ops.not_equal(token_ids, 0)  # (B, T)
        read = word_dropout_layer(token_ids) if word_dropout else token_ids
        kinds = None
        if tokenizer.end is not None:
            kinds = segments(token_ids, mask, tokenizer.ids([tokenizer.end])[0])
        hidden = encode(encoder, read, mask, kinds)  # (B, T, D)
        pooled, weights = [], None
        for kind, pool in pools.items():
            if kind == "attention":
                found, weights = pool(
                    hidden, mask, return_attention_scores=True
                )
            else:
                found = pool(hidden, mask)
            pooled.append(found)
        if tokenizer.ngrams is not None:
            ngram_ids = keras.Input((None,), dtype="int32", name="ngram_ids")
            inputs["ngram_ids"] = ngram_ids
            buckets = tokenizer.ngrams["num_buckets"]
            pooled.append(
                embed_ngrams(
                    ngram_ids, buckets, ngram_dim, ngram_dropout, seed + 2
                )
            )
        x = ops.concatenate(pooled, -1) if len(pooled) > 1 else pooled[0]
        logits = head(head_dropout(x))  # (B, C)
        super().__init__(inputs=inputs, outputs=logits, **kwargs)

        # Config
        self.labels = labels
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.pooling = pooling if isinstance(pooling, str) else poolings
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.ngram_dim = ngram_dim
        self.ngram_dropout = ngram_dropout
        self.seed = seed
        self.head = head
        self.has_attention = weights is not None
        outputs = {"logits": logits}
        if self.has_attention:
            outputs["attention_weights"] = weights
        self._detailed = keras.Model(inputs, outputs)

    def task_config(self):
        return {
            "labels": self.labels,
            "tokenizer": self.tokenizer.get_config(),
            "encoder": to_config(self.encoder),
            "pooling": self.pooling,
            "dropout": self.dropout,
            "word_dropout": self.word_dropout,
            "ngram_dim": self.ngram_dim,
            "ngram_dropout": self.ngram_dropout,
            "seed": self.seed,
        }

    def compile(
        self,
        optimizer="adamw",
        loss=None,
        metrics=None,
        label_smoothing=0.0,
        **kwargs,
    ):
        """Keras's `compile`, with a loss and a metric for class ids.

        Args:
            optimizer: as in Keras.
            loss: default: `SmoothedCrossEntropy(label_smoothing)`; targets
                are class ids, int `(B,)`.
            metrics: default: accuracy.
            label_smoothing: float in [0, 1), for the default loss.
            **kwargs: as in Keras.
        """
        if loss is None:
            loss = SmoothedCrossEntropy(label_smoothing)
        elif label_smoothing:
            raise ValueError(
                "label_smoothing is for the default loss; a loss of your own "
                "smooths by itself. Leave one of the two out."
            )
        if metrics is None:
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        super().compile(
            optimizer=optimizer, loss=loss, metrics=metrics, **kwargs
        )

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def label_ids(self, names):
        """Class ids, int32 `(B,)`, of names; an unknown name raises."""
        places = {name: i for i, name in enumerate(self.labels)}
        if unknown := sorted({str(n) for n in names if n not in places}):
            raise ValueError(
                f"No class is called {', '.join(map(repr, unknown[:5]))}; the "
                f"classes are {self.labels}."
            )
        return np.asarray([places[name] for name in names], "int32")

    def set_word_vectors(self, matrix, trainable=True):
        """Puts word vectors into the encoder; call it before `compile`.

        See `layers.token_embedding.put_word_vectors`. What is frozen by
        `trainable=False` is a matter of training: it is not saved.
        """
        put_word_vectors(self.encoder, matrix, trainable)

    def log_probabilities(self, texts, batch_size=64, progress=None):
        """Log-probabilities, float32 `(B, C)`, of texts.

        Args:
            texts: list of str.
            batch_size: int, texts at once; they are batched by length.
            progress: called with (texts done, texts in all), or None.
        """
        rows = [self.tokenizer.features(text) for text in texts]
        return self._log_probabilities(rows, batch_size, progress)

    def _widths(self, rows):
        """Lengths that rows are padded to; no more than there are places."""
        widths = {
            name: -(-max(len(row[name]) for row in rows) // WIDTH_MULTIPLE)
            * WIDTH_MULTIPLE
            for name in rows[0]
        }
        widths["token_ids"] = min(
            widths["token_ids"], self.tokenizer.max_tokens
        )
        return widths

    def _log_probabilities(self, rows, batch_size, progress=None):
        order = sorted(
            range(len(rows)), key=lambda i: len(rows[i]["token_ids"])
        )
        found = np.zeros((len(rows), len(self.labels)), "float32")
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = [rows[i] for i in places]
            widths = self._widths(batch)
            logits = self.predict_on_batch(pad_features(batch, widths))
            logits = np.asarray(logits, "float64")
            logits -= logits.max(axis=-1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
            found[places] = logits
            if progress is not None:
                progress(start + len(places), len(order))
        return found

    def classify(self, texts, batch_size=64, progress=None):
        """The class of a text, or of each of a list.

        A text longer than the tokenizer's `max_tokens` is cut; one without a
        known word still gets a label, and `known_tokens` 0.

        Args:
            texts: str, or list of str; a tuple of two strs is one text.
            batch_size: int, texts at once; they are batched by length.
            progress: called with (texts done, texts in all), or None.

        Returns:
            Classification (label, score, scores of all classes, ...); a list
            of them for a list.

        Raises:
            ValueError: for what is no text.
        """
        single = isinstance(texts, (str, tuple))
        texts = [texts] if single else list(texts)
        tokens = [self.tokenizer.split_text(text) for text in texts]
        rows = [
            self.tokenizer.features_of(*pair)
            for pair in zip(tokens, texts, strict=True)
        ]
        scores = self._log_probabilities(rows, batch_size, progress)
        found = [
            classification(row, self.labels, words, self.tokenizer)
            for row, words in zip(scores, tokens, strict=True)
        ]
        return found[0] if single else found

    def explain(self, text, path=None):
        """What the attention pooling looked at in a text.

        Args:
            text: str.
            path: `.png` or `.html` file to draw the weights into, or None.

        Returns:
            Explanation, which a notebook shows as coloured words.
        """
        if not self.has_attention:
            raise ValueError(
                f"pooling={self.pooling!r} has no weights over the words; "
                "train with pooling='attention', or with a list that has it."
            )
        found = self.classify(text)
        features = self.tokenizer.features(text)
        end = self.tokenizer.end
        explanation = Explanation(
            found,
            self.tokenizer.tokens(text),
            self.reference_outputs(features)["attention_weights"],
            head_scores(
                self.encoder,
                features["token_ids"],
                None if end is None else self.tokenizer.ids([end])[0],
            ),
        )
        if path is not None:
            explanation.save(path)
        return explanation

    def export_signature(self):
        inputs = {"token_ids": "int32"}
        if self.tokenizer.ngrams is not None:
            inputs["ngram_ids"] = "int32"
        outputs = {"log_probabilities": "float32"}
        if self.has_attention:
            outputs["attention_weights"] = "float32"
        return Signature(
            "classify",
            inputs=inputs,
            outputs=outputs,
            agreement="texts get the label that Keras gives",
        )

    def text_parts(self):
        return [
            {
                "kind": "classify",
                "name": "classify_text",
                "of": "classify",
                "tokenizer": self.tokenizer,
                "labels": self.labels,
            }
        ]

    def export_metadata(self):
        return {
            "labels": self.labels,
            "tokenizer": self.tokenizer.get_config(),
            "attention_weights": self.has_attention,
        }

    def export_outputs(self, inputs):
        """Log-probabilities, and the weights of the tokens in the pooling."""
        found = dict(self._detailed(inputs, training=False))
        logits = found.pop("logits")  # (B, C)
        found["log_probabilities"] = ops.log_softmax(logits, axis=-1)
        return found

    def reference_outputs(self, inputs):
        (scores,) = self._log_probabilities([inputs], 1)
        outputs = {"log_probabilities": scores}
        if self.has_attention:
            length = len(inputs["token_ids"])
            found = self._detailed.predict_on_batch(
                pad_features([inputs], self._widths([inputs]))
            )
            weights = np.asarray(found["attention_weights"][0])
            outputs["attention_weights"] = weights[:length]
        return outputs

    def export_probes(self):
        tokenizer = self.tokenizer
        texts = probe_texts(tokenizer.vocabulary, tokenizer.room)
        return [
            tokenizer.features_of(tokens, " ".join(tokens)) for tokens in texts
        ]

    def typical_input(self):
        tokenizer = self.tokenizer
        tokens = probe_texts(tokenizer.vocabulary, min(40, tokenizer.room))[-1]
        features = tokenizer.features_of(tokens, " ".join(tokens))
        return features, f"{len(tokens)} tokens"

    def calibration_inputs(self, items):
        return [self.tokenizer.features(text) for text in items]


def _check_labels(labels):
    labels = [str(label) for label in labels]
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ValueError(
            "labels must be the names of two classes or more, each once; "
            f"received {labels}."
        )
    return labels
