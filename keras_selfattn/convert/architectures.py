"""What other people's models are here: tables, one an architecture.

Nothing is computed in this file. A line of sizes is (our argument, their key,
what they take where the key is not there); see `tensor_table` for the rest.
"""

from dataclasses import dataclass, field

from keras_selfattn.convert.tensor_table import Row, dense, norm


@dataclass(frozen=True)
class Architecture:
    """How a family of checkpoints is read and written.

    Args:
        model_type: str, as in their config.json.
        model: str, their class without a head.
        headed: str, their class with the masked-language head.
        also: other classes of theirs whose tensors are known.
        prefix: str, before the encoder's names where there is a head.
        tokenizer: "bert" or "byte_pair".
        sizes: tuples (ours, theirs, default).
        fixed: dict, arguments of ours that are always so.
        demanded: dict of their keys to the values that we can do; a key that
            is not there is as it should be.
        padding_id: int, theirs where config.json does not say.
        positions_after_padding: bool, positions count on from its id.
        encoder, head: tuples of Row.
        copies: tuples of two names of one tensor where embeddings are tied:
            the head's, the one that counts.
        ignored: patterns of names that are no weights of ours.
    """

    model_type: str
    model: str
    headed: str
    prefix: str
    tokenizer: str
    sizes: tuple
    encoder: tuple
    head: tuple
    also: tuple = ()
    fixed: dict = field(default_factory=dict)
    demanded: dict = field(default_factory=dict)
    padding_id: int = 0
    positions_after_padding: bool = False
    copies: tuple = ()
    ignored: tuple = ()


BERT_SIZES = (
    ("vocabulary_size", "vocab_size", 30522),
    ("hidden_dim", "hidden_size", 768),
    ("num_layers", "num_hidden_layers", 12),
    ("num_heads", "num_attention_heads", 12),
    ("intermediate_dim", "intermediate_size", 3072),
    ("max_sequence_length", "max_position_embeddings", 512),
    ("num_segments", "type_vocab_size", 2),
    ("activation", "hidden_act", "gelu"),
    ("dropout", "hidden_dropout_prob", 0.1),
    ("attention_dropout", "attention_probs_dropout_prob", 0.1),
    ("norm_epsilon", "layer_norm_eps", 1e-12),
)
_BERT, _BLOCK = "encoder.layer.{i}", "block_{i}"
BERT_ENCODER = (
    Row("embeddings.word_embeddings.weight", "token_embedding/embeddings"),
    Row(
        "embeddings.token_type_embeddings.weight",
        "segment_embedding/embeddings",
    ),
    Row("embeddings.position_embeddings.weight", "positions/embeddings"),
    *norm("embeddings.LayerNorm", "embedding_norm"),
    *dense(f"{_BERT}.attention.self.query", f"{_BLOCK}/attention/query"),
    *dense(f"{_BERT}.attention.self.key", f"{_BLOCK}/attention/key"),
    *dense(f"{_BERT}.attention.self.value", f"{_BLOCK}/attention/value"),
    *dense(f"{_BERT}.attention.output.dense", f"{_BLOCK}/attention/output"),
    *norm(
        f"{_BERT}.attention.output.LayerNorm",
        f"{_BLOCK}/attention_norm",
    ),
    *dense(f"{_BERT}.intermediate.dense", f"{_BLOCK}/feed_forward/expand"),
    *dense(f"{_BERT}.output.dense", f"{_BLOCK}/feed_forward/contract"),
    *norm(f"{_BERT}.output.LayerNorm", f"{_BLOCK}/feed_forward_norm"),
    *dense("pooler.dense", "pooler"),
)
BERT_DEMANDED = {
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
}
BERT = Architecture(
    model_type="bert",
    model="BertModel",
    headed="BertForMaskedLM",
    also=("BertForPreTraining",),
    prefix="bert.",
    tokenizer="bert",
    sizes=BERT_SIZES,
    demanded=BERT_DEMANDED,
    encoder=BERT_ENCODER,
    head=(
        *dense("cls.predictions.transform.dense", "head_dense"),
        *norm("cls.predictions.transform.LayerNorm", "head_norm"),
        Row(
            "cls.predictions.decoder.weight",
            "token_embedding/reverse_embeddings",
            transpose=True,
        ),
        Row("cls.predictions.bias", "head_bias/bias"),
    ),
    copies=(
        (
            "cls.predictions.decoder.weight",
            "embeddings.word_embeddings.weight",
        ),
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ),
    # Constants; whether two sentences follow each other, which we do not ask.
    ignored=("embeddings.position_ids", "cls.seq_relationship.*"),
)
ROBERTA = Architecture(
    model_type="roberta",
    model="RobertaModel",
    headed="RobertaForMaskedLM",
    prefix="roberta.",
    tokenizer="byte_pair",
    sizes=(("vocabulary_size", "vocab_size", 50265), *BERT_SIZES[1:]),
    demanded=BERT_DEMANDED,
    padding_id=1,
    positions_after_padding=True,
    encoder=BERT_ENCODER,
    head=(
        *dense("lm_head.dense", "head_dense"),
        *norm("lm_head.layer_norm", "head_norm"),
        Row(
            "lm_head.decoder.weight",
            "token_embedding/reverse_embeddings",
            transpose=True,
        ),
        Row("lm_head.bias", "head_bias/bias"),
    ),
    copies=(
        ("lm_head.decoder.weight", "embeddings.word_embeddings.weight"),
        ("lm_head.decoder.bias", "lm_head.bias"),
    ),
    ignored=("embeddings.position_ids",),
)
_DISTIL = "transformer.layer.{i}"
DISTILBERT = Architecture(
    model_type="distilbert",
    model="DistilBertModel",
    headed="DistilBertForMaskedLM",
    prefix="distilbert.",
    tokenizer="bert",
    sizes=(
        ("vocabulary_size", "vocab_size", 30522),
        ("hidden_dim", "dim", 768),
        ("num_layers", "n_layers", 6),
        ("num_heads", "n_heads", 12),
        ("intermediate_dim", "hidden_dim", 3072),
        ("max_sequence_length", "max_position_embeddings", 512),
        ("activation", "activation", "gelu"),
        ("dropout", "dropout", 0.1),
        ("attention_dropout", "attention_dropout", 0.1),
    ),
    fixed={"num_segments": 0, "norm_epsilon": 1e-12},
    encoder=(
        Row("embeddings.word_embeddings.weight", "token_embedding/embeddings"),
        Row("embeddings.position_embeddings.weight", "positions/embeddings"),
        *norm("embeddings.LayerNorm", "embedding_norm"),
        *dense(f"{_DISTIL}.attention.q_lin", f"{_BLOCK}/attention/query"),
        *dense(f"{_DISTIL}.attention.k_lin", f"{_BLOCK}/attention/key"),
        *dense(f"{_DISTIL}.attention.v_lin", f"{_BLOCK}/attention/value"),
        *dense(
            f"{_DISTIL}.attention.out_lin",
            f"{_BLOCK}/attention/output",
        ),
        *norm(f"{_DISTIL}.sa_layer_norm", f"{_BLOCK}/attention_norm"),
        *dense(f"{_DISTIL}.ffn.lin1", f"{_BLOCK}/feed_forward/expand"),
        *dense(f"{_DISTIL}.ffn.lin2", f"{_BLOCK}/feed_forward/contract"),
        *norm(
            f"{_DISTIL}.output_layer_norm",
            f"{_BLOCK}/feed_forward_norm",
        ),
    ),
    head=(
        *dense("vocab_transform", "head_dense"),
        *norm("vocab_layer_norm", "head_norm"),
        Row(
            "vocab_projector.weight",
            "token_embedding/reverse_embeddings",
            transpose=True,
        ),
        Row("vocab_projector.bias", "head_bias/bias"),
    ),
    copies=(("vocab_projector.weight", "embeddings.word_embeddings.weight"),),
    ignored=("embeddings.position_ids",),
)
ARCHITECTURES = {a.model_type: a for a in (BERT, ROBERTA, DISTILBERT)}
# Their activations that Keras computes alike, by their names.
ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "silu": "silu", "swish": "silu"}
