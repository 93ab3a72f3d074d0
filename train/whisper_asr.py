"""Fine-tunes Whisper by adapters: corpora in, adapters and a preset out.

    python train/whisper_asr.py --out runs/learners --backend torch \
        --train speech/speechocean762:train --dev speech/speechocean762:dev \
        --lora-rank 16 --window-seconds 10

A corpus is FOLDER:SPLIT: a folder with a `manifest.tsv`, LibriSpeech's or
Common Voice's layout. Of what is `--mixed-in`, a share is drawn once. Whisper's
own weights stay as they are. Texts are small letters without punctuation
(`normalize_transcript`), and the result writes no others; it hears
`--window-seconds` at once, where Whisper's 30 would mostly be silence. In
training the window is as long as a batch's longest utterance, but for
`--full-window-rate` of the batches, which have all of it.

In --out stand `adapters.safetensors`, what `publish_adapters.py` takes, and the
merged `preset`. A run can be killed at any moment: the same command goes on
from the last checkpoint to the same losses. The figures that are printed while
it trains are nats a token, the text before it given; `evaluate_asr.py` counts
wrong words. `--smoke` is two steps of a tiny Whisper on generated tones.
"""

import random
from pathlib import Path
from typing import Annotated

import typer
from adapter_training import adapt, adapter_options, keep_adapters
from speech_corpora import (
    draw_hours,
    make_augmenter,
    noise_options,
    read_corpora,
    write_tones,
)
from training_run import (
    load_mean,
    make_optimizer,
    option,
    prepare,
    say,
    train_epochs,
    training_options,
    warmup_cosine,
)

SMOKE = {
    "epochs": 1,
    "warmup_steps": 1,
    "max_steps": 2,
    "batch_seconds": 3.0,
    "average": 1,
    "checkpoint_every": 1,
    "window_seconds": 2.0,
    "lora_rank": 2,
}


def tiny_whisper():
    """A recogniser with few weights and a vocabulary of letters."""
    from keras_selfattn.models import Whisper
    from keras_selfattn.preprocessing import whisper_text
    from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
    from keras_selfattn.tasks import WhisperRecognizer

    marks = [whisper_text.END, *whisper_text.prompt_of()]
    tokenizer = SubwordTokenizer(
        [*"abcd", "\u0120", *marks],
        {"kind": "byte_pair", "merges": []},
        padding=marks[0],
        unknown=None,
        start=None,
        end=None,
        mask=None,
        max_tokens=20,
    )
    whisper = Whisper(
        tokenizer.vocabulary_size, 16, 1, 2, 32, 8, 100, 20, name="whisper"
    )
    return WhisperRecognizer(tokenizer, whisper, max_new_tokens=10)


def build_task(args):
    """What is fine-tuned, with SpecAugment and a smoothed loss."""
    from keras_selfattn import zoo
    from keras_selfattn.layers import SpecAugment
    from keras_selfattn.tasks import WhisperRecognizer
    from keras_selfattn.weight_copies import copy_weights

    found = tiny_whisper() if args.smoke else zoo.load(args.init)
    if not isinstance(found, WhisperRecognizer):
        raise ValueError(
            f"--init {args.init} is a {type(found).__name__}; expected a "
            "WhisperRecognizer."
        )
    augment = None
    if args.frequency_masks or args.time_masks:
        augment = SpecAugment(
            args.frequency_masks,
            args.frequency_mask_width,
            args.time_masks,
            args.time_mask_fraction,
            seed=args.seed,
        )
    task = WhisperRecognizer(
        **found.task_config()
        | {"label_smoothing": args.label_smoothing, "spec_augment": augment}
        | {"language": args.language if found.multilingual else None}
    )
    copy_weights(task, found)
    return task


def read_datasets(args, task):
    """The training batches, and those of each dev corpus by its name."""
    from keras_selfattn.data.dictation_dataset import DictationDataset

    examples = [example for example, _ in read_corpora(args.train)]
    for entry in args.mixed_in:
        found = [example for example, _ in read_corpora([entry])]
        count = round(args.mixed_in_share * len(found))
        examples += random.Random(args.seed).sample(found, count)
    examples = draw_hours(
        examples, [e.duration_s for e in examples], args.hours, args.seed
    )
    options = {"batch_seconds": args.batch_seconds, "seed": args.seed}
    train = DictationDataset(
        examples,
        task,
        args.window_seconds,
        args.full_window_rate,
        augmenter=make_augmenter(args, examples),
        workers=args.workers,
        **options,
    )
    by_name = {}
    for example, name in read_corpora(args.dev):
        by_name.setdefault(name, []).append(example)
    dev = {
        name: DictationDataset(
            found, task, args.window_seconds, 0.0, shuffle=False, **options
        )
        for name, found in by_name.items()
    }
    return train, dev


def losses(task, datasets):
    """Nats a token of each dev corpus, all text before it given."""
    return {
        f"{name}_loss": float(
            task.evaluate(dataset.for_backend(), verbose=0, return_dict=True)[
                "loss"
            ]
        )
        for name, dataset in datasets.items()
    }


def run(args):
    """The whole training of the arguments; see `main`."""
    import keras

    from keras_selfattn.preprocessing.whisper_text import LETTERS
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import count_steps

    prepare(args)
    if args.smoke:
        made = current().from_first(lambda: write_tones(args.out / "tones"))
        vars(args).update(SMOKE, train=[made], dev=[made])
    if not args.train:
        raise ValueError("no --train FOLDER:SPLIT (nor --smoke) is given.")
    if args.lora_rank < 1:
        raise ValueError("--lora-rank 0: what is trained are adapters.")
    task = build_task(args)
    dataset, dev = read_datasets(args, task)
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{dataset.num_examples:,} utterances, {total_steps:,} steps, "
        f"{task.count_params():,} parameters, {keras.backend.backend()}."
    )
    adapt(args, task, task.whisper)
    task.compile(make_optimizer(args, warmup_cosine(args, total_steps)))
    train_epochs(
        args,
        args.out,
        task,
        dataset,
        lambda row: losses(task, dev),
        say,
        loss_label="nats a token",
    )

    last = range(max(0, args.epochs - args.average), args.epochs)
    load_mean(task, args.out, last)
    if len(last) > 1:
        say(f"The mean of epochs {list(last)}: {losses(task, dev)}")
    result = keep_adapters(args, args.out, task)
    result = result.with_window(args.window_seconds)
    result.write_only(LETTERS)
    result.save_preset(
        args.out / "preset",
        name=args.name or args.out.name,
        sampling_rate_hz=task.sampling_rate_hz,
    )
    say(f"The preset is in {args.out / 'preset'}.")


@training_options(run, noise_options, adapter_options, lora_rank=16)
def main(
    out: Annotated[Path, option("folder of the run")],
    train: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    mixed_in: Annotated[
        list[str], option("FOLDER:SPLIT, so that it is not forgotten")
    ] = (),
    mixed_in_share: Annotated[float, option("of its utterances")] = 0.3,
    dev: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    hours: Annotated[float, option("drawn of the speech; 0: all")] = 0.0,
    init: Annotated[str, option("preset, folder or hf:// of a Whisper")] = (
        "asr_whisper_tiny_en"
    ),
    language: Annotated[str, option("of the speech, for one of many")] = "en",
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    window_seconds: Annotated[float, option("heard at once")] = 10.0,
    full_window_rate: Annotated[float, option("of batches")] = 0.25,
    frequency_masks: Annotated[int, option("of SpecAugment")] = 2,
    frequency_mask_width: Annotated[int, option("of 80 bins")] = 15,
    time_masks: Annotated[int, option("of SpecAugment")] = 2,
    time_mask_fraction: Annotated[float, option("of the window")] = 0.05,
    epochs: int = 2,
    batch_seconds: Annotated[float, option("padded audio a batch")] = 32.0,
    learning_rate: Annotated[float, option("highest")] = 1e-3,
    warmup_steps: int = 50,
    weight_decay: float = 0.01,
    clip_norm: float = 1.0,
    label_smoothing: float = 0.0,
    average: Annotated[int, option("last epochs averaged")] = 1,
    workers: Annotated[int, option("threads that read audio")] = 1,
    smoke: Annotated[bool, option("two steps on generated tones")] = False,
):
    """Fine-tunes Whisper by adapters; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
