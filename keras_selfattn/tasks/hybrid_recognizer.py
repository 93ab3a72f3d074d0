"""Speech recognition by an encoder with CTC head and attention decoder.

Shapes: `B` batch, `L` samples, `C` features of a sample, `T` encoder frames,
`U` labels, `V` vocabulary (id 0: the blank of CTC; to the decoder, which never
writes a blank, what stands before and behind a text), `D` model dimension.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.losses.batch_mean import batch_mean
from keras_selfattn.losses.cross_entropy import smoothed_cross_entropy
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.losses.flat_start import flat_start_loss
from keras_selfattn.models.attention_decoder import AttentionDecoder
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.preprocessing.tokenizers import (
    CharacterTokenizer,
    tokenizer_from_config,
)
from keras_selfattn.tasks import hybrid_search
from keras_selfattn.tasks.speech_input import (
    check_feature_dim,
    encoder_frames,
    read_pieces,
    sample_shape,
    symbolic_inputs,
)
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from keras_selfattn.tasks.task import Task, from_config, to_config
from keras_selfattn.weight_copies import copy_weights


@keras.saving.register_keras_serializable(package="keras_selfattn")
class HybridRecognizer(Task):
    """Encoder, CTC head and attention decoder, trained and searched together.

        loss = w CTC + (1 - w) cross-entropy with label smoothing

    both in nats a token. CTC makes the alignment monotonic from the start; the
    decoder knows what it has written. `transcribe` is a beam search over both.
    On a device the encoder with its CTC head is enough: `ctc_recognizer()`.

    While the attribute `flat_start` is True, labels spread evenly over what is
    loud stand in for CTC; see `losses.flat_start`. Set it before the first
    step and unset it (`make_train_function(force=True)`) an epoch later.

    Reference: Watanabe et al. 2017 (IEEE JSTSP 11-8), "Hybrid CTC/attention
    architecture", sections II-C and III.

    Args:
        frontend: LogMelSpectrogram, PrecomputedFeatures, or its config.
        encoder: ConformerEncoder (or its config).
        decoder: AttentionDecoder (or its config); default two blocks of the
            encoder's width.
        tokenizer: CharacterTokenizer, SentencePieceTokenizer or its config;
            default lower-case English letters.
        spec_augment: SpecAugment, its config, or None for none.
        ctc_weight: float in [0, 1], `w`.
        label_smoothing: float in [0, 1), of the cross-entropy.

    Call arguments:
        inputs: dict of "samples", float32 `(B, L)` (features: `(B, L, C)`),
            "num_samples", int32 `(B,)`, and "token_ids", int32 `(B, U)`, the
            text, padded with 0 (in training the same as the labels).
        training: bool.

    Returns:
        dict of "ctc_logits", float32 `(B, T, V)`, and "logits", float
        `(B, U + 1, V)`, of each token after those before it and of the end.

    Raises:
        ValueError: where the front end's features are not the encoder's, the
            decoder's vocabulary or context is another, or a number is out of
            its range.

    Example:
        >>> hybrid = HybridRecognizer()
        >>> hybrid.compile("adamw")
        >>> hybrid.fit(
        ...     {
        ...         "samples": samples,
        ...         "num_samples": lengths,
        ...         "token_ids": token_ids,
        ...     },
        ...     token_ids,
        ... )  # (B, U), padded with 0
        >>> hybrid.transcribe("speech.wav")
    """

    def __init__(
        self,
        frontend=None,
        encoder=None,
        decoder=None,
        tokenizer=None,
        spec_augment=None,
        ctc_weight=0.3,
        label_smoothing=0.1,
        **kwargs,
    ):
        # Layers. Names are those of SpeechRecognizer, so that weights fit.
        if not 0 <= ctc_weight <= 1:
            raise ValueError(f"ctc_weight={ctc_weight}; expected 0 to 1.")
        encoder = ConformerEncoder() if encoder is None else encoder
        if isinstance(encoder, dict):
            encoder = from_config(encoder, name="encoder")
        if frontend is None:
            frontend = LogMelSpectrogram()
        if not isinstance(frontend, dict):
            frontend = to_config(frontend)
        frontend = from_config(frontend, name="frontend")
        check_feature_dim(frontend, encoder)
        tokenizer = CharacterTokenizer() if tokenizer is None else tokenizer
        if isinstance(tokenizer, dict):
            tokenizer = tokenizer_from_config(tokenizer)
        if decoder is None:
            width = encoder.hidden_dim
            decoder = AttentionDecoder(
                tokenizer.vocabulary_size,
                hidden_dim=width,
                num_heads=encoder.stages[-1]["num_heads"],
                intermediate_dim=encoder.stages[-1]["intermediate_dim"],
                name="decoder",
            )
        if isinstance(decoder, dict):
            decoder = from_config(decoder, name="decoder")
        _check_decoder(decoder, encoder, tokenizer)
        if isinstance(spec_augment, SpecAugment):
            spec_augment = to_config(spec_augment)
        augment = None
        if spec_augment is not None:
            augment = from_config(spec_augment, name="spec_augment")
        head = keras.layers.Dense(
            tokenizer.vocabulary_size, dtype="float32", name="ctc_head"
        )

        # Functional model
        samples, num_samples = symbolic_inputs(frontend)
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        features, mask = frontend(samples, num_samples)
        if augment is not None:
            features = augment(features, mask)
        encoded = encoder({"features": features, "padding_mask": mask})
        inputs = {"samples": samples, "num_samples": num_samples}
        ctc_logits = head(encoded["hidden"])
        logits = decoder(
            {
                "token_ids": ops.pad(token_ids, ((0, 0), (1, 0))),
                "context": encoded["hidden"],
                "context_padding_mask": encoded["padding_mask"],
            }
        )
        super().__init__(
            inputs={**inputs, "token_ids": token_ids},
            outputs={"ctc_logits": ctc_logits, "logits": logits},
            **kwargs,
        )

        # Config
        self.frontend = frontend
        self.encoder = encoder
        self.decoder = decoder
        self.tokenizer = tokenizer
        self.spec_augment = augment
        self.head = head
        self.ctc_weight = ctc_weight
        self.label_smoothing = label_smoothing
        # A training may begin with it: read when the step is traced.
        self.flat_start = False
        self._search = None

    def task_config(self):
        return {
            "frontend": to_config(self.frontend),
            "encoder": to_config(self.encoder),
            "decoder": to_config(self.decoder),
            "tokenizer": self.tokenizer.get_config(),
            "spec_augment": None
            if self.spec_augment is None
            else to_config(self.spec_augment),
            "ctc_weight": self.ctc_weight,
            "label_smoothing": self.label_smoothing,
        }

    @property
    def sampling_rate_hz(self):
        return self.frontend.sampling_rate_hz

    @property
    def min_samples(self):
        """Shorter input is padded with zeros up to this: 0.1 s."""
        return self.sampling_rate_hz // 10

    def output_lengths(self, num_samples):
        """Valid output frames for `num_samples` (int or array)."""
        return encoder_frames(self.frontend, self.encoder, num_samples)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """`w` CTC a label + `1 - w` cross-entropy a token (the end is one)."""
        y = ops.cast(y, "int32")
        lengths = self.output_lengths(ops.cast(x["num_samples"], "int32"))
        if self.flat_start:
            energy = self._energy(x)
            ctc = flat_start_loss(y, y_pred["ctc_logits"], lengths, energy)
        else:
            ctc = ctc_loss(y, y_pred["ctc_logits"], lengths)  # (B,)
        real = ops.cast(y != 0, "float32")  # (B, U)
        labels = ops.sum(real, axis=1)
        costs = smoothed_cross_entropy(
            ops.pad(y, ((0, 0), (0, 1))), y_pred["logits"], self.label_smoothing
        )
        # The tokens and, behind the last one, the end.
        real = ops.pad(real, ((0, 0), (1, 0)), constant_values=1.0)
        costs = ops.sum(costs * real, axis=1)
        tokens = labels + 1.0
        if sample_weight is not None:
            weight = ops.cast(sample_weight, "float32")
            ctc, labels = ctc * weight, labels * weight
            costs, tokens = costs * weight, tokens * weight
        ctc = batch_mean(ops.sum(ctc), ops.sum(labels))
        attention = batch_mean(ops.sum(costs), ops.sum(tokens))
        return self.ctc_weight * ctc + (1 - self.ctc_weight) * attention

    def _energy(self, x):
        """How loud each encoder frame is, float `(B, T)`."""
        samples = ops.convert_to_tensor(x["samples"])
        features, _ = self.frontend(samples, x["num_samples"])
        if sample_shape(self.frontend):
            energy = features[..., 0]  # of cepstra, and mostly of others
        else:
            energy = ops.mean(features, axis=-1)
        return energy[:, :: self.encoder.stride]

    def ctc_recognizer(self):
        """A `SpeechRecognizer` with this front end, encoder and CTC head.

        Its weights are copies. It writes greedily, or by a `SpeechSearch`, and
        is what is exported to a device.
        """
        recognizer = SpeechRecognizer(
            to_config(self.frontend),
            to_config(self.encoder),
            self.tokenizer.get_config(),
            None if self.spec_augment is None else to_config(self.spec_augment),
        )
        copy_weights(recognizer, self)
        return recognizer

    def transcribe(self, x, details=False, batch_size=16, **search):
        """Text of speech, by a beam search over decoder and CTC.

        Args:
            x: a path, a float array `(L,)` at `sampling_rate_hz` (features: an
                array `(L, C)`), or a list of these. Speech longer than 20 s is
                cut at its quietest places.
            details: bool, return dicts of text, token_ids and score (the mean
                over pieces) instead of text alone.
            batch_size: int, pieces searched at once.
            **search: beam, ctc_weight, scorer, ...; see
                `decoding.joint_search`.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            AudioError (a ValueError): for a file or array that is missing,
                empty, broken or holds NaN.
            ValueError: for a setting of the search out of its range.
        """
        single = not isinstance(x, (list, tuple))
        items = [x] if single else list(x)
        pieces, owners = read_pieces(items, self.frontend)
        if self._search is None:
            self._search = hybrid_search.HybridSearch(self)
        found = self._search.write(pieces, batch_size, **search)
        results = [{"text": [], "token_ids": [], "score": []} for _ in items]
        for (owner, _), (token_ids, score) in zip(owners, found, strict=True):
            token_ids = [int(i) for i in token_ids]
            results[owner]["token_ids"] += token_ids
            results[owner]["text"].append(self.tokenizer.decode(token_ids))
            results[owner]["score"].append(score)
        for result in results:
            result["text"] = " ".join(text for text in result["text"] if text)
            result["score"] = float(np.mean(result["score"]))
        if not details:
            results = [result["text"] for result in results]
        return results[0] if single else results


def _check_decoder(decoder, encoder, tokenizer):
    """A ValueError where the decoder is not for these."""
    found = decoder.vocabulary_size, decoder.context_dim
    expected = tokenizer.vocabulary_size, encoder.hidden_dim
    if found != expected:
        raise ValueError(
            f"The decoder has (vocabulary_size, context_dim) = {found}; "
            f"expected {expected}, those of the tokenizer and the encoder."
        )
