"""Trains a speech recogniser: manifest folders in, a preset folder out.

    python train/asr.py --train data/speech/fsdd:train --dev data/speech/fsdd:dev \
        --out runs/digits --backend torch

A run can be killed at any moment: the same command goes on from the last
checkpoint to the same losses. `--smoke` is two steps on generated tones.
The exact command of each published preset is in `train/runs/`.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

STAGES = {
    # The Conformer of the paper's small shape, from random weights.
    "conformer": [{}],
    # Plain Transformer blocks of the same width.
    "transformer": [{"block": "transformer", "positions": "sinusoidal"}],
    # Whisper tiny's encoder (50 frames a second), then Conformer blocks at
    # half the rate. The first stage can start from Whisper's weights.
    "whisper-conformer": [
        {
            "strides": [1, 2],
            "hidden_dim": 384,
            "num_layers": 4,
            "num_heads": 6,
            "intermediate_dim": 1536,
            "block": "transformer",
            "positions": "sinusoidal",
        },
        {
            "strides": [2],
            "hidden_dim": 256,
            "num_layers": 1,
            "num_heads": 4,
            "intermediate_dim": 1024,
            "kernel_size": 15,
        },
    ],
    "smoke": [
        {
            "hidden_dim": 16,
            "num_layers": 1,
            "num_heads": 2,
            "intermediate_dim": 32,
            "kernel_size": 3,
        }
    ],
}


def read_sets(sets):
    """Examples of `FOLDER:SPLIT` arguments; the layout is recognised."""
    from keras_selfattn.data import corpora

    examples = []
    for entry in sets:
        folder, _, split = entry.rpartition(":")
        if not folder:
            raise ValueError(f"{entry!r} is not of the form FOLDER:SPLIT.")
        path = Path(folder)
        if (path / "manifest.tsv").is_file():
            read = corpora.read_manifest
        elif (path / "clips").is_dir():
            read = corpora.read_common_voice
        else:
            read = corpora.read_librispeech
        examples += read(path, split)
    return examples


def generated_tones(folder, count=6):
    """A manifest folder of spelled tones: one pitch a letter."""
    import numpy as np
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    for i in range(count):
        letters = generator.choice(list("abcd"), size=4)
        tone = np.concatenate(
            [
                np.sin(
                    2
                    * np.pi
                    * (300 + 200 * "abcd".index(letter))
                    * np.arange(4000)
                    / 16000
                )
                for letter in letters
            ]
        )
        soundfile.write(folder / f"{i}.wav", 0.3 * tone, 16000)
        rows.append(f"{i}.wav\ttrain\ttone\t1.0\t{''.join(letters)}")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return f"{folder}:train"


def build_recognizer(args, texts):
    """The model of the arguments, with its first weights."""
    from keras_selfattn.convert.whisper import load_whisper_encoder
    from keras_selfattn.layers import SpecAugment
    from keras_selfattn.models import ConformerEncoder
    from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
    from keras_selfattn.preprocessing.tokenizers import SentencePieceTokenizer
    from keras_selfattn.tasks import SpeechRecognizer
    from keras_selfattn.tasks.task import load_weight_file

    stages = [
        {**stage, "dropout": args.dropout} for stage in STAGES[args.architecture]
    ]
    if args.layers:
        stages[-1]["num_layers"] = args.layers
    tokenizer = CharacterTokenizer()
    if args.sentencepiece:
        tokenizer = SentencePieceTokenizer.train(texts, args.sentencepiece)
    recognizer = SpeechRecognizer(
        encoder=ConformerEncoder(stages=stages, seed=args.seed),
        tokenizer=tokenizer,
        spec_augment=SpecAugment(seed=args.seed),
    )
    if args.init == "whisper-tiny.en":
        copied = load_whisper_encoder(recognizer.encoder)
        say(f"{copied:,} parameters start from Whisper tiny.en's encoder.")
    elif args.init:
        load_weight_file(recognizer, args.init)
        say(f"Weights start from {args.init}.")
    if args.freeze_first_stage:
        for layer in recognizer.encoder.layers:
            if layer.name.startswith("stage_0"):
                layer.trainable = False
    return recognizer


def say(text):
    print(text, file=sys.stderr, flush=True)


def evaluate(recognizer, examples, audio):
    """WER and CER of every dev set and of all together."""
    from keras_selfattn.decoding.ctc import emissions
    from keras_selfattn.metrics.error_rate import ErrorRate
    from keras_selfattn.preprocessing.transcripts import normalize_transcript

    scores = recognizer.frame_log_probabilities(audio, batch_size=16)
    texts = [
        recognizer.tokenizer.decode([int(i) for i in emissions(s.argmax(-1)) if i])
        for s in scores
    ]
    rates, everything = {}, ErrorRate()
    for name in sorted({e.set_name for e in examples}):
        rate = ErrorRate()
        for example, text in zip(examples, texts, strict=True):
            if example.set_name == name:
                reference = normalize_transcript(example.text)
                rate.update(reference, text)
                everything.update(reference, text)
        rates[f"{name}_wer"] = rate.result()["wer"]
        rates[f"{name}_cer"] = rate.result()["cer"]
    rates["dev_wer"] = everything.result()["wer"]
    rates["dev_cer"] = everything.result()["cer"]
    return rates, texts


class DevExample:
    """An utterance of a dev set, with the set's name."""

    def __init__(self, example, set_name):
        self.text, self.path, self.set_name = (
            example.text,
            example.path,
            set_name,
        )


def main(
    out: Annotated[Path, typer.Option(help="folder of the run")],
    train: Annotated[list[str], typer.Option(help="FOLDER:SPLIT, again and again")] = (),  # noqa: E501
    dev: Annotated[list[str], typer.Option(help="FOLDER:SPLIT, again and again")] = (),  # noqa: E501
    noise: Annotated[Path | None, typer.Option(help="manifest folder of noises")] = None,  # noqa: E501
    backend: Annotated[str, typer.Option(help="torch, jax or tensorflow")] = "",
    architecture: Annotated[str, typer.Option(help=", ".join(STAGES))] = "conformer",  # noqa: E501
    layers: Annotated[int, typer.Option(help="blocks of the last stage")] = 0,
    init: Annotated[str, typer.Option(help="whisper-tiny.en or a weight file")] = "",  # noqa: E501
    freeze_first_stage: bool = False,
    sentencepiece: Annotated[int, typer.Option(help="pieces; 0: characters")] = 0,  # noqa: E501
    epochs: int = 20,
    batch_seconds: Annotated[float, typer.Option(help="audio in a batch")] = 64.0,  # noqa: E501
    learning_rate: Annotated[float, typer.Option(help="highest")] = 3e-4,
    warmup_steps: int = 300,
    weight_decay: float = 0.01,
    clip_norm: float = 5.0,
    dropout: float = 0.1,
    shortest_first_epochs: int = 1,
    speed_from_epoch: Annotated[int, typer.Option(help="first epoch with changed speed, noise, gain")] = 2,  # noqa: E501
    spec_augment_from_epoch: int = 4,
    average: Annotated[int, typer.Option(help="last epochs averaged at the end")] = 3,  # noqa: E501
    mixed_precision: bool = False,
    checkpoint_every: Annotated[int, typer.Option(help="steps")] = 200,
    max_steps: Annotated[int, typer.Option(help="stop each epoch here; 0: no")] = 0,  # noqa: E501
    seed: int = 0,
    workers: int = 1,
    smoke: Annotated[bool, typer.Option(help="two steps on generated tones")] = False,  # noqa: E501
):
    """Trains a speech recogniser and writes a preset folder."""
    from types import SimpleNamespace

    args = SimpleNamespace(**locals())
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    try:
        run(args)
    except ValueError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from error


def run(args):
    import keras
    import numpy as np

    from keras_selfattn.data.augmentation import Augmenter
    from keras_selfattn.data.speech_dataset import SpeechDataset
    from keras_selfattn.preprocessing.audio import read_audio
    from keras_selfattn.preprocessing.transcripts import normalize_transcript
    from keras_selfattn.tasks.task import load_weight_file
    from keras_selfattn.tasks.task import save_weight_file
    from keras_selfattn.training.averaging import average_weight_files
    from keras_selfattn.training.callbacks import StepLog
    from keras_selfattn.training.checkpoint import CheckpointEvery
    from keras_selfattn.training.checkpoint import restore_checkpoint
    from keras_selfattn.training.checkpoint import save_checkpoint
    from keras_selfattn.training.curves import plot_curves
    from keras_selfattn.training.schedules import WarmupCosine

    if args.architecture not in STAGES:
        raise ValueError(
            f"--architecture {args.architecture}: use one of {list(STAGES)}."
        )
    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.smoke:
        args.train = [generated_tones(args.out / "tones")]
        args.architecture, args.epochs, args.warmup_steps = "smoke", 1, 1
        args.max_steps, args.batch_seconds, args.average = 2, 3.0, 1
        args.checkpoint_every = 1
    if not args.train:
        raise ValueError("no --train FOLDER:SPLIT is given (or --smoke).")

    # Data
    examples = read_sets(args.train)
    texts = [normalize_transcript(e.text) for e in examples]
    recognizer = build_recognizer(args, texts)
    noises = []
    if args.noise:
        noises = [read_audio(e.path) for e in read_sets([f"{args.noise}:train"])]
    dataset = SpeechDataset(
        examples,
        recognizer.tokenizer,
        batch_seconds=args.batch_seconds,
        frame_seconds=recognizer.frame_seconds,
        augmenter=Augmenter(noises=noises, noise_probability=0.3),
        augment_from_epoch=args.speed_from_epoch,
        shortest_first_epochs=args.shortest_first_epochs,
        seed=args.seed,
        workers=args.workers,
    )
    dev_examples = [
        DevExample(e, Path(entry.rpartition(":")[0]).name)
        for entry in args.dev
        for e in read_sets([entry])
    ]
    dev_audio = [read_audio(e.path) for e in dev_examples]
    steps = []
    for epoch in range(args.epochs):
        dataset.set_epoch(epoch)
        steps.append(min(len(dataset), args.max_steps or len(dataset)))
    say(
        f"{len(dataset.examples):,} utterances, {sum(steps):,} steps, "
        f"{recognizer.count_params():,} parameters, "
        f"{keras.backend.backend()}."
    )

    # Optimiser
    recognizer.compile(
        keras.optimizers.AdamW(
            WarmupCosine(
                args.learning_rate,
                sum(steps),
                min(args.warmup_steps, sum(steps) - 1),
            ),
            weight_decay=args.weight_decay,
            beta_2=0.98,
            global_clipnorm=args.clip_norm,
        ),
        jit_compile="auto",
    )
    recognizer.optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta"]
    )

    # Epochs, each its own `fit`, so that a resumed one is exact
    checkpoint = args.out / "checkpoint.npz"
    first_epoch, first_batch, history = 0, 0, []
    if checkpoint.is_file():
        first_epoch, first_batch, state = restore_checkpoint(
            checkpoint, recognizer
        )
        history = state["epochs"]
        say(f"Going on in epoch {first_epoch} at batch {first_batch}.")
    augmented = None
    for epoch in range(first_epoch, args.epochs):
        start = time.perf_counter()
        dataset.set_epoch(epoch, first_batch=first_batch)
        recognizer.spec_augment.enabled = epoch >= args.spec_augment_from_epoch
        if augmented is not None and augmented != recognizer.spec_augment.enabled:
            recognizer.make_train_function(force=True)
        augmented = recognizer.spec_augment.enabled
        seconds = sum(
            float(len(b.indices) * b.padded_length) / recognizer.sampling_rate_hz
            for b in dataset._batches
        )
        fitted = recognizer.fit(
            dataset.for_backend(),
            steps_per_epoch=steps[epoch] - first_batch,
            epochs=1,
            shuffle=False,
            verbose=1 if sys.stderr.isatty() else 2,
            callbacks=[
                StepLog(args.out / "steps.jsonl", epoch, first_batch),
                CheckpointEvery(
                    checkpoint,
                    args.checkpoint_every,
                    epoch,
                    first_batch,
                    {"epochs": history},
                ),
            ],
        )
        spent = time.perf_counter() - start
        row = {
            "epoch": epoch,
            "loss": fitted.history["loss"][-1],
            "seconds": round(spent, 1),
            "audio_seconds_per_second": round(seconds / spent, 1),
        }
        if dev_examples:
            rates, guesses = evaluate(recognizer, dev_examples, dev_audio)
            row.update(rates)
            for i in np.linspace(0, len(guesses) - 1, 5).astype(int):
                say(f"  {dev_examples[i].text!r} -> {guesses[i]!r}")
        history.append(row)
        first_batch = 0
        save_weight_file(
            recognizer, args.out / f"epoch_{epoch:03d}.safetensors", "float32"
        )
        save_checkpoint(
            checkpoint, recognizer, epoch + 1, 0, {"epochs": history}
        )
        plot_curves(history, args.out / "curves.png", args.out.name)
        say(json.dumps(row))

    # The mean of the last epochs is the result
    last = range(max(0, args.epochs - args.average), args.epochs)
    averaged = args.out / "averaged.safetensors"
    average_weight_files(
        [args.out / f"epoch_{epoch:03d}.safetensors" for epoch in last],
        averaged,
    )
    load_weight_file(recognizer, averaged)
    if dev_examples:
        rates, _ = evaluate(recognizer, dev_examples, dev_audio)
        say(json.dumps({"averaged": len(last), **rates}))
    recognizer.save_preset(
        args.out / "preset",
        name=args.out.name,
        language="en",
        sampling_rate_hz=recognizer.sampling_rate_hz,
    )
    say(f"Preset written to {args.out / 'preset'}.")


if __name__ == "__main__":
    typer.run(main)
