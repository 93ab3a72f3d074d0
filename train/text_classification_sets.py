"""What `train/text_classification.py` learns from: sets of labelled texts."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from prepared_sets import measured_in, sampled_rows

from keras_selfattn.data.shards import ShardedCorpus
from keras_selfattn.data.text_tables import read_texts, split_by_class


def path_and_split(entry):
    """The path of PATH or PATH:SPLIT, and the split or None."""
    path, _, split = entry.rpartition(":")
    if Path(entry).exists() or not path:
        return entry, None
    return path, split


def read_sets(args, entries):
    """The examples of PATH or PATH:SPLIT entries."""
    found = []
    for entry in entries:
        path, split = path_and_split(entry)
        found += read_texts(
            path, split, args.text_column, args.label_column, args.pair_column
        )
    return found


def write_sentences(path, count=40):
    """Makes a TSV of two classes, told apart by one word of four.

    Returns:
        path.
    """
    generator = np.random.default_rng(0)
    signs = {"good": ["fine", "lovely"], "bad": ["dull", "poor"]}
    rows = ["label\ttext"]
    for i in range(count):
        label = ("good", "bad")[i % 2]
        words = list(generator.choice(["the", "film", "is", "so"], 6))
        words[generator.integers(6)] = generator.choice(signs[label])
        rows.append(f"{label}\t{' '.join(words)}")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def share_out(args, examples):
    """Training and dev examples where no dev set is named."""
    if not args.dev_share:
        return examples, []
    part = split_by_class(examples, round(1 / args.dev_share), args.seed)
    return (
        [e for e, p in zip(examples, part) if p],
        [e for e, p in zip(examples, part) if not p],
    )


def is_sharded(train):
    """Whether training examples are prepared corpora, not TextExamples."""
    return isinstance(train[0], ShardedCorpus)


def labels_of(train):
    """The names of all classes, sorted."""
    if is_sharded(train):
        return sorted(set().union(*(c.index["labels"] for c in train)))
    return sorted({example.label for example in train})


def texts_of(train):
    """Yields the texts that a vocabulary is counted in."""
    if not is_sharded(train):
        yield from (example.text for example in train)
        return
    for row in sampled_rows(train):
        text = row["text"]
        yield tuple(text) if isinstance(text, list) else text


def class_counts(train, labels):
    """How many training examples each class has: int `(C,)`."""
    if is_sharded(train):
        return np.array(
            [
                sum(corpus.index["labels"].get(label, 0) for corpus in train)
                for label in labels
            ]
        )
    found = Counter(example.label for example in train)
    return np.array([found[label] for label in labels])


def in_both_orders(examples):
    """Pairs as they come, and again with their texts turned round.

    Raises:
        ValueError: a text that is no pair, or a prepared corpus.
    """
    if is_sharded(examples):
        raise ValueError("--both-orders needs pairs in memory.")
    if any(isinstance(example.text, str) for example in examples):
        raise ValueError("--both-orders needs pairs of texts.")
    turned = (replace(e, text=e.text[::-1]) for e in examples)
    return [*examples, *turned]


def make_dataset(args, folder, train, tokenizer, labels, weights=None):
    """Batches of training examples, or of prepared corpora.

    `weights` are what an example of each class counts, float `(C,)`.
    """
    from keras_selfattn.data.sharded_texts import ShardedTexts
    from keras_selfattn.data.text_dataset import TextDataset

    size = {"batch_size": args.batch_size}
    if args.both_orders:
        train = in_both_orders(train)
    if is_sharded(train):
        more, bar = measured_in(args, folder)
        with bar:
            return ShardedTexts(
                train, tokenizer, labels, class_weights=weights, **size, **more
            )
    if weights is not None:
        by_label = dict(zip(labels, weights, strict=True))
        size["sample_weights"] = [by_label[e.label] for e in train]
    return TextDataset(train, tokenizer, labels, **size, seed=args.seed)
