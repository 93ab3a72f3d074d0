"""Trains a speech recogniser: corpora in, a preset folder out.

    python train/asr.py --train speech/fsdd:train --dev speech/fsdd:dev \
        --out runs/digits --backend torch

A corpus is FOLDER:SPLIT: a folder with a `manifest.tsv`, LibriSpeech's or
Common Voice's layout, or for --train what `prepare.py` made of such: then
nothing of it stays in memory. A run can be killed at any moment: the same
command goes on from the last checkpoint to the same losses. `--smoke` is two
steps on generated tones. With `--chunk-frames`, one set of weights learns
recordings and streams: each step draws its chunk size, or full context; with
`--distill 0.5`, say, chunks learn from full context, too, for a third more time
a step. A chunk size that is named twice is drawn twice as often. The exact
command of each published preset stands in `train/runs/`, what was learnt on
the way in `train/LOG.md`.
"""

from pathlib import Path
from typing import Annotated

import typer
from asr_model import (
    ARCHITECTURES,
    FRONT_ENDS,
    build_recognizer,
    choose_spec_augment,
    compile_recognizer,
)
from prepared_sets import (
    check_kind,
    measured_in,
    prepared_corpora,
    sampled_rows,
)
from speech_corpora import (
    make_augmenter,
    noise_options,
    read_corpora,
    write_tones,
)
from training_run import (
    keep_result,
    option,
    prepare,
    say,
    train_epochs,
    training_options,
)

SMOKE = {
    "architecture": "smoke",
    "init": "",
    "epochs": 1,
    "warmup_steps": 1,
    "max_steps": 2,
    "batch_seconds": 3.0,
    "average": 1,
    "checkpoint_every": 1,
}


def read_dataset(args, recognizer, examples, corpora=()):
    """The training corpora as batches: examples, or prepared corpora."""
    from keras_selfattn.data.sharded_speech import ShardedSpeech
    from keras_selfattn.data.speech_dataset import SpeechDataset

    options = {
        "batch_seconds": args.batch_seconds,
        "frame_seconds": recognizer.frame_seconds,
        "augmenter": make_augmenter(args, examples, corpora),
        "augment_from_epoch": args.augment_from_epoch,
        "shortest_first_epochs": args.shortest_first_epochs,
    }
    if corpora:
        more, bar = measured_in(args, args.out)
        with bar:
            return ShardedSpeech(
                corpora, recognizer.tokenizer, **options, **more
            )
    return SpeechDataset(
        examples,
        recognizer.tokenizer,
        seed=args.seed,
        workers=args.workers,
        **options,
    )


class DevSet:
    """The dev corpora in memory; `rates` recognises them anew.

    Args:
        entries: list of FOLDER:SPLIT.
    """

    def __init__(self, entries):
        from keras_selfattn.preprocessing.audio import read_audio
        from keras_selfattn.preprocessing.transcripts import (
            normalize_transcript,
        )

        found = read_corpora(entries)
        self.names = [name for _, name in found]
        self.texts = [normalize_transcript(e.text) for e, _ in found]
        self.audio = [read_audio(example.path) for example, _ in found]

    def rates(self, recognizer):
        """WER and CER of each corpus and of all; some texts are printed.

        Where the encoder streams, those of its longest chunk stand beside
        those of full context, as `stream_dev_wer` and so on.
        """
        found = self._rates(recognizer, None)
        if recognizer.chunk_frames is not None:
            chunked = self._rates(recognizer, recognizer.chunk_frames)
            found |= {f"stream_{key}": rate for key, rate in chunked.items()}
        return found

    def _rates(self, recognizer, chunk_frames, num_shown=5):
        from keras_selfattn.metrics.error_rate import ErrorRate

        if not self.names:
            return {}
        guesses = recognizer.transcribe(
            self.audio, batch_size=16, chunk_frames=chunk_frames
        )
        step = -(-len(guesses) // num_shown)
        for i in range(0, len(guesses), step):
            say(f"  {self.texts[i]} -> {guesses[i]}")
        meters = {name: ErrorRate() for name in [*self.names, "dev"]}
        for name, text, guess in zip(
            self.names, self.texts, guesses, strict=True
        ):
            meters[name].update(text, guess)
            meters["dev"].update(text, guess)
        return {
            f"{name}_{kind}": meter.result()[kind]
            for name, meter in meters.items()
            for kind in ("wer", "cer")
        }


def run(args):
    """The whole training of the arguments; see `main`."""
    import keras

    from keras_selfattn.preprocessing.transcripts import normalize_transcript
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import count_steps

    prepare(args)
    if args.smoke:
        made = current().from_first(lambda: write_tones(args.out / "tones"))
        vars(args).update(SMOKE, train=[made])
    if args.architecture not in ARCHITECTURES:
        raise ValueError(
            f"--architecture {args.architecture} is unknown; use one of "
            f"{', '.join(ARCHITECTURES)}."
        )
    if not args.train:
        raise ValueError("no --train FOLDER:SPLIT (nor --smoke) is given.")

    corpora = prepared_corpora(args.train)
    check_kind(corpora, "speech")
    examples = [] if corpora else [e for e, _ in read_corpora(args.train)]
    texts = []
    if args.sentencepiece:
        texts = [row["text"] for row in sampled_rows(corpora)]
        texts += [example.text for example in examples]
        texts = [normalize_transcript(text) for text in texts]
    recognizer = build_recognizer(args, texts)
    dataset = read_dataset(args, recognizer, examples, corpora)
    dev = DevSet(args.dev)
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    if args.distill:
        recognizer.distill(args.distill, args.distill_delay_frames)
    say(
        f"{dataset.num_examples:,} utterances, {total_steps:,} steps, "
        f"{recognizer.count_params():,} parameters, "
        f"{keras.backend.backend()}."
    )
    compile_recognizer(args, recognizer, total_steps)

    train_epochs(
        args,
        args.out,
        recognizer,
        dataset,
        lambda row: dev.rates(recognizer),
        say,
        before=lambda epoch, _: choose_spec_augment(args, recognizer, epoch),
    )
    keep_result(
        args,
        recognizer,
        lambda: dev.rates(recognizer),
        say,
        sampling_rate_hz=recognizer.sampling_rate_hz,
    )


@training_options(run, noise_options)
def main(
    out: Annotated[Path, option("folder of the run")],
    train: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    dev: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    architecture: Annotated[str, option(", ".join(ARCHITECTURES))] = (
        "conformer"
    ),
    layers: Annotated[int, option("blocks of the last stage")] = 0,
    init: Annotated[str, option("whisper-tiny.en or a weight file")] = "",
    freeze_stages: Annotated[int, option("first stages held fixed")] = 0,
    sentencepiece: Annotated[int, option("pieces; 0: characters")] = 0,
    words: Annotated[str, option("zero,one,...; instead of letters")] = "",
    front_end: Annotated[str, option(", ".join(FRONT_ENDS))] = "log-mel",
    chunk_frames: Annotated[
        list[int], option("frames of a chunk to hear in; repeatable")
    ] = (),
    left_frames: Annotated[int, option("seen before a chunk")] = 64,
    full_context_rate: Annotated[float, option("of steps with chunks")] = 0.5,
    distill: Annotated[float, option("chunks from full context; weight")] = 0.0,
    distill_delay_frames: Annotated[int, option("they may be later")] = 0,
    epochs: int = 20,
    batch_seconds: Annotated[float, option("padded audio a batch")] = 64.0,
    learning_rate: Annotated[float, option("highest")] = 5e-4,
    warmup_steps: int = 300,
    weight_decay: float = 0.01,
    clip_norm: float = 5.0,
    dropout: float = 0.1,
    shortest_first_epochs: Annotated[int, option("curriculum")] = 1,
    augment_from_epoch: Annotated[int, option("speed, noise, gain")] = 2,
    spec_augment_from_epoch: int = 4,
    average: Annotated[int, option("last epochs averaged")] = 3,
    workers: Annotated[int, option("threads that read audio")] = 1,
    smoke: Annotated[bool, option("two steps on generated tones")] = False,
):
    """Trains a speech recogniser; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
