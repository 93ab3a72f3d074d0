"""Trains a T5 on several tasks at once: tables in, a preset folder out.

    python train/text_to_text.py --out runs/t5 --backend torch \
        --train "translate English to German=multi30k_en-de.tsv.xz:train" \
        --train "sst2 sentence=sst2.tsv.xz:train" \
        --words "sst2 sentence:pos=positive,neg=negative" \
        --spans corpus.txt --made-up 2000

Each task is NAME=TABLE:SPLIT (`data/text_to_text_tasks.py`); its sources begin
with "NAME: ". `--spans` are files of texts, a line each, of which spans are
left out. `--made-up` adds small tasks with words: to spell one, to turn a row
of them round, to write a number in digits. `--limit`, `--temperature` and
`--epoch-examples` say how tasks are mixed (Raffel et al. 2020, section 3.5.2).
A run can be killed at any moment: the same command goes on from the last
checkpoint to the same losses. `--smoke` is a few steps on made-up tasks.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
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
    "made_up": 20,
    "vocabulary": 80,
    "sentinels": 10,
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
    "dev_examples": 3,
}
SYLLABLES = "ba ri to ne lu ka mi so ve du pa gi".split()


def write_made_up(path, count, seed=0):
    """Makes a table of tasks with words, `count` examples of each a split.

    The splits "train" and "dev" share no source.

    Returns:
        str, the path.
    """
    import numpy as np

    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.preprocessing.spoken_numbers import spell_number

    random = np.random.default_rng(seed)

    def word():
        return "".join(random.choice(SYLLABLES, random.integers(1, 4)))

    def number():
        value = int(random.integers(1000))
        return spell_number(str(value)), str(value)

    def spelled():
        found = word()
        return found, " ".join(found)

    def reversed_words():
        words = [word() for _ in range(random.integers(2, 6))]
        return " ".join(words), " ".join(reversed(words))

    rows = ["split\ttask\tsource\ttarget"]
    for task, make in (
        ("number", number),
        ("spell", spelled),
        ("reverse", reversed_words),
    ):
        found, tries = {}, 0
        while len(found) < count + count // 10 + 1 and tries < 20 * count:
            source, target = make()
            found[source] = target
            tries += 1
        for i, (source, target) in enumerate(found.items()):
            split = "dev" if i % 11 == 10 else "train"
            rows.append(f"{split}\t{task}\t{source}\t{target}")
    write_atomically(path, "\n".join(rows) + "\n")
    return str(path)


def read_lines(paths):
    """The lines of text files that hold something."""
    from keras_selfattn.data.parallel_corpora import open_text

    lines = []
    for path in map(Path, paths):
        with open_text(path) as file:
            lines += [line.strip() for line in file if line.strip()]
    return lines


def make_tokenizer(args, tasks, texts):
    """The run's tokenizer: read from its folder, or learned from the texts."""
    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.preprocessing.sentinel_tokenizer import (
        SentinelTokenizer,
    )
    from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config

    path = args.out / "tokenizer.json"
    if path.is_file():
        return tokenizer_from_config(json.loads(path.read_text("utf-8")))
    pairs = [pair for found in tasks.values() for pair in found]
    tokenizer = SentinelTokenizer.train(
        [
            *(text for pair in pairs for text in (pair.source, pair.target)),
            *texts,
        ],
        args.vocabulary,
        args.sentinels,
        args.character_coverage,
    )
    write_atomically(path, json.dumps(tokenizer.get_config()) + "\n")
    return tokenizer


def build_task(args, tokenizer):
    """The model of the arguments with its first weights, or somebody's."""
    from keras_selfattn import zoo
    from keras_selfattn.models import T5
    from keras_selfattn.tasks import TextToText

    if args.init:
        task = zoo.load(args.init)
        say(f"All parameters start from {args.init}.")
        return task
    transformer = T5(
        tokenizer.vocabulary_size,
        args.hidden_dim,
        [args.layers, args.decoder_layers or args.layers],
        args.heads,
        args.intermediate_dim,
        activation=args.activation,
        dropout=args.dropout,
        seed=args.seed,
        name="transformer",
    )
    return TextToText(tokenizer, transformer, args.label_smoothing)


def answer_scores(pairs, guesses):
    """How right answers are: the share to the letter, BLEU and chrF.

    Args:
        pairs: list of `TextPair`.
        guesses: list of str, what was written for their sources.

    Returns:
        dict of "accuracy", "bleu" and "chrf", floats.
    """
    from keras_selfattn.metrics.translation_scores import translation_scores

    targets = [" ".join(pair.target.split()) for pair in pairs]
    right = sum(map(str.__eq__, guesses, targets))
    scores = translation_scores(guesses, targets)
    return {
        "accuracy": right / len(pairs),
        "bleu": scores["bleu"],
        "chrf": scores["chrf"],
    }


class DevSet:
    """The dev part of each task; `scores` answers it anew.

    Args:
        tasks: dict of a name to a list of `TextPair`.
        most: int, examples of each task; 0: all.
    """

    def __init__(self, tasks, most):
        self.tasks = {
            name: pairs[: most or None] for name, pairs in tasks.items()
        }

    def scores(self, task, beam=1, num_shown=2):
        """Share of right answers and BLEU of each task; some are printed."""
        found = {}
        for name, pairs in self.tasks.items():
            sources = [pair.source for pair in pairs]
            guesses = task.generate(sources, beam=beam, batch_size=64)
            for i in range(min(num_shown, len(pairs))):
                target = " ".join(pairs[i].target.split())
                say(f"  {sources[i]}\n    = {target}\n    > {guesses[i]}")
            label = "dev_" + "_".join(name.lower().split())
            scores = answer_scores(pairs, guesses)
            found[f"{label}_accuracy"] = round(scores["accuracy"], 4)
            found[f"{label}_bleu"] = scores["bleu"]
        return found


def read_data(args):
    """Tasks to train on, tasks to score, and texts to leave spans out of."""
    from keras_selfattn.data.text_to_text_tasks import read_tasks

    train, dev = list(args.train), list(args.dev)
    if args.made_up:
        path = write_made_up(args.out / "made_up.tsv", args.made_up)
        train.append(f"{path}:train")
        dev.append(f"{path}:dev")
    if not train and not args.spans:
        raise ValueError(
            "Nothing to train on: give --train NAME=TABLE:SPLIT, --spans FILE "
            "or --made-up COUNT (or --smoke)."
        )
    tasks = read_tasks(train, args.words)
    names = {entry.rpartition("=")[0] for entry in dev}
    words = [entry for entry in args.words if entry.partition(":")[0] in names]
    return tasks, read_tasks(dev, words), read_lines(args.spans)


def run(args):
    """The whole work of the arguments; see `main`."""
    import keras

    from keras_selfattn.data.text_to_text_dataset import TextToTextDataset
    from keras_selfattn.training.epoch_runs import count_steps

    prepare(args)
    if args.smoke:
        vars(args).update(SMOKE)
    check_schedule(args.schedule)
    tasks, dev_tasks, texts = read_data(args)
    dev = DevSet(dev_tasks, args.dev_examples)
    tokenizer = None if args.init else make_tokenizer(args, tasks, texts)
    task = build_task(args, tokenizer)
    dataset = TextToTextDataset(
        tasks,
        task.tokenizer,
        texts,
        args.batch_tokens,
        args.length_multiple,
        args.max_tokens,
        args.limit or None,
        args.temperature,
        args.epoch_examples,
        args.seed,
    )
    if not args.init:  # what it never saw, it cannot answer
        longest = dataset.longest
        task.max_source_tokens, task.max_target_tokens = longest
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{sum(dataset.counts.values()):,} examples, "
        f"{dataset.num_target_tokens:,} target tokens an epoch, "
        f"{total_steps:,} steps, {task.count_params():,} parameters, "
        f"{keras.backend.backend()}."
    )
    compile_text_task(args, task, total_steps)

    def figures(row):
        done = row["epoch"] + 1
        if done % args.dev_every and done != args.epochs:
            return {}
        return dev.scores(task)

    train_epochs(
        args, args.out, task, dataset, figures, say, loss_label="nats a token"
    )

    def scores():
        found = dev.scores(task, args.beam, num_shown=1)
        return {"beam": args.beam, **found}

    keep_result(args, task, scores, say)


@training_options(run)
def main(
    out: Annotated[Path, option("folder of the run")],
    train: Annotated[list[str], option("NAME=TABLE:SPLIT")] = (),
    dev: Annotated[list[str], option("NAME=TABLE:SPLIT")] = (),
    words: Annotated[list[str], option("NAME:LABEL=WORD,LABEL=WORD")] = (),
    spans: Annotated[list[str], option("file of texts, a line each")] = (),
    made_up: Annotated[int, option("examples of each task with words")] = 0,
    limit: Annotated[int, option("examples a task counts for; 0: all")] = 0,
    temperature: Annotated[float, option("of mixing")] = 1.0,
    epoch_examples: Annotated[int, option("0: as many as there are")] = 0,
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    init: Annotated[str, option("preset or hf:// to start from")] = "",
    vocabulary: Annotated[int, option("pieces and sentinels")] = 8000,
    sentinels: int = 100,
    character_coverage: Annotated[float, option("see SentencePiece")] = 1.0,
    hidden_dim: int = 128,
    layers: Annotated[int, option("blocks of the encoder")] = 4,
    decoder_layers: Annotated[int, option("0: as many")] = 0,
    heads: int = 4,
    intermediate_dim: int = 256,
    activation: Annotated[str, option("relu, geglu_new, ...")] = "geglu_new",
    dropout: float = 0.1,
    label_smoothing: float = 0.0,
    epochs: int = 10,
    batch_tokens: Annotated[int, option("of the longer side, padded")] = 4096,
    length_multiple: Annotated[int, option("lengths are padded to")] = 8,
    max_tokens: Annotated[int, option("longer pairs are left out")] = 128,
    schedule: Annotated[str, option(", ".join(SCHEDULES))] = "cosine",
    learning_rate: Annotated[float, option("highest")] = 1e-2,
    scale_parameter: Annotated[
        bool, option("rates are shares of each matrix's size, as Adafactor's")
    ] = True,
    warmup_steps: int = 500,
    weight_decay: float = 0.0001,
    clip_norm: float = 1.0,
    dev_every: Annotated[int, option("epochs between two dev scores")] = 1,
    dev_examples: Annotated[int, option("of each task; 0: all")] = 200,
    beam: Annotated[int, option("of the last dev score")] = 4,
    average: Annotated[int, option("last epochs averaged")] = 3,
    smoke: Annotated[bool, option("two steps on made-up tasks")] = False,
):
    """Trains a T5 on several tasks; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
