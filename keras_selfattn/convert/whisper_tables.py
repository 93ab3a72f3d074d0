"""Whose tensor is ours in Whisper: tables for `transformers` and CTranslate2.

Nothing is computed in this file; see `tensor_table`. A table of a side has
`{i}` for its blocks.
"""

from keras_selfattn.convert.tensor_table import Row, dense, norm

_PARTS = ("query", "key", "value")
_HF = {"encoder": "model.encoder", "decoder": "model.decoder"}


def _hf_attention(theirs, ours):
    return (
        *dense(f"{theirs}.q_proj", f"{ours}/query"),
        # Theirs has no bias of the key; see models.whisper.
        Row(f"{theirs}.k_proj.weight", f"{ours}/key/kernel", transpose=True),
        *dense(f"{theirs}.v_proj", f"{ours}/value"),
        *dense(f"{theirs}.out_proj", f"{ours}/output"),
    )


def _hf_side(side):
    theirs, ours = f"{_HF[side]}.layers.{{i}}", f"{side}_block_{{i}}"
    rows = (
        *_hf_attention(f"{theirs}.self_attn", f"{ours}/attention"),
        *norm(f"{theirs}.self_attn_layer_norm", f"{ours}/attention_norm"),
        *dense(f"{theirs}.fc1", f"{ours}/feed_forward/expand"),
        *dense(f"{theirs}.fc2", f"{ours}/feed_forward/contract"),
        *norm(f"{theirs}.final_layer_norm", f"{ours}/feed_forward_norm"),
        *norm(f"{_HF[side]}.layer_norm", f"{side}_norm"),
        Row(
            f"{_HF[side]}.embed_positions.weight",
            f"{side}_positions/embeddings",
        ),
    )
    if side == "encoder":
        return rows + tuple(
            row
            for i in (0, 1)
            for row in dense(
                f"model.encoder.conv{i + 1}", f"subsampling/convolution_{i}"
            )
        )
    cross = f"{ours}/cross_attention"
    return (
        *rows,
        *_hf_attention(f"{theirs}.encoder_attn", cross),
        *norm(f"{theirs}.encoder_attn_layer_norm", f"{cross}_norm"),
        Row("model.decoder.embed_tokens.weight", "token_embedding/embeddings"),
        Row(
            "proj_out.weight",
            "token_embedding/reverse_embeddings",
            transpose=True,
        ),
    )


HF_TABLES = {side: _hf_side(side) for side in _HF}


def _joined(theirs, parts):
    """Rows of one matrix, and one bias, whose outputs are several layers'."""
    return (
        Row(f"{theirs}/weight", tuple(f"{p}/kernel" for p in parts), True),
        Row(f"{theirs}/bias", tuple(f"{p}/bias" for p in parts)),
    )


def _ct2_norm(theirs, ours):
    return tuple(
        Row(f"{theirs}/layer_norm/{name}", f"{ours}/{name}")
        for name in ("gamma", "beta")
    )


def _ct2_side(side):
    theirs, ours = f"{side}/layer_{{i}}", f"{side}_block_{{i}}"
    own, cross = f"{theirs}/self_attention", f"{theirs}/attention"
    rows = (
        *_joined(f"{own}/linear_0", [f"{ours}/attention/{p}" for p in _PARTS]),
        *_joined(f"{own}/linear_1", [f"{ours}/attention/output"]),
        *_ct2_norm(own, f"{ours}/attention_norm"),
        *_joined(f"{theirs}/ffn/linear_0", [f"{ours}/feed_forward/expand"]),
        *_joined(f"{theirs}/ffn/linear_1", [f"{ours}/feed_forward/contract"]),
        *_ct2_norm(f"{theirs}/ffn", f"{ours}/feed_forward_norm"),
        *_ct2_norm(side, f"{side}_norm"),
        Row(
            f"{side}/position_encodings/encodings",
            f"{side}_positions/embeddings",
        ),
    )
    if side == "encoder":
        return rows + tuple(
            row
            for i in (0, 1)
            for row in _joined(
                f"encoder/conv{i + 1}", [f"subsampling/convolution_{i}"]
            )
        )
    ours = f"{ours}/cross_attention"
    return (
        *rows,
        *_joined(f"{cross}/linear_0", [f"{ours}/query"]),
        *_joined(f"{cross}/linear_1", [f"{ours}/key", f"{ours}/value"]),
        *_joined(f"{cross}/linear_2", [f"{ours}/output"]),
        *_ct2_norm(cross, f"{ours}_norm"),
        Row("decoder/embeddings/weight", "token_embedding/embeddings"),
        Row(
            "decoder/projection/weight",
            "token_embedding/reverse_embeddings",
            transpose=True,
        ),
    )


CT2_TABLES = {side: _ct2_side(side) for side in _HF}
# Numbers that say how a model is built, and what they must say.
CT2_OPTIONS = {
    "encoder/num_heads": None,
    "decoder/num_heads": None,
    "decoder/activation": (3,),  # GELU
    "decoder/alibi": (0,),
    "decoder/alignment_heads": None,
    "decoder/alignment_layer": None,
    "decoder/pre_norm": (1,),
    "decoder/scale_embeddings": (0,),
    "decoder/start_from_zero_embedding": (0,),
}
