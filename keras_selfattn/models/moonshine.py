"""Moonshine: hears raw samples for as long as they last and writes them down.

Shapes: `B` batch, `L` samples, `S` encoder frames, `T` tokens, `N` heads, `K`
key/value heads, `H` head dimension, `D` model dimension, `V` vocabulary.
"""

import keras

from keras_selfattn.layers.attention_cache import empty_caches
from keras_selfattn.layers.attention_positions import RotaryPositions
from keras_selfattn.layers.block_options import two_depths
from keras_selfattn.layers.decoder_block import (
    DecoderBlock,
    context_caches_of_stack,
    continue_rows_of_stack,
    continue_stack,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.waveform_stem import WaveformStem

NORM = {"kind": "layer", "center": False}  # without a shift


@keras.saving.register_keras_serializable(package="keras_selfattn")
class Moonshine(keras.Model):
    """Encoder of samples and decoder of text: the score of each next token.

    Convolutions over samples (`WaveformStem`), encoder blocks, a norm; token
    embeddings (not scaled), decoder blocks, a norm, products with the
    embeddings. All blocks are pre-norm, their attentions have no biases, the
    feed-forward networks have: GELU in the encoder, gated by SiLU ("swiglu")
    in the decoder. Positions turn the queries and keys of self-attention
    (rotary, the first `rotary_fraction` of a head's features, neighbours in
    pairs), so work grows with the recording and nothing is filled up.

    To write token by token, see `decode_step`, which is called as that of
    `Whisper`:

        hidden, mask = model.encode(samples, num_samples)
        context = model.context_caches(hidden)
        caches = model.self_caches(batch, 64)
        logits, caches = model.decode_step(ids, 0, caches, context, mask)

    Weights have the paths `stem/...`, `token_embedding/embeddings`,
    `{encoder,decoder}_block_<i>/...` and `{encoder,decoder}_norm`.

    Reference: Jeffries et al. 2024 (arXiv:2410.15608), section 3.1. Differs:
    rows of a batch are masked in the norm of the stem too, so that a row
    gives what it gives alone.

    Args:
        vocabulary_size: int, `V`.
        hidden_dim: int, features `D` of a frame and of a token.
        num_layers: int >= 1, blocks of encoder and decoder each, or a pair.
        num_heads: int; a head has `D // num_heads` features.
        intermediate_dim: int, features inside the feed-forward networks.
        num_key_value_heads: int that divides `num_heads`; default as many.
        max_sequence_length: int, most tokens `T` that a task asks for.
        rotary_fraction: float in (0, 1], share of a head's features that
            turn, rounded down; an odd number turns one more.
        max_wavelength: float > 0, longest wavelength over 2 pi.
        tie_embeddings: bool, score tokens by the embeddings, or by a matrix
            of its own.
        dropout: float in [0, 1), on the embeddings and residual branches.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "samples", float `(B, L)`, "num_samples", int `(B,)`,
            and "token_ids", int `(B, T)`, which begin with the token that
            stands before every text.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: for no layer, or as the layers do.

    Example:
        >>> model = Moonshine(100, 16, 1, 2, 32)
        >>> inputs = {
        ...     "samples": np.zeros((1, 1600), "float32"),
        ...     "num_samples": np.array([1600]),
        ...     "token_ids": np.array([[1, 7]]),
        ... }
        >>> model(inputs).shape
        (1, 2, 100)
    """

    def __init__(
        self,
        vocabulary_size=32768,
        hidden_dim=288,
        num_layers=6,
        num_heads=8,
        intermediate_dim=1152,
        num_key_value_heads=None,
        max_sequence_length=194,
        rotary_fraction=0.9,
        max_wavelength=10000.0,
        tie_embeddings=True,
        dropout=0.0,
        seed=0,
        **kwargs,
    ):
        # Layers
        depths = two_depths(num_layers)
        head_dim = hidden_dim // num_heads
        attention = {
            "head_dim": head_dim,
            "num_key_value_heads": num_key_value_heads,
            "use_bias": False,
        }
        positions = _positions(head_dim, rotary_fraction, max_wavelength)
        dtype = {"dtype": kwargs.pop("dtype", None)}
        stem = WaveformStem(hidden_dim, name="stem", **dtype)
        embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_embeddings,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=hidden_dim**-0.5
            ),
            name="token_embedding",
            **dtype,
        )
        sides = (
            ("encoder", EncoderBlock, "gelu", {}),
            ("decoder", DecoderBlock, "swiglu", {"cross_attention": attention}),
        )
        drops, stacks, norms = [], [], []
        for side, (name, block, activation, more) in enumerate(sides):
            first = seed + 1000 * side
            drops.append(
                keras.layers.Dropout(
                    dropout, seed=first, name=f"{name}_dropout", **dtype
                )
            )
            stacks.append(
                [
                    block(
                        num_heads,
                        intermediate_dim,
                        activation,
                        positions,
                        dropout,
                        seed=first + 10 * (i + 1),
                        attention={"kind": "full", **attention},
                        norm=NORM,
                        name=f"{name}_block_{i}",
                        **more,
                        **dtype,
                    )
                    for i in range(depths[side])
                ]
            )
            norms.append(make_norm(NORM, f"{name}_norm", **dtype))

        # Functional model
        samples = keras.Input((None,), name="samples")
        num_samples = keras.Input((), dtype="int32", name="num_samples")
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        x, mask = stem(samples, num_samples)  # (B, S, D)
        x = drops[0](x)
        for layer in stacks[0]:
            x = layer(x, padding_mask=mask)
        x = norms[0](x)
        y = drops[1](embedding(token_ids))  # (B, T, D)
        for layer in stacks[1]:
            y = layer(y, x, context_padding_mask=mask)
        logits = embedding(norms[1](y), reverse=True)  # (B, T, V)
        super().__init__(
            inputs={
                "samples": samples,
                "num_samples": num_samples,
                "token_ids": token_ids,
            },
            outputs=logits,
            **kwargs,
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.num_key_value_heads = num_key_value_heads
        self.max_sequence_length = max_sequence_length
        self.rotary_fraction = rotary_fraction
        self.max_wavelength = max_wavelength
        self.tie_embeddings = tie_embeddings
        self.dropout = dropout
        self.seed = seed
        self.depths = depths
        self.head_dim = head_dim
        self.stem = stem
        self._embedding = embedding
        self._stacks = stacks
        self._norms = norms

    def encode(self, samples, num_samples=None):
        """What is heard.

        Args:
            samples: float `(B, L)`.
            num_samples: int `(B,)`, or None for all of each row.

        Returns:
            float `(B, S, D)`, and its mask, bool `(B, S)`; None for all.
        """
        x, mask = self.stem(samples, num_samples)
        mask = None if num_samples is None else mask
        for block in self._stacks[0]:
            x = block(x, padding_mask=mask)
        return self._norms[0](x), mask

    def context_caches(self, hidden):
        """Keys and values of what is heard, one cache a decoder block."""
        return context_caches_of_stack(self._stacks[1], hidden)

    def self_caches(self, batch, max_length):
        """Empty caches for `max_length` tokens, one a decoder block."""
        heads = self.num_key_value_heads or self.num_heads
        return empty_caches(
            self._stacks[1], batch, max_length, heads, self.head_dim
        )

    def decode_step(
        self, token_ids, cache_index, caches, context, context_mask=None
    ):
        """Scores of the token after the next ones; see `Whisper`.

        Args:
            token_ids: int `(B, T)`, the next tokens (mostly one).
            cache_index: int or int scalar tensor, tokens so far.
            caches: list as `self_caches` gives, or of the last step.
            context: list as `context_caches` gives.
            context_mask: bool `(B, S)`, True = attended; None for all.

        Returns:
            logits, float `(B, T, V)`, and the updated caches.
        """
        x, updated = continue_stack(
            self._stacks[1],
            self._embedding(token_ids),
            cache_index,
            caches,
            context,
            context_mask,
        )
        return self._embedding(self._norms[1](x), reverse=True), updated

    def continue_rows(
        self,
        token_ids,
        rows,
        position,
        seen,
        caches,
        context,
        source_bias=None,
    ):
        """`decode_step` for several texts of each sound; see `row_attention`.

        Args:
            token_ids: int `(B K,)`, the token each text goes on with.
            rows: int, `K`.
            position: int scalar tensor, tokens before these.
            seen: float `(B, 1, K, L K)`; see `row_attention.attend_own`.
            caches: list of dicts of float `(B, N, L K, H)`.
            context: list as `context_caches` gives.
            source_bias: float `(B, 1, 1, S)`, added to the scores of frames,
                or None.

        Returns:
            logits, float `(B K, V)`, and the updated caches.
        """
        x, updated = continue_rows_of_stack(
            self._stacks[1],
            self._embedding(token_ids),
            rows,
            caches,
            context,
            position,
            seen,
            source_bias,
        )
        return self._embedding(self._norms[1](x), reverse=True), updated

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim num_key_value_heads max_sequence_length "
            "rotary_fraction max_wavelength tie_embeddings dropout seed"
        ).split()
        return {name: getattr(self, name) for name in names}


def _positions(head_dim, fraction, max_wavelength):
    """Rotary positions as Moonshine counts: rates by the rounded number.

    Where that is odd, its last rate has no pair, and one feature more turns
    with it; the rates are still those of the odd number.
    """
    turned = int(head_dim * fraction)
    if turned % 2:
        max_wavelength = max_wavelength ** ((turned + 1) / turned)
        fraction = min((turned + 1.5) / head_dim, 1.0)
    return RotaryPositions(max_wavelength, fraction, pairs="neighbours")
