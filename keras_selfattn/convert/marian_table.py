"""Whose tensor is ours in Marian's translators; see `tensor_table`.

Nothing is computed but the wavelength of its sines.
"""

from keras_selfattn.convert.tensor_table import Row, dense, norm, rows_of

_PARTS = (("q", "query"), ("k", "key"), ("v", "value"), ("out", "output"))


def _attention(theirs, ours):
    return (
        row
        for part, name in _PARTS
        for row in dense(f"{theirs}.{part}_proj", f"{ours}/{name}")
    )


def _block(side):
    theirs, ours = f"model.{side}.layers.{{i}}", f"{side}_block_{{i}}"
    return (
        *_attention(f"{theirs}.self_attn", f"{ours}/attention"),
        *norm(f"{theirs}.self_attn_layer_norm", f"{ours}/attention_norm"),
        *dense(f"{theirs}.fc1", f"{ours}/feed_forward/expand"),
        *dense(f"{theirs}.fc2", f"{ours}/feed_forward/contract"),
        *norm(f"{theirs}.final_layer_norm", f"{ours}/feed_forward_norm"),
    )


_DECODER = "model.decoder.layers.{i}.encoder_attn"
ENCODER = _block("encoder")
DECODER = (
    *_block("decoder"),
    *_attention(_DECODER, "decoder_block_{i}/cross_attention"),
    *norm(f"{_DECODER}_layer_norm", "decoder_block_{i}/cross_attention_norm"),
)
BIAS, HEAD, SHARED = (
    "final_logits_bias",
    "lm_head.weight",
    "model.shared.weight",
)
SOURCE, TARGET = (
    f"model.{side}.embed_tokens.weight" for side in ("encoder", "decoder")
)
SIZES = (
    ("hidden_dim", "d_model", 1024),
    ("num_heads", "encoder_attention_heads", 16),
    ("intermediate_dim", "encoder_ffn_dim", 4096),
    ("max_sequence_length", "max_position_embeddings", 1024),
    ("dropout", "dropout", 0.1),
    ("inner_dropout", "attention_dropout", 0.0),
    ("scale_embeddings", "scale_embedding", False),
    ("tie_embeddings", "tie_word_embeddings", True),
)
ACTIVATIONS = {"silu": "silu", "swish": "silu", "gelu": "gelu", "relu": "relu"}
EQUAL = (
    ("decoder_attention_heads", "encoder_attention_heads"),
    ("decoder_ffn_dim", "encoder_ffn_dim"),
    ("decoder_start_token_id", "pad_token_id"),
)
DEMANDED = {
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
}
# Tables of sines, which we make ourselves.
IGNORED = ("model.*.embed_positions.weight",)


def table(num_layers, shared):
    """All rows of a model.

    Args:
        num_layers: pair of int, blocks of the encoder and of the decoder.
        shared: bool, one table of embeddings serves both languages.
    """
    target = "token_embedding" if shared else "target_embedding"
    embeddings = (Row(SHARED, f"{target}/embeddings"),)
    if not shared:
        embeddings = (
            Row(SOURCE, "source_embedding/embeddings"),
            Row(TARGET, f"{target}/embeddings"),
        )
    return [
        *embeddings,
        Row(HEAD, f"{target}/reverse_embeddings", transpose=True),
        Row(BIAS, "output_bias/bias"),
        *rows_of(ENCODER, num_layers[0]),
        *rows_of(DECODER, num_layers[1]),
    ]


def marian_positions(hidden_dim):
    """Marian's sines as ours: half the features, not one less, make the steps.

    Returns:
        dict, as `added_positions` takes it.
    """
    half = hidden_dim // 2
    return {
        "kind": "sinusoidal",
        "max_wavelength": 10000.0 ** ((half - 1) / half),
    }
