"""The search of `HybridRecognizer`: encoder once, then token by token.

Shapes: `B` pieces, `R` rows (a piece has as many as the beam), `T` encoder
frames, `V` vocabulary.
"""

import keras
import numpy as np

from keras_selfattn.decoding.joint_search import joint_search
from keras_selfattn.decoding.token_scores import take_rows
from keras_selfattn.tasks.cached_decoding import DecoderStep, empty_self_caches
from keras_selfattn.tasks.speech_input import log_softmax, padded_batches


class _Ears(keras.Model):
    """Samples to CTC logits and the decoder's context caches."""

    def __init__(self, task):
        super().__init__(name="ears")
        self.parts = [task.frontend, task.encoder, task.head, task.decoder]
        self.built = True

    def call(self, inputs):
        frontend, encoder, head, decoder = self.parts
        features, mask = frontend(inputs["samples"], inputs["num_samples"])
        encoded = encoder(
            {"features": features, "padding_mask": mask}, training=False
        )
        hidden = encoded["hidden"]
        return {
            "ctc_logits": head(hidden),
            "mask": encoded["padding_mask"],
            "context": decoder.context_caches(hidden),
        }


class HybridSearch:
    """Texts of pieces of speech by the decoder, CTC and a language model.

    Args:
        task: HybridRecognizer.
    """

    def __init__(self, task):
        self._task = task
        self._ears = _Ears(task)
        self._decoder = DecoderStep(task.decoder)

    def hear(self, pieces, batch_size=16):
        """Encodes pieces.

        Args:
            pieces: list of float32 arrays.
            batch_size: int.

        Yields:
            list of int, which pieces; CTC log-probabilities, float64
            `(B, T, V)`; valid frames, int `(B,)`; padding mask, bool
            `(B, T)`; the decoder's context caches.
        """
        task = self._task
        for rows, inputs in padded_batches(
            pieces, task.frontend, batch_size, task.min_samples
        ):
            heard = self._ears.predict_on_batch(inputs)
            lengths = task.output_lengths(inputs["num_samples"])
            yield (
                rows,
                log_softmax(heard["ctc_logits"]),
                np.asarray(lengths, "int64"),
                np.asarray(heard["mask"], bool),
                heard["context"],
            )

    def write(self, pieces, batch_size=16, beam=8, max_length=None, **options):
        """Texts of pieces.

        Args:
            pieces: list of float32 arrays.
            batch_size: int.
            beam: int >= 1.
            max_length: int, tokens of a text at most; default: its frames.
            **options: see `decoding.joint_search`.

        Returns:
            list of (int32 array of tokens, score).
        """
        found = [None] * len(pieces)
        for rows, frames, lengths, mask, context in self.hear(
            pieces, batch_size
        ):
            each = np.repeat(np.arange(len(rows)), beam)
            context, mask = take_rows(context, each), mask[each]
            # Whole sixteens: few shapes of caches, so few compilations.
            places = -(-min(frames.shape[1], max_length or 10**6) // 16) * 16
            caches = empty_self_caches(context, places)

            def step(token_ids, position, state, context=context, mask=mask):
                outputs = self._decoder.predict_on_batch(
                    {
                        "token_ids": np.asarray(token_ids, "int32")[:, None],
                        "position": np.full(len(token_ids), position, "int32"),
                        "caches": state,
                        "context": context,
                        "mask": mask,
                    }
                )
                return outputs["logits"], outputs["caches"]

            texts = joint_search(
                step,
                caches,
                frames,
                lengths,
                beam_size=beam,
                max_length=np.minimum(lengths, max_length or lengths),
                texts=self._task.tokenizer.vocabulary,
                **options,
            )
            for row, text in zip(rows, texts, strict=True):
                found[row] = text
        return found
