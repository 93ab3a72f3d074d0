"""Trains a causal language model: text files in, a preset folder out.

    python train/causal_lm.py --text tinyshakespeare.txt.xz \
        --out runs/shakespeare --backend torch

The text (plain, .xz or .gz) is one stream, of which windows are drawn; its
last tenth, by position, is held out (`--dev-share`), or `--dev` files are. With
`--lines` each line is a text of its own, with a begin and an end. Tokens are
characters, or `--vocabulary` SentencePiece pieces.

After each epoch the loss of the held-out part is printed, in nats a token, over
all of it: windows one behind the other, each read from nothing, as training
saw them. A run can be killed at any moment: the same command goes on from the
last checkpoint to the same losses. `--smoke` is a few steps on a made-up text.
The exact command of each published preset stands in `train/runs/`, what was
learnt on the way in `train/LOG.md`.
"""

import json
import math
from pathlib import Path
from typing import Annotated

import typer
from ngram_lm import read_lines
from training_run import (
    keep_result,
    make_optimizer,
    option,
    prepare,
    say,
    train_epochs,
    training_options,
    warmup_cosine,
)

SMOKE = {
    "window": 16,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "batch_size": 4,
    "epochs": 1,
    "steps": 2,
    "warmup_steps": 1,
    "max_steps": 2,
    "batch_tokens": 128,
    "average": 1,
    "sample_tokens": 20,
    "checkpoint_every": 1,
}


def write_counting(path, count=60):
    """Makes a text of number words that count up; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = "zero one two three four five six seven eight nine".split()
    lines = [
        " ".join(words[(first + i) % 10] for i in range(2 + first % 5))
        for first in range(count)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def read_parts(args):
    """The texts to learn from, and those held out: two lists of str.

    With `--lines` a text is a line, else a file, or the part of one.
    """
    texts = ["".join(read_lines(path)) for path in args.text]
    held_out = ["".join(read_lines(path)) for path in args.dev]
    if args.lines:
        texts, held_out = (
            [line for text in part for line in text.splitlines() if line]
            for part in (texts, held_out)
        )
    if held_out:
        return texts, held_out
    if args.lines:
        cut = int(len(texts) * (1 - args.dev_share))
        return texts[:cut], texts[cut:]
    whole = "".join(texts)
    cut = int(len(whole) * (1 - args.dev_share))
    return [whole[:cut]], [whole[cut:]]


def make_tokenizer(args, texts, held_out):
    """The run's tokenizer: read from its folder, or made for the texts."""
    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
        SentencePieceTokenizer,
    )
    from keras_selfattn.preprocessing.tokenizers import (
        CharacterTokenizer,
        tokenizer_from_config,
    )
    from keras_selfattn.preprocessing.vocabulary import BOS, EOS, PAD

    path = args.out / "tokenizer.json"
    if path.is_file():
        return tokenizer_from_config(json.loads(path.read_text("utf-8")))
    if args.vocabulary:
        tokenizer = SentencePieceTokenizer.train(
            texts, args.vocabulary, (PAD, BOS, EOS), keep_unknown=True
        )
    elif args.lines:
        raise ValueError(
            "--lines needs a begin and an end: give --vocabulary, SentencePiece"
            " pieces."
        )
    else:
        # Held-out characters too, as nanoGPT has them: else they have no id.
        characters = sorted(set("".join([*texts, *held_out])))
        tokenizer = CharacterTokenizer("".join(characters))
    write_atomically(path, json.dumps(tokenizer.get_config()) + "\n")
    return tokenizer


def build_model(args, tokenizer):
    """Builds the model of the arguments, with its first weights."""
    from keras_selfattn.models import CausalTransformer
    from keras_selfattn.tasks import CausalLM

    transformer = CausalTransformer(
        tokenizer.vocabulary_size,
        args.hidden_dim,
        args.layers,
        args.heads,
        args.intermediate_dim or None,
        positions=args.positions,
        max_sequence_length=args.window,
        dropout=args.dropout,
        use_bias=not args.no_bias,
        block={"activation": args.activation},
        seed=args.seed,
        name="transformer",
    )
    return CausalLM(tokenizer, transformer)


def compile_model(args, model, total_steps):
    """AdamW under a cosine; no decay on biases and norms."""
    import keras

    final = args.final_learning_rate / args.learning_rate
    rate = warmup_cosine(args, total_steps, final)
    optimizer = make_optimizer(args, rate, beta_2=args.beta_2)
    # XLA on TensorFlow would compile each of the shapes of lines anew.
    plain = keras.backend.backend() == "tensorflow" and args.lines
    model.compile(optimizer, jit_compile=False if plain else "auto")


class DevSet:
    """The held-out part, as rows that are read from nothing each.

    Args:
        args: the run's arguments.
        model: CausalLM.
        texts: list of str.
    """

    def __init__(self, args, model, texts):
        self.rows = dev_rows(args, model, texts)
        self.characters = sum(map(len, texts))
        self.args = args

    def loss(self, model):
        """Nats a token, and tokens."""
        import numpy as np

        from keras_selfattn.tasks.causal_decoding import CausalScorer

        found = CausalScorer(model.transformer).of_rows(self.rows, 64)
        logs = np.concatenate(found).astype("float64")
        return -logs.mean(), len(logs)

    def scores(self, model):
        """Figures of the model as it is; a text is printed."""
        prompt = "" if self.args.lines else "\n"
        text = model.generate(
            prompt, self.args.sample_tokens, temperature=0.8, seed=1
        )
        say("\n".join(f"  > {line}" for line in text.splitlines()))
        if not self.rows:
            return {}
        loss, count = self.loss(model)
        return {
            "dev_loss": round(loss, 4),
            "dev_perplexity": round(math.exp(loss), 3),
            "dev_bits_a_character": round(
                loss * count / math.log(2) / self.characters, 4
            ),
        }


def dev_rows(args, model, texts):
    """Held-out token ids, in rows of a window and the token behind it.

    With a stream, each row's last token is the next row's first, so that each
    token but the first is scored once.
    """
    if args.lines:
        return [model.text_ids(text)[: args.window + 1] for text in texts]
    ids = model.tokenizer.encode("".join(texts))
    return [
        ids[first : first + args.window + 1]
        for first in range(0, len(ids) - 1, args.window)
    ]


def run(args):
    """The whole work of the arguments; see `main`."""
    import keras

    from keras_selfattn.data.causal_dataset import TextRows, TokenWindows
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import count_steps

    prepare(args)
    if args.smoke:
        made = current().from_first(
            lambda: str(write_counting(args.out / "counting.txt"))
        )
        vars(args).update(SMOKE, text=[Path(made)], dev=[])
    if not args.text:
        raise ValueError("no --text FILE (nor --smoke) is given.")
    texts, held_out = read_parts(args)
    tokenizer = make_tokenizer(args, texts, held_out)
    model = build_model(args, tokenizer)
    if args.lines:
        rows = [model.text_ids(text) for text in texts]
        dataset = TextRows(
            rows,
            args.batch_tokens,
            args.length_multiple,
            args.window,
            seed=args.seed,
        )
    else:
        ids = tokenizer.encode("".join(texts))
        dataset = TokenWindows(
            ids, args.window, args.batch_size, args.steps, args.seed
        )
    dev = DevSet(args, model, held_out)
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{dataset.num_tokens:,} tokens, {total_steps:,} steps, "
        f"{model.count_params():,} parameters, {keras.backend.backend()}."
    )
    compile_model(args, model, total_steps)
    train_epochs(
        args,
        args.out,
        model,
        dataset,
        lambda row: dev.scores(model),
        say,
        loss_label="nats a token",
    )
    keep_result(args, model, lambda: dev.scores(model), say)


@training_options(run)
def main(
    out: Annotated[Path, option("folder of the run")],
    text: Annotated[list[Path], option("FILE of text; repeatable")] = (),
    dev: Annotated[list[Path], option("FILE of held-out text")] = (),
    dev_share: Annotated[float, option("held out without --dev")] = 0.1,
    lines: Annotated[bool, option("each line is a text")] = False,
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    vocabulary: Annotated[int, option("pieces; 0: characters")] = 0,
    window: Annotated[int, option("tokens that the model sees")] = 64,
    hidden_dim: int = 128,
    layers: int = 4,
    heads: int = 4,
    intermediate_dim: Annotated[int, option("0: four times as many")] = 0,
    positions: Annotated[str, option("learned, rotary, ...")] = "learned",
    activation: Annotated[str, option("gelu_new, swiglu, ...")] = "gelu_new",
    no_bias: Annotated[bool, option("no biases in products")] = False,
    dropout: float = 0.0,
    epochs: int = 8,
    steps: Annotated[int, option("of an epoch of windows")] = 250,
    batch_size: Annotated[int, option("windows at once")] = 12,
    batch_tokens: Annotated[int, option("of lines, padded")] = 4096,
    length_multiple: Annotated[int, option("lines are padded to")] = 16,
    learning_rate: Annotated[float, option("highest")] = 1e-3,
    final_learning_rate: float = 1e-4,
    warmup_steps: int = 100,
    weight_decay: float = 0.1,
    beta_2: float = 0.99,
    clip_norm: float = 1.0,
    average: Annotated[int, option("last epochs averaged")] = 1,
    sample_tokens: Annotated[int, option("written after an epoch")] = 200,
    smoke: Annotated[bool, option("two steps on a made-up text")] = False,
):
    """Trains a language model; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
