"""Our translator's weights in an encoder-decoder of KerasHub's layers.

KerasHub has the parts (`TransformerEncoder`, `TransformerDecoder` with its
caches, `GreedySampler`, `BeamSampler`) and no translation model; they are put
together here as its own language models are: compiled as a whole where the
backend compiles, caches of a fixed size, positions counted by the sampler.
Its beam sampler goes on with texts that have ended and takes no account of
length, so it would write other lengths than ours: the end of a text is
forbidden before the length that it is told, and forced there. So every system
writes the same number of tokens.

Shapes: `B` sources, `R` rows (sources times beam), `S` source tokens, `P`
places, `D` model dimension, `V` vocabulary.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.layers.block_options import complete_block
from keras_selfattn.layers.feed_forward import GATED
from keras_selfattn.layers.positions import sinusoids
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
)

LENGTH_MULTIPLE = 16  # of padded sources and caches, as ours has it
NEVER = -1e9
# Parts of KerasHub's variable paths, and of ours.
PATHS = {
    "self_attention_layer_norm": "attention_norm",
    "cross_attention_layer_norm": "cross_attention_norm",
    "self_attention_layer": "attention",
    "self_attention": "attention",
    "attention_output": "output",
    "feedforward_layer_norm": "feed_forward_norm",
    "feedforward_intermediate_dense": "feed_forward/expand",
    "feedforward_output_dense": "feed_forward/contract",
}


class NotExpressibleError(ValueError):
    """KerasHub's layers do not compute what this model does."""


class HubTranslator(keras.Model):
    """Writes token ids, as many as it is told.

    Args:
        translator: our Translator, whose weights it takes.

    Raises:
        NotExpressibleError: for gates, RMS norms, or positions other than
            sinusoidal.
        ImportError: keras_hub is not installed.
    """

    def __init__(self, translator):
        import keras_hub

        super().__init__()
        ours = translator.transformer
        block = complete_block(ours.block)
        if (
            block["activation"] in GATED
            or block["norm"] != "layer"
            or ours.positions != "sinusoidal"
        ):
            raise NotExpressibleError(
                "KerasHub's TransformerEncoder and TransformerDecoder have "
                "no gates and no RMS norm, and it adds sinusoids here; the "
                f"preset has positions={ours.positions!r}, block={block}."
            )
        depths = ours.num_layers
        depths = [depths, depths] if isinstance(depths, int) else depths
        options = {
            "intermediate_dim": ours.intermediate_dim,
            "num_heads": ours.num_heads,
            "activation": block["activation"],
            "normalize_first": block["norm_first"],
        }
        self.encoders = [
            keras_hub.layers.TransformerEncoder(
                **options, name=f"encoder_block_{i}"
            )
            for i in range(depths[0])
        ]
        self.decoders = [
            keras_hub.layers.TransformerDecoder(
                **options, name=f"decoder_block_{i}"
            )
            for i in range(depths[1])
        ]
        norms = [
            keras.layers.LayerNormalization(epsilon=1e-5, name=f"{side}_norm")
            for side in ("encoder", "decoder")
        ]
        self.norms = norms if block["norm_first"] else []
        self.hidden_dim, self.num_heads = ours.hidden_dim, ours.num_heads
        some = np.zeros((1, 2, ours.hidden_dim), "float32")
        for layer in [*self.encoders, *self.norms]:
            layer(some)
        for layer in self.decoders:
            layer(some, some)
        self._tables(ours)
        self._copy(ours)
        places = 2 * max(
            translator.max_source_tokens, translator.max_target_tokens
        )
        self.table = ops.convert_to_numpy(
            sinusoids(np.arange(places), ours.hidden_dim)
        )
        self.banned = np.zeros((1, self.target.shape[0]), "float32")
        banned = (PAD_ID, BOS_ID, translator.writer.unknown_id)
        self.banned[:, list(banned)] = NEVER
        self.built = True
        self._compiled = {}

    def _tables(self, ours):
        """Embeddings `(V, D)` of the sources, of the targets, of the scores."""
        found = _arrays(ours)
        shared = ours.target_vocabulary_size is None
        names = ["token_embedding"] * 2 if shared else []
        names = names or ["source_embedding", "target_embedding"]

        def table(name, value):
            weight = self.add_weight(
                name=name, shape=tuple(value.shape), initializer="zeros"
            )
            weight.assign(value)
            return weight

        self.source = table("source", found[f"{names[0]}/embeddings"])
        self.target = self.source
        if not shared:
            self.target = table("target", found[f"{names[1]}/embeddings"])
        self.scores = self.target
        if not ours.tie_embeddings:
            matrix = found[f"{names[1]}/reverse_embeddings"]
            self.scores = table("scores", matrix.T)

    def _copy(self, ours):
        values = _arrays(ours)
        for layer in [*self.encoders, *self.decoders, *self.norms]:
            for variable in layer.weights:
                # Behind the names of what the layer stands in.
                path = variable.path[variable.path.index(layer.name) :]
                parts = [PATHS.get(part, part) for part in path.split("/")]
                value = values["/".join(parts)]
                variable.assign(value.reshape(variable.shape))

    def _embed(self, table, token_ids, first, length):
        x = ops.take(table, token_ids, axis=0) * self.hidden_dim**0.5
        positions = ops.slice(
            ops.convert_to_tensor(self.table),
            [first, 0],
            [length, self.hidden_dim],
        )
        return x + ops.expand_dims(positions, 0)

    def generate(self, source_ids, lengths, places, beam):
        """Token ids `(B, P)` with begin and end, in the backend's tensors."""
        from keras_hub import samplers

        sampler = samplers.GreedySampler()
        if beam > 1:
            sampler = samplers.BeamSampler(num_beams=beam)
        mask = ops.not_equal(source_ids, PAD_ID)
        x = self._embed(self.source, source_ids, 0, source_ids.shape[1])
        for layer in self.encoders:
            x = layer(x, padding_mask=mask)
        x = self.norms[0](x) if self.norms else x
        batch, dim = source_ids.shape[0], self.hidden_dim
        head_dim = dim // self.num_heads
        # What hangs on the source only is not gathered with the beams.
        shape = (batch, 2, x.shape[1], self.num_heads, head_dim)
        token = ops.zeros((batch, 1, dim))
        context = []
        for layer in self.decoders:
            own = ops.zeros((batch, 2, 1, self.num_heads, head_dim))
            _, _, cache = layer(
                token,
                x,
                self_attention_cache=own,
                self_attention_cache_update_index=0,
                cross_attention_cache=ops.zeros(shape),
                cross_attention_cache_update_index=0,
            )
            context.append(ops.repeat(cache, beam, axis=0))
        x, mask = (ops.repeat(part, beam, axis=0) for part in (x, mask))
        lengths = ops.repeat(lengths, beam, axis=0)  # (R,)
        banned = ops.convert_to_tensor(self.banned)
        end = np.arange(self.banned.shape[1]) == EOS_ID

        def next_token(prompt, cache, index):
            rows = prompt.shape[0]
            last = ops.slice(prompt, [0, index - 1], [rows, 1])
            y = self._embed(self.target, last, index - 1, 1)
            updated = []
            for i, layer in enumerate(self.decoders):
                y, own, _ = layer(
                    y,
                    x,
                    encoder_padding_mask=mask,
                    self_attention_cache=cache[:, i],
                    self_attention_cache_update_index=index - 1,
                    cross_attention_cache=context[i],
                )
                updated.append(own)
            y = self.norms[1](y) if self.norms else y
            logits = ops.matmul(y[:, 0], ops.transpose(self.scores))
            due = ops.expand_dims(index - 1 >= lengths, 1)  # (R, 1)
            bias = ops.where(due, -NEVER, NEVER) * ops.cast(end, "float32")
            return logits + banned + bias, y, ops.stack(updated, axis=1)

        shape = (batch, len(self.decoders), 2, places, self.num_heads, head_dim)
        prompt = np.full((batch, places), PAD_ID, "int32")
        prompt[:, 0] = BOS_ID
        return sampler(
            next=next_token,
            prompt=ops.convert_to_tensor(prompt),
            cache=ops.zeros(shape),
            index=1,
            stop_token_ids=[EOS_ID],
            model=self,
        )

    def _compile(self, places, beam):
        """`generate` as KerasHub's models compile theirs."""

        def run(source_ids, lengths):
            return self.generate(source_ids, lengths, places, beam)

        backend = keras.backend.backend()
        if backend == "torch":
            import torch

            return torch.no_grad()(run)
        if backend == "tensorflow":
            import tensorflow as tf

            return tf.function(run, jit_compile=True)
        import jax

        values = [v.value for v in self.variables]

        @jax.jit
        def stateless(values, source_ids, lengths):
            mapping = zip(self.variables, values)
            with keras.StatelessScope(state_mapping=list(mapping)):
                return run(source_ids, lengths)

        return lambda *inputs: stateless(values, *inputs)

    def write(self, rows, lengths, beam):
        """Target ids of each row, without the end.

        Args:
            rows: list of lists of source ids, each with the end.
            lengths: list of int, tokens to write of each.
            beam: int >= 1.
        """
        width = _round_up(max(map(len, rows)))
        ids = np.full((len(rows), width), PAD_ID, "int32")
        for row, tokens in zip(ids, rows):
            row[: len(tokens)] = tokens
        # The begin before them and the end behind.
        places = _round_up(max(lengths) + 2)
        if (places, beam) not in self._compiled:
            self._compiled[places, beam] = self._compile(places, beam)
        found = self._compiled[places, beam](
            ops.convert_to_tensor(ids),
            ops.convert_to_tensor(np.array(lengths, "int32")),
        )
        return [
            row[1 : length + 1].tolist()
            for row, length in zip(ops.convert_to_numpy(found), lengths)
        ]


def _arrays(model):
    """Copies: a backend may share, and give away, the memory of a value."""
    return {
        variable.path: np.array(ops.convert_to_numpy(variable.value))
        for variable in model.weights
    }


def _round_up(length):
    return -(-length // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
