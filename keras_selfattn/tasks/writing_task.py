"""What tasks share that read a text and write another.

Shapes: `B` batch, `S` source tokens, `T` target tokens, `V` vocabulary.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.export.signature import Signature
from keras_selfattn.preprocessing.translation_text import PAD_ID
from keras_selfattn.tasks.task import Task
from keras_selfattn.tasks.text_writer import TextWriter, text_loss

BEAM, ALPHA = 4, 1.0  # usual; this beam is searched inside an exported file


class WritingTask(Task):
    """Abstract: a Transformer that writes behind a source, and its file.

    The loss is the cross-entropy of the target's tokens, in nats a token over
    the whole batch. A file has a greedy search, `signature`; a beam search,
    `<signature>_beam`; and `encode` and `decode_step`.

    A subclass sets `tokenizer`, `label_smoothing`, and what is None here.

    Args:
        transformer: Transformer or T5.

    Call arguments:
        inputs: dict of "source_ids", int32 `(B, S)`, padded with 0, and
            "target_ids", int32 `(B, T)`, which begin with `begin_id`.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each target token.
    """

    signature = None  # str, name of the greedy search in a file
    rules = "gnmt"  # how beams are searched; see `decoding.beam_search`
    begin_id = None  # int, what stands before a text
    end_id = None  # int, the token that ends one
    first_id = None  # int, from which on ids are of words
    banned_ids = None  # ints never written
    most_source_tokens = None  # int, with the end
    most_target_tokens = None  # int

    def __init__(self, transformer, **kwargs):
        source = keras.Input((None,), dtype="int32", name="source_ids")
        target = keras.Input((None,), dtype="int32", name="target_ids")
        logits = transformer(
            {
                "source_ids": source,
                "source_padding_mask": ops.not_equal(source, PAD_ID),
                "target_ids": target,
            }
        )
        super().__init__(
            inputs={"source_ids": source, "target_ids": target},
            outputs=logits,
            **kwargs,
        )
        self.transformer = transformer
        self._writers = {}  # most tokens to TextWriter

    def source_ids(self, text):
        """Token ids of a source, with the end: list of int."""
        raise NotImplementedError(  # abstract
            f"{type(self).__name__} does not define source_ids()."
        )

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """Nats a token: summed over the batch, over its tokens."""
        return text_loss(y, y_pred, self.label_smoothing, sample_weight)

    @property
    def text_writer(self):
        """TextWriter for texts that are as long as they may be."""
        most = self.most_target_tokens
        if most not in self._writers:
            self._writers[most] = TextWriter(
                self.transformer,
                self.begin_id,
                self.end_id,
                self.banned_ids,
                most,
                self.rules,
            )
        return self._writers[most]

    def export_signature(self):
        return Signature(
            self.signature,
            inputs={"source_ids": "int32"},
            outputs={"token_ids": "int32"},
            agreement="places hold the token that Keras writes",
            decisions="token_ids",
        )

    def export_parts(self, rows=None):
        return self.text_writer.export_parts(
            f"{self.signature}_beam", BEAM, rows
        )

    def export_part_checks(self):
        return self.text_writer.export_part_checks(
            f"{self.signature}_beam",
            BEAM,
            ALPHA,
            self.export_signature(),
            self.typical_input()[0]["source_ids"],
        )

    def export_outputs(self, inputs):
        """The greedy text behind a source."""
        return self.text_writer.greedy_outputs(inputs["source_ids"])

    def reference_outputs(self, inputs):
        """The same, by a search that shares no code with it."""
        return self.text_writer.reference(inputs["source_ids"], 1, ALPHA)

    def export_probes(self):
        return self._probes(self.most_source_tokens)

    def _probes(self, longest):
        random = np.random.default_rng(0)
        lengths = [n for n in (1, 2, 3, 7, 16, 17, 40) if n < longest]
        return [
            {"source_ids": self._random_source(random, length)}
            for length in [*lengths, longest]
        ]

    def _random_source(self, random, length):
        size = self.tokenizer.vocabulary_size
        ids = random.integers(self.first_id, size, length - 1)
        return np.array([*ids, self.end_id], "int32")

    def typical_input(self):
        length = min(20, self.most_source_tokens)
        source = self._random_source(np.random.default_rng(1), length)
        return {"source_ids": source}, f"{length} source tokens"

    def calibration_inputs(self, items):
        return [
            {"source_ids": np.array(self.source_ids(text), "int32")}
            for text in items
        ]
