"""Makes a corpus into shards once, for trainings of any size.

    python train/prepare.py --speech speech/fsdd:train --out prepared/train
    python train/asr.py --train prepared:train --out runs/digits

Corpora are named as the training scripts name them: `--speech FOLDER:SPLIT`
(a manifest, LibriSpeech's or Common Voice's layout), `--texts PATH` or
PATH:SPLIT (labelled texts), `--pairs TABLE:SPLIT` or SOURCE,TARGET (parallel
texts, which are cleaned as `translation.py` does it). All options of one kind
may be repeated; what they name is one corpus. Training takes FOLDER:SPLIT of
what `--out FOLDER/SPLIT` made, and keeps nothing of it in memory.

A run can be killed at any moment: the same command makes what is missing, and
makes anew what is damaged. Sound is kept as FLAC of 16 bits at 16 kHz, so that
it is decoded and resampled once; `--sound keep` takes files as they are, which
is smaller where they are Opus or MP3, and slower to read.
"""

import os
from pathlib import Path
from typing import Annotated

import typer
from speech_corpora import read_corpora
from text_classification_sets import read_sets
from training_run import option, say, start


def read_examples(args):
    """The examples of the arguments, and of which kind they are."""
    from keras_selfattn.data.parallel_corpora import (
        clean_pairs,
        read_parallel,
        weighted_length,
    )

    given = [kind for kind in ("speech", "texts", "pairs") if vars(args)[kind]]
    if len(given) != 1:
        raise ValueError(
            f"{' and '.join(given) or 'nothing'} to prepare; expected one of "
            "--speech, --texts and --pairs (which may be repeated)."
        )
    if args.speech:
        return "speech", [e for e, _ in read_corpora(args.speech)]
    if args.texts:
        return "texts", read_sets(args, args.texts)
    pairs = clean_pairs(
        read_parallel(args.pairs),
        max_ratio=args.max_ratio,
        num_characters=weighted_length,
    )
    return "pairs", pairs


def run(args):
    """The whole work of the arguments; see `main`."""
    from keras_selfattn.data.shard_making import make_shards
    from keras_selfattn.progress import CountProgress

    kind, examples = read_examples(args)
    settings = {"corpora": list(vars(args)[kind])}
    if kind == "speech":
        settings |= {"sound": args.sound, "sampling_rate_hz": args.rate}
    size = args.shard_examples or (1024 if kind == "speech" else 32768)
    with CountProgress("shards", -(-len(examples) // size)) as progress:
        index = make_shards(
            args.out,
            kind,
            examples,
            settings,
            size,
            args.processes,
            progress.update,
        )
    for line in index.get("left_out", [])[:10]:
        say(f"left out: {line}")
    num_bytes = sum(
        facts["bytes"]
        for shard in index["shards"]
        for facts in shard["files"].values()
    )
    length = f" ({index['seconds'] / 3600:.2f} h)" if kind == "speech" else ""
    say(
        f"{index['count']:,} examples{length}, {num_bytes / 1e6:,.1f} MB in "
        f"{len(index['shards']):,} shards, "
        f"{len(index.get('left_out', [])):,} left out: {args.out}"
    )


def main(
    out: Annotated[Path, option("folder of the shards: FOLDER/SPLIT")],
    speech: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    texts: Annotated[list[str], option("PATH or PATH:SPLIT")] = (),
    pairs: Annotated[list[str], option("TABLE:SPLIT or SRC,TGT")] = (),
    sound: Annotated[str, option("flac, or keep: files as they are")] = "flac",
    rate: Annotated[int, option("Hz, of --sound flac")] = 16000,
    text_column: Annotated[str, option("default: text, sentence, ...")] = "",
    label_column: Annotated[str, option("default: label, class, ...")] = "",
    pair_column: Annotated[str, option("of a second text")] = "",
    max_ratio: Annotated[float, option("of a pair's lengths")] = 4.0,
    shard_examples: Annotated[
        int, option("of a shard; 0: 1,024 utterances, 32,768 texts")
    ] = 0,
    processes: Annotated[int, option("at work")] = os.cpu_count() or 1,
):
    """Makes a corpus into shards; goes on where a killed run stopped."""
    start(run, {**locals(), "backend": ""})


if __name__ == "__main__":
    typer.run(main)
