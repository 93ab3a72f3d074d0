"""Trains a translator: parallel corpora in, a preset folder out.

    python train/translation.py --train multi30k_en-de.tsv.xz:train \
        --dev multi30k_en-de.tsv.xz:val --out runs/en-de --backend torch

A corpus is TABLE:SPLIT, a table with the columns `split src tgt` (plain or
.xz), or SOURCE,TARGET, two text files line for line, or for --train what
`prepare.py` made of such; `--swap` trains the other direction. A run can be
killed at any moment: the same command goes on from the last checkpoint to the
same losses. `--smoke` is a few steps on made-up sentences. The exact command of
each published preset stands in `train/runs/`, what was learnt on the way in
`train/LOG.md`.
"""

import json
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer
from prepared_sets import (
    check_kind,
    measured_in,
    prepared_corpora,
    sampled_rows,
)
from text_optimizer import SCHEDULES, check_schedule, compile_text_task
from training_run import (
    keep_result,
    option,
    prepare,
    say,
    train_epochs,
    training_options,
)

SMOKE = {
    "vocabulary": 40,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "intermediate_dim": 32,
    "epochs": 1,
    "warmup_steps": 1,
    "max_steps": 2,
    "batch_tokens": 128,
    "average": 1,
    "checkpoint_every": 1,
}


def write_sums(path, count=60):
    """Makes a table of number words whose translation is digits.

    Returns:
        its TABLE:SPLIT entry.
    """
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    words = "zero one two three four five six seven eight nine".split()
    generator = np.random.default_rng(0)
    rows = ["split\tsrc\ttgt"]
    for _ in range(count):
        digits = generator.integers(10, size=generator.integers(2, 6))
        source = " ".join(words[digit] for digit in digits)
        rows.append(f"train\t{source}\t{' '.join(map(str, digits))}")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return f"{path}:train"


def make_tokenizers(args, pairs):
    """The run's tokenizers: read from its folder, or learned from the pairs.

    Returns:
        tokenizer of the sources (or of both), and of the targets or None.
    """
    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.preprocessing.chinese_script import (
        traditional_to_simplified,
    )
    from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
        SentencePieceTokenizer,
    )
    from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
    from keras_selfattn.preprocessing.translation_text import (
        SPECIAL_TOKENS,
        normalize_text,
    )

    path = args.out / "tokenizers.json"
    if path.is_file():
        return [
            config and tokenizer_from_config(config)
            for config in json.loads(path.read_text("utf-8"))
        ]
    texts = texts_of(args, pairs)
    sources = [normalize_text(source, "NFKC") for source, _ in texts]
    targets = [normalize_text(target) for _, target in texts]
    simple = traditional_to_simplified() if args.simplify_chinese else None

    def trained(texts, vocabulary, replacements):
        return SentencePieceTokenizer.train(
            texts,
            vocabulary,
            SPECIAL_TOKENS,
            keep_unknown=True,
            character_coverage=args.character_coverage,
            replacements=replacements,
        )

    if args.target_vocabulary:
        tokenizers = [
            trained(sources, args.vocabulary, simple),
            trained(targets, args.target_vocabulary, None),
        ]
    else:
        tokenizers = [trained(sources + targets, args.vocabulary, simple), None]
    configs = [part and part.get_config() for part in tokenizers]
    write_atomically(path, json.dumps(configs) + "\n")
    return tokenizers


def texts_of(args, pairs):
    """Sources and targets that pieces are learned from, a list of tuples."""
    from keras_selfattn.data.parallel_corpora import ParallelExample

    if isinstance(pairs[0], ParallelExample):
        return [(pair.source, pair.target) for pair in pairs]
    rows = sampled_rows(pairs)
    texts = [(row["source"], row["target"]) for row in rows]
    return [text[::-1] for text in texts] if args.swap else texts


def make_dataset(args, pairs, tokenizers):
    """Batches of pairs, or of prepared corpora."""
    from keras_selfattn.data.parallel_corpora import ParallelExample
    from keras_selfattn.data.sharded_texts import ShardedPairs
    from keras_selfattn.data.translation_dataset import TranslationDataset

    options = {
        "batch_tokens": args.batch_tokens,
        "length_multiple": args.length_multiple,
        "max_tokens": args.max_tokens,
    }
    if isinstance(pairs[0], ParallelExample):
        return TranslationDataset(
            pairs,
            *tokenizers,
            segmentations=args.segmentations,
            seed=args.seed,
            **options,
        )
    more, bar = measured_in(args, args.out)
    with bar:
        return ShardedPairs(
            pairs, *tokenizers, swap=args.swap, **options, **more
        )


def build_translator(args, tokenizers):
    """Builds the model of the arguments, with its first weights."""
    from keras_selfattn.models import Transformer
    from keras_selfattn.tasks import Translator
    from keras_selfattn.tasks.task import load_weight_file

    tokenizer, target_tokenizer = tokenizers
    transformer = Transformer(
        tokenizer.vocabulary_size,
        args.hidden_dim,
        [args.layers, args.decoder_layers or args.layers],
        args.heads,
        args.intermediate_dim,
        positions=args.positions,
        target_vocabulary_size=None
        if target_tokenizer is None
        else target_tokenizer.vocabulary_size,
        dropout=args.dropout,
        block={"activation": args.activation},
        seed=args.seed,
        name="transformer",
    )
    translator = Translator(
        tokenizer, transformer, target_tokenizer, args.label_smoothing
    )
    if args.init:
        load_weight_file(translator, args.init)
        say(f"All parameters start from {args.init}.")
    return translator


class DevSet:
    """The dev corpora; `scores` translates them anew.

    Args:
        pairs: list of ParallelExample.
    """

    def __init__(self, pairs):
        self.sources = [pair.source for pair in pairs]
        self.references = [pair.target for pair in pairs]

    def scores(self, translator, beam=1, num_shown=5):
        """BLEU, chrF and overlap; some translations are printed."""
        from keras_selfattn.metrics.translation_scores import (
            translation_scores,
        )

        if not self.sources:
            return {}
        guesses = translator.translate(self.sources, beam=beam, batch_size=64)
        step = -(-len(guesses) // num_shown)
        for i in range(0, len(guesses), step):
            say(f"  {self.sources[i]}\n    = {self.references[i]}")
            say(f"    > {guesses[i]}")
        found = translation_scores(guesses, self.references)
        return {f"dev_{name}": value for name, value in found.items()}


def run(args):
    """The whole work of the arguments; see `main`."""
    import keras

    from keras_selfattn.data.parallel_corpora import (
        clean_pairs,
        read_parallel,
        split_folds,
        weighted_length,
    )
    from keras_selfattn.training.distribution import current

    prepare(args)
    if args.smoke:
        made = current().from_first(lambda: write_sums(args.out / "sums.tsv"))
        vars(args).update(SMOKE, train=[made])
    check_schedule(args.schedule)
    if not args.train:
        raise ValueError("no --train TABLE:SPLIT (nor --smoke) is given.")

    corpora = prepared_corpora(args.train)
    check_kind(corpora, "pairs")
    if corpora and (args.folds or args.segmentations > 1):
        raise ValueError(
            "--folds and --segmentations need pairs in memory: name what the "
            "prepared corpus was made of."
        )
    pairs = corpora or clean_pairs(
        read_parallel(args.train, args.swap),
        max_ratio=args.max_ratio,
        num_characters=weighted_length,
    )
    if not args.folds:
        train_and_score(args, pairs, read_parallel(args.dev, args.swap))
        return
    if args.folds < 2 or args.dev:
        raise ValueError(
            f"--folds {args.folds} holds parts of --train out in turn: give "
            "at least 2, and no --dev."
        )
    found = []
    for fold, (rest, held_out) in enumerate(split_folds(pairs, args.folds)):
        say(f"Fold {fold}: {len(rest):,} pairs, {len(held_out):,} held out.")
        keras.utils.clear_session()
        keras.utils.set_random_seed(args.seed)
        place = {"out": args.out / f"fold_{fold}"}
        fold_args = SimpleNamespace(**{**vars(args), **place})
        found.append(train_and_score(fold_args, rest, held_out))
    summary = {"folds": args.folds}
    for name in ("dev_bleu", "dev_bleu_lower", "dev_chrf", "dev_overlap"):
        values = [scores[name] for scores in found]
        summary[name] = round(statistics.mean(values), 2)
        summary[f"{name}_deviation"] = round(statistics.stdev(values), 2)
    say(json.dumps(summary))


def train_and_score(args, pairs, dev_pairs):
    """Trains on the pairs, into `args.out`; goes on where it was.

    Args:
        args: the run's arguments.
        pairs: list of ParallelExample, or of ShardedCorpus.
        dev_pairs: list of ParallelExample.

    Returns:
        dict of the last dev scores.
    """
    import keras

    from keras_selfattn.training.epoch_runs import count_steps

    args.out.mkdir(parents=True, exist_ok=True)
    dev = DevSet(dev_pairs)
    tokenizers = make_tokenizers(args, pairs)
    translator = build_translator(args, tokenizers)
    dataset = make_dataset(args, pairs, tokenizers)
    # Longer lines are cut: what it never saw, it cannot translate.
    translator.max_source_tokens = dataset.longest_source
    translator.max_target_tokens = 2 * dataset.longest_source + 10
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{dataset.num_examples:,} pairs, {dataset.num_target_tokens:,} "
        f"target tokens, {total_steps:,} steps, "
        f"{translator.count_params():,} parameters, "
        f"{keras.backend.backend()}."
    )
    compile_text_task(args, translator, total_steps)

    def figures(row):
        done = row["epoch"] + 1
        if done % args.dev_every and done != args.epochs:
            return {}
        return dev.scores(translator)

    train_epochs(
        args,
        args.out,
        translator,
        dataset,
        figures,
        say,
        loss_label="nats a token",
    )

    def scores():
        if args.beam > 1:
            greedy = dev.scores(translator, 1, num_shown=1)
            say(json.dumps({"beam": 1, **greedy}))
        found = dev.scores(translator, args.beam, num_shown=1)
        return {"beam": args.beam, **found}

    return keep_result(args, translator, scores, say)


@training_options(run)
def main(
    out: Annotated[Path, option("folder of the run")],
    train: Annotated[list[str], option("TABLE:SPLIT or SRC,TGT")] = (),
    dev: Annotated[list[str], option("TABLE:SPLIT or SRC,TGT")] = (),
    swap: Annotated[bool, option("translate target to source")] = False,
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    init: Annotated[str, option("a weight file to start from")] = "",
    vocabulary: Annotated[int, option("SentencePiece pieces")] = 8000,
    target_vocabulary: Annotated[int, option("0: one for both sides")] = 0,
    simplify_chinese: Annotated[bool, option("read sources so")] = False,
    character_coverage: Annotated[float, option("see SentencePiece")] = 1.0,
    hidden_dim: int = 128,
    layers: Annotated[int, option("blocks of the encoder")] = 4,
    decoder_layers: Annotated[int, option("0: as many")] = 0,
    heads: int = 4,
    intermediate_dim: int = 256,
    positions: Annotated[str, option("sinusoidal, rotary, ...")] = "sinusoidal",
    activation: Annotated[str, option("relu, gelu, swiglu, ...")] = "relu",
    dropout: float = 0.3,
    label_smoothing: float = 0.1,
    epochs: int = 25,
    batch_tokens: Annotated[int, option("of the longer side, padded")] = 4096,
    length_multiple: Annotated[int, option("lengths are padded to")] = 4,
    max_tokens: Annotated[int, option("longer pairs are left out")] = 128,
    segmentations: Annotated[int, option("ways to cut a text drawn from")] = 1,
    max_ratio: Annotated[float, option("of the sides' lengths")] = 4.0,
    schedule: Annotated[str, option(", ".join(SCHEDULES))] = "inverse-sqrt",
    learning_rate: Annotated[float, option("highest")] = 2e-3,
    warmup_steps: int = 1000,
    weight_decay: float = 0.0001,
    clip_norm: float = 1.0,
    dev_every: Annotated[int, option("epochs between two dev scores")] = 1,
    beam: Annotated[int, option("of the last dev score")] = 4,
    average: Annotated[int, option("last epochs averaged")] = 5,
    folds: Annotated[int, option("cross-validation for few data")] = 0,
    workers: Annotated[int, option("threads that read shards")] = 2,
    smoke: Annotated[bool, option("two steps on made-up sentences")] = False,
):
    """Trains a translator; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
