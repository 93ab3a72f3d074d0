"""One encoder and its training step, timed in a process of its own.

Started by `training.py` (or by hand, with KERAS_BACKEND set); it answers
requests on stdin, see `keras_selfattn.measuring.serve`:

- `prepare`: builds a system with its optimizer, and runs its first steps;
- `time`: one training step, in seconds, until its loss is there.

All systems are token ids `(B, T)`, 0 = padding, to a class of each token: an
embedding, `layers` blocks of post-norm attention and a ReLU network, a Dense
layer; cross-entropy over all places, AdamW, gradients clipped by their global
norm. None drops anything out, for each would do so in other places.
"""

import importlib.util
import os
import time

import keras
import numpy as np

from keras_selfattn import measuring


class MissingSystem(ImportError):
    """A system whose package is not installed; the message says which."""


RATE, DECAY, CLIP = 1e-4, 0.01, 1.0


def need(package, name):
    """Raises MissingSystem where a package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise MissingSystem(f"{name} is not installed: pip install {name}")


def keras_step(make_block, optimizer, sizes, ids, labels):
    """A compiled Keras model's `train_on_batch`, and its parameters."""
    token_ids = keras.Input(ids.shape[1:], dtype="int32", name="token_ids")
    mask = keras.ops.not_equal(token_ids, 0)
    x = keras.layers.Embedding(sizes["vocabulary_size"], sizes["hidden_dim"])(
        token_ids
    )
    for _ in range(sizes["layers"]):
        x = make_block()(x, padding_mask=mask)
    logits = keras.layers.Dense(sizes["num_classes"])(x)
    model = keras.Model(token_ids, logits)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def step():
        return float(np.asarray(model.train_on_batch(ids, labels)))

    return step, model.count_params()


def ours(sizes, ids, labels):
    """Our encoder block with the optimizer of our training scripts."""
    from keras_selfattn.layers.encoder_block import EncoderBlock
    from keras_selfattn.training.guarded_adamw import GuardedAdamW

    def block():
        return EncoderBlock(
            sizes["num_heads"],
            sizes["intermediate_dim"],
            activation="relu",
            norm_first=False,
        )

    optimizer = GuardedAdamW(RATE, weight_decay=DECAY, global_clipnorm=CLIP)
    return keras_step(block, optimizer, sizes, ids, labels)


def keras_hub(sizes, ids, labels):
    """KerasHub's encoder block with Keras's optimizer."""
    need("keras_hub", "keras-hub")
    import keras_hub

    def block():
        return keras_hub.layers.TransformerEncoder(
            sizes["intermediate_dim"], sizes["num_heads"]
        )

    optimizer = keras.optimizers.AdamW(
        RATE, weight_decay=DECAY, global_clipnorm=CLIP
    )
    return keras_step(block, optimizer, sizes, ids, labels)


def torch_step(model, forward, labels, schedule=None):
    """A plain loop's step over a torch module, and its parameters."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=RATE, weight_decay=DECAY
    )
    scheduler = None
    if schedule is not None:
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    labels = torch.from_numpy(labels).long().flatten()
    model.train()

    def step():
        optimizer.zero_grad()
        logits = forward()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        return float(loss.detach())

    return step, sum(p.numel() for p in model.parameters())


def torch_encoder(sizes, ids, labels):
    """`torch.nn.TransformerEncoder` in a plain loop."""
    need("torch", "torch")
    import torch

    nn, dim = torch.nn, sizes["hidden_dim"]
    layer = nn.TransformerEncoderLayer(
        dim,
        sizes["num_heads"],
        sizes["intermediate_dim"],
        dropout=0.0,
        batch_first=True,
    )
    model = nn.ModuleDict(
        {
            "embedding": nn.Embedding(sizes["vocabulary_size"], dim),
            "encoder": nn.TransformerEncoder(
                layer, sizes["layers"], enable_nested_tensor=False
            ),
            "head": nn.Linear(dim, sizes["num_classes"]),
        }
    )
    ids = torch.from_numpy(ids).long()

    def forward():
        x = model["encoder"](
            model["embedding"](ids), src_key_padding_mask=ids == 0
        )
        return model["head"](x)

    return torch_step(model, forward, labels)


def transformers_bert(sizes, ids, labels):
    """Hugging Face's BertModel, stepped as its Trainer does.

    It has embeddings of positions and segments, and a norm on them, besides.
    """
    need("torch", "torch")
    need("transformers", "transformers")
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=sizes["vocabulary_size"],
        hidden_size=sizes["hidden_dim"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["num_heads"],
        intermediate_size=sizes["intermediate_dim"],
        hidden_act="relu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=ids.shape[1],
    )
    model = torch.nn.ModuleDict(
        {
            "bert": BertModel(config, add_pooling_layer=False),
            "head": torch.nn.Linear(sizes["hidden_dim"], sizes["num_classes"]),
        }
    )
    ids = torch.from_numpy(ids).long()

    def forward():
        found = model["bert"](input_ids=ids, attention_mask=(ids != 0).long())
        return model["head"](found.last_hidden_state)

    return torch_step(model, forward, labels, lambda step: 1.0)


SYSTEMS = {
    "ours": ours,
    "keras_hub": keras_hub,
    "torch_encoder": torch_encoder,
    "transformers": transformers_bert,
}


def arrays(sizes, batch, length):
    """Token ids whose rows end at 100 % to 50 % of the length, and labels."""
    rng = np.random.default_rng(0)
    shape = (batch, length)
    ids = rng.integers(1, sizes["vocabulary_size"], shape, "int32")
    ends = np.linspace(1.0, 0.5, batch) * length
    ids[np.arange(length) >= ends[:, None]] = 0
    return ids, rng.integers(0, sizes["num_classes"], shape, "int32")


class Server:
    """Holds the training step of `prepare`."""

    def prepare(self, system, sizes, batch, length):
        """Builds a system; returns its size, and what two steps gave."""
        keras.utils.set_random_seed(0)
        ids, labels = arrays(sizes, batch, length)
        try:
            self.step, parameters = SYSTEMS[system](sizes, ids, labels)
        except MissingSystem as error:
            return {"missing": str(error)}
        # The first step compiles, and loads what is loaded at first use.
        losses = [self.step() for _ in range(2)]
        return {
            "parameters": int(parameters),
            "losses": losses,
            "tokens": int(np.count_nonzero(ids)),
        }

    def time(self):
        """Seconds of one training step."""
        start = time.perf_counter()
        self.step()
        return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    server = Server()
    measuring.serve({"prepare": server.prepare, "time": server.time})
