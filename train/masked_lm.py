"""Trains a masked language model: texts in, a preset folder out.

    python train/masked_lm.py --text wikitext.txt.xz --out runs/bert \
        --backend torch

`--text` is a plain text (also .xz or .gz), each line of which is a text of its
own, or a table of labelled texts as PATH or PATH:SPLIT, whose labels are not
read. A text longer than `--max-tokens` becomes several. A share of the texts
is held out (`--dev-share`), or `--dev` files are. The tokenizer is BERT's
WordPiece, learned from the texts, or with `--init` a checkpoint's, whose
weights the training then begins with.

Whole words are hidden (Devlin et al. 2019, arXiv:1810.04805, section 3.1),
others in each epoch. After each, loss and accuracy over the hidden tokens of
the held-out texts are printed, the same tokens each time. A run can be killed
at any moment: the same command goes on from the last checkpoint to the same
losses. `--smoke` is a few steps on a made-up text. What comes out is what
`train/text_classification.py --init` begins with: OUT/checkpoint, which
`transformers` loads as well. With `--init` and `--lora-rank` adapters and the
head alone are trained, for `train/publish_adapters.py`.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from adapter_training import adapt, adapter_options, keep_adapters
from causal_lm import write_counting
from ngram_lm import read_lines
from text_classification_sets import path_and_split
from training_run import (
    fine_tuning_options,
    fitting_tokens,
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
    "vocabulary": 60,
    "max_tokens": 16,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "batch_tokens": 128,
    "epochs": 1,
    "max_steps": 2,
    "warmup_steps": 1,
    "average": 1,
    "checkpoint_every": 1,
}
TABLES = (".tsv", ".csv", ".jsonl")
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_texts_of(entries):
    """The texts of PATH or PATH:SPLIT entries, empty ones left out."""
    from keras_selfattn.data.text_tables import read_texts

    found = []
    for entry in map(str, entries):
        path, split = path_and_split(entry)
        suffixes = Path(path).suffixes
        if set(suffixes[-2:]) & set(TABLES) or Path(path).is_dir():
            texts = [example.text for example in read_texts(path, split)]
            texts = [t if isinstance(t, str) else " ".join(t) for t in texts]
        else:
            texts = read_lines(Path(path))
        found += [text for text in map(str.strip, texts) if text]
    return found


def read_parts(args):
    """The texts to learn from, and those held out: two lists of str."""
    texts, held_out = read_texts_of(args.text), read_texts_of(args.dev)
    if args.html:
        from keras_selfattn.preprocessing.text_cleaning import strip_html

        texts, held_out = (
            [strip_html(text) for text in part] for part in (texts, held_out)
        )
    if held_out or not args.dev_share:
        return texts, held_out
    order = np.random.default_rng(args.seed).permutation(len(texts))
    cut = max(1, round(args.dev_share * len(texts)))
    held = set(order[:cut].tolist())
    return (
        [text for i, text in enumerate(texts) if i not in held],
        [text for i, text in enumerate(texts) if i in held],
    )


def make_tokenizer(args, texts):
    """The run's tokenizer: read from its folder, or learned from the texts."""
    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.preprocessing.bert_words import bert_words
    from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
    from keras_selfattn.preprocessing.wordpiece import train_wordpiece

    path = args.out / "tokenizer.json"
    if path.is_file():
        config = json.loads(path.read_text("utf-8"))
        return SubwordTokenizer(**config)
    vocabulary = train_wordpiece(
        texts, args.vocabulary, SPECIALS, by="count", words_of=bert_words
    )
    tokenizer = SubwordTokenizer(vocabulary, max_tokens=args.max_tokens)
    write_atomically(path, json.dumps(tokenizer.get_config()) + "\n")
    return tokenizer


def begin_with_sinusoids(encoder):
    """Positions that begin as sinusoids, as large as they would by chance.

    From random vectors it takes thousands of steps to learn which places are
    neighbours; from sinusoids a matrix says it.
    """
    from keras_selfattn.layers.positions import sinusoids

    (table,) = (v for v in encoder.weights if v.path == "positions/embeddings")
    length, dim = table.shape
    values = np.asarray(sinusoids(np.arange(length), dim, float(length)))
    table.assign(
        values * 2**0.5 * encoder.get_layer("positions").initializer_range
    )


def build_model(args, texts):
    """The model of the arguments, with its first weights."""
    from keras_selfattn import zoo
    from keras_selfattn.models.bert import BertEncoder
    from keras_selfattn.tasks import MaskedLM
    from keras_selfattn.tasks.pretrained_masked_lm import pretrained_masked_lm

    if not args.init:
        tokenizer = make_tokenizer(args, texts)
        encoder = BertEncoder(
            tokenizer.vocabulary_size,
            args.hidden_dim,
            args.layers,
            args.heads,
            args.intermediate_dim or 4 * args.hidden_dim,
            max_sequence_length=args.max_tokens,
            pooler=False,
            dropout=args.dropout,
            seed=args.seed,
            name="encoder",
        )
        begin_with_sinusoids(encoder)
        return MaskedLM(tokenizer, encoder)
    task = zoo.load(args.init)
    longest = fitting_tokens(args, task)
    return pretrained_masked_lm(task, longest, args.dropout)


def rows_of(tokenizer, texts):
    """Ids of texts, longer ones in parts, with a bar on a terminal."""
    from keras_selfattn.progress import CountProgress

    rows = []
    with CountProgress("texts", len(texts)) as progress:
        for i, text in enumerate(texts, start=1):
            rows += tokenizer.encode_parts(text)
            if i % 100 == 0 or i == len(texts):
                progress.update(i, len(texts))
    return rows


def compile_model(args, model, total_steps):
    """AdamW under a warmed-up cosine; no decay on biases and norms."""
    # Batches, as schedules count them.
    rate = warmup_cosine(args, max(total_steps, 2))
    options = fine_tuning_options(args, model)
    model.compile(make_optimizer(args, rate, **options))


def scores(model, dataset):
    """Loss (nats a hidden token) and accuracy over all that is hidden.

    Args:
        model: MaskedLM.
        dataset: MaskedDataset, as its epoch 0 hides tokens.

    Returns:
        dict of "dev_loss" and "dev_accuracy"; empty without texts.
    """
    if dataset is None:
        return {}
    dataset.set_epoch(0)
    loss = right = count = 0
    for inputs, token_ids, weights in dataset.batches():
        chosen = weights > 0
        logits = np.asarray(model.predict_on_batch(inputs))[chosen]
        truth = token_ids[chosen]
        highest = logits.max(-1)
        norm = highest + np.log(np.exp(logits - highest[:, None]).sum(-1))
        found = np.take_along_axis(logits, truth[:, None], 1)[:, 0]
        loss += float((norm - found).sum(dtype="float64"))
        right += int((logits.argmax(-1) == truth).sum())
        count += len(truth)
    return {
        "dev_loss": round(loss / count, 4),
        "dev_accuracy": round(right / count, 4),
    }


def run(args):
    """The whole work of the arguments; see `main`."""
    import keras

    from keras_selfattn.data.masked_dataset import MaskedDataset
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import count_steps

    prepare(args)
    if args.smoke:
        made = current().from_first(
            lambda: str(write_counting(args.out / "counting.txt"))
        )
        vars(args).update(SMOKE, text=[made], dev=[])
    if not args.text:
        raise ValueError("no --text FILE (nor --smoke) is given.")
    texts, held_out = read_parts(args)
    if not texts:
        raise ValueError(f"--text {', '.join(args.text)}: no text in it.")
    model = build_model(args, texts)
    options = {
        "share": args.share,
        "whole_words": not args.single_pieces,
        "positions": True,
    }
    dataset = MaskedDataset(
        rows_of(model.tokenizer, texts),
        model.tokenizer,
        batch_tokens=args.batch_tokens,
        seed=args.seed,
        **options,
    )
    dev = None
    if held_out:
        dev = MaskedDataset(
            rows_of(model.tokenizer, held_out),
            model.tokenizer,
            batch_tokens=args.batch_tokens,
            shuffle=False,
            seed=args.seed,
            **options,
        )
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{len(texts):,} texts, {dataset.num_tokens:,} tokens of "
        f"{model.tokenizer.vocabulary_size:,}, {total_steps:,} batches, "
        f"{model.count_params():,} parameters, {keras.backend.backend()}."
    )
    adapt(args, model, model.encoder)
    compile_model(args, model, total_steps)
    train_epochs(
        args,
        args.out,
        model,
        dataset,
        lambda row: scores(model, dev),
        say,
        loss_label="nats a hidden token",
    )

    def finish(model):
        whole = keep_adapters(args, args.out, model)
        whole.save_hf(args.out / "checkpoint")
        return whole

    keep_result(args, model, lambda: scores(model, dev), say, finish)


@training_options(run, adapter_options)
def main(
    out: Annotated[Path, option("folder of the run")],
    text: Annotated[list[str], option("PATH or PATH:SPLIT; repeatable")] = (),
    dev: Annotated[list[str], option("PATH or PATH:SPLIT; repeatable")] = (),
    dev_share: Annotated[float, option("held out without --dev")] = 0.02,
    html: Annotated[bool, option("texts hold HTML")] = False,
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    init: Annotated[
        str, option("a checkpoint's folder or hf://owner/name")
    ] = "",
    vocabulary: Annotated[int, option("pieces, learned")] = 8000,
    max_tokens: Annotated[int, option("of a text, marks included")] = 128,
    hidden_dim: int = 256,
    layers: int = 4,
    heads: int = 4,
    intermediate_dim: Annotated[int, option("0: four times as many")] = 0,
    dropout: float = 0.1,
    share: Annotated[float, option("of the tokens hidden")] = 0.15,
    single_pieces: Annotated[bool, option("hide pieces, not words")] = False,
    epochs: int = 10,
    batch_tokens: Annotated[int, option("of a batch, padded")] = 4096,
    accumulate: Annotated[int, option("batches of one step")] = 1,
    learning_rate: Annotated[float, option("highest")] = 1e-3,
    scale_parameter: Annotated[
        bool, option("rates are shares of each matrix's size, as Adafactor's")
    ] = False,
    warmup_steps: Annotated[int, option("batches")] = 500,
    weight_decay: float = 0.01,
    clip_norm: float = 1.0,
    average: Annotated[int, option("last epochs averaged")] = 1,
    smoke: Annotated[bool, option("two steps on a made-up text")] = False,
):
    """Trains a masked language model; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
