"""Trains a hybrid CTC/attention recogniser on features; a preset folder out.

    python train/hybrid_asr.py --train speech/an4-mfcc:train \
        --dev speech/an4-mfcc:dev --out runs/an4 --backend torch

A corpus is FOLDER:SPLIT, a folder with `manifest.tsv` and one `.npy` file of
frames. A run can be killed at any moment: the same command goes on from the
last checkpoint. `--smoke` is two steps on generated features. The error rates
that are printed while it trains are those of CTC without a search;
`evaluate_hybrid_asr.py` measures all ways of decoding. With `--init` a preset
of this script is trained on, with its tokenizer; the sizes have to be its own.
"""

from pathlib import Path
from typing import Annotated

import typer
from asr_model import choose_spec_augment, compile_recognizer
from speech_corpora import draw_hours, split_entry
from training_run import (
    keep_result,
    option,
    prepare,
    say,
    train_epochs,
    training_options,
)

SMOKE = {
    "epochs": 1,
    "warmup_steps": 1,
    "max_steps": 2,
    "batch_frames": 300,
    "average": 1,
    "checkpoint_every": 1,
    "hidden_dim": 16,
    "layers": 1,
    "decoder_layers": 1,
    "heads": 2,
    "kernel_size": 3,
    "dev_every": 1,
}


def read_features(entries):
    """Examples of all FOLDER:SPLIT entries.

    Raises:
        ValueError: an entry that is not FOLDER:SPLIT, or as the reader does.
    """
    from keras_selfattn.data.feature_corpora import read_feature_manifest

    found = []
    for entry in entries:
        found += read_feature_manifest(*split_entry(entry))
    return found


def write_smoke_corpus(folder, count=6):
    """Makes a folder of random features, a pattern a letter.

    Returns:
        its FOLDER:SPLIT entry.
    """
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    patterns = generator.normal(size=(4, 13))
    rows = ["utt\tsplit\tspeaker\tframe_offset\tn_frames\ttext"]
    frames = []
    for i in range(count):
        letters = generator.integers(4, size=4)
        frames.append(np.repeat(patterns[letters], 12, axis=0))
        word = "".join("abcd"[letter] for letter in letters)
        rows.append(f"u{i}\ttrain\tnobody\t{48 * i}\t48\t{word}")
    np.save(folder / "frames.npy", np.concatenate(frames).astype("float16"))
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return f"{folder}:train"


def build_hybrid(args, examples):
    """The model of the arguments, with its first weights."""
    from keras_selfattn import zoo
    from keras_selfattn.layers import PrecomputedFeatures, SpecAugment
    from keras_selfattn.models import AttentionDecoder, ConformerEncoder
    from keras_selfattn.preprocessing import tokenizers
    from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
        SentencePieceTokenizer,
    )
    from keras_selfattn.preprocessing.transcripts import normalize_transcript
    from keras_selfattn.tasks import HybridRecognizer

    tokenizer = tokenizers.CharacterTokenizer()
    if args.init:
        tokenizer = zoo.load(args.init).tokenizer
    elif args.sentencepiece:
        texts = [normalize_transcript(example.text) for example in examples]
        tokenizer = SentencePieceTokenizer.train(texts, args.sentencepiece)
    frontend = PrecomputedFeatures(
        examples[0].features.shape[1], args.frame_rate_hz
    )
    encoder = ConformerEncoder(
        frontend.feature_dim,
        [
            {
                "strides": list(args.strides),
                "hidden_dim": args.hidden_dim,
                "num_layers": args.layers,
                "num_heads": args.heads,
                "intermediate_dim": args.expansion * args.hidden_dim,
                "kernel_size": args.kernel_size,
                "dropout": args.dropout,
            }
        ],
        seed=args.seed,
        name="encoder",
    )
    decoder = AttentionDecoder(
        tokenizer.vocabulary_size,
        hidden_dim=args.hidden_dim,
        num_layers=args.decoder_layers,
        num_heads=args.heads,
        intermediate_dim=args.expansion * args.hidden_dim,
        dropout=args.dropout,
        seed=args.seed + 5000,
        name="decoder",
    )
    return HybridRecognizer(
        frontend,
        encoder,
        decoder,
        tokenizer,
        {
            "class_name": SpecAugment.__name__,
            "config": {
                "num_frequency_masks": args.feature_masks,
                "max_frequency_width": args.feature_mask_width,
                "num_time_masks": args.time_masks,
                "max_time_fraction": args.time_mask_fraction,
                "seed": args.seed,
            },
        },
        args.ctc_weight,
        args.label_smoothing,
    )


class DevSet:
    """The dev corpora; `rates` recognises them anew, by CTC alone."""

    def __init__(self, entries):
        from keras_selfattn.preprocessing.transcripts import (
            normalize_transcript,
        )

        examples = read_features(entries)
        self.texts = [normalize_transcript(e.text) for e in examples]
        self.features = [e.features.astype("float32") for e in examples]

    def rates(self, hybrid, num_shown=3):
        """WER and CER of CTC's best frames; some texts are printed."""
        from keras_selfattn.decoding.ctc import emissions
        from keras_selfattn.metrics.error_rate import ErrorRate
        from keras_selfattn.tasks.hybrid_search import HybridSearch

        if not self.texts:
            return {}
        meter = ErrorRate()
        guesses = [None] * len(self.texts)
        for rows, frames, lengths, *_ in HybridSearch(hybrid).hear(
            self.features
        ):
            for row, scores, length in zip(rows, frames, lengths, strict=True):
                ids = emissions(scores[:length].argmax(axis=-1))
                guesses[row] = hybrid.tokenizer.decode([i for i in ids if i])
        for i, (text, guess) in enumerate(
            zip(self.texts, guesses, strict=True)
        ):
            meter.update(text, guess)
            if i % -(-len(guesses) // num_shown) == 0:
                say(f"  {text} -> {guess}")
        rates = meter.result()
        return {f"dev_{kind}": rates[kind] for kind in ("wer", "cer")}


def begin_epoch(args, hybrid, epoch):
    """Turns the flat start off and SpecAugment on where it is time."""
    choose_spec_augment(args, hybrid, epoch)
    flat = epoch < args.flat_start_epochs
    if hybrid.flat_start != flat:
        hybrid.flat_start = flat
        hybrid.make_train_function(force=True)


def run(args):
    """The whole training of the arguments; see `main`."""
    import keras

    from keras_selfattn import zoo
    from keras_selfattn.data.feature_augmentation import FeatureAugmenter
    from keras_selfattn.data.feature_dataset import FeatureDataset
    from keras_selfattn.tasks.task import load_weight_file
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import count_steps

    prepare(args)
    if args.smoke:
        made = current().from_first(
            lambda: write_smoke_corpus(args.out / "patterns")
        )
        vars(args).update(SMOKE, train=[made])
    if not args.train:
        raise ValueError("no --train FOLDER:SPLIT (nor --smoke) is given.")
    examples = read_features(args.train)
    examples = draw_hours(
        examples,
        [len(e.features) / args.frame_rate_hz for e in examples],
        args.hours,
        args.seed,
    )
    hybrid = build_hybrid(args, examples)
    dataset = FeatureDataset(
        examples,
        hybrid.tokenizer,
        args.batch_frames,
        frames_per_output=hybrid.encoder.stride,
        augmenter=FeatureAugmenter(warp=args.warp),
        augment_from_epoch=args.augment_from_epoch,
        shortest_first_epochs=args.shortest_first_epochs,
        teacher_forcing=True,
        seed=args.seed,
    )
    dev = DevSet(args.dev)
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{len(dataset.examples):,} utterances, {total_steps:,} steps, "
        f"{hybrid.count_params():,} parameters, {keras.backend.backend()}."
    )
    if args.init:
        load_weight_file(hybrid, zoo.resolve(args.init) / "model.safetensors")
        say(f"All parameters start from {args.init}.")
    compile_recognizer(args, hybrid, total_steps)

    def figures(row):
        seconds = dataset.padded_frames / args.frame_rate_hz
        speed = seconds / max(row["seconds"], 0.1)
        found = {"audio_seconds_per_second": round(speed, 1)}
        if (row["epoch"] + 1) % args.dev_every == 0:
            found |= dev.rates(hybrid)
        return found

    train_epochs(
        args,
        args.out,
        hybrid,
        dataset,
        figures,
        say,
        before=lambda epoch, _: begin_epoch(args, hybrid, epoch),
    )
    keep_result(
        args,
        hybrid,
        lambda: dev.rates(hybrid),
        say,
        sampling_rate_hz=hybrid.sampling_rate_hz,
    )


@training_options(run, checkpoint_every=1000)
def main(
    out: Annotated[Path, option("folder of the run")],
    train: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    dev: Annotated[list[str], option("FOLDER:SPLIT; repeatable")] = (),
    hours: Annotated[float, option("drawn of the speech; 0: all")] = 0.0,
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    init: Annotated[str, option("preset folder of such a model")] = "",
    frame_rate_hz: Annotated[int, option("of the features")] = 100,
    hidden_dim: int = 144,
    layers: Annotated[int, option("Conformer blocks")] = 5,
    decoder_layers: int = 2,
    heads: int = 4,
    expansion: Annotated[int, option("of the feed-forward networks")] = 2,
    strides: Annotated[list[int], option("in time; repeatable")] = (2, 2),
    kernel_size: int = 15,
    sentencepiece: Annotated[int, option("pieces; 0: characters")] = 0,
    ctc_weight: Annotated[float, option("of the loss")] = 0.4,
    label_smoothing: float = 0.1,
    epochs: int = 50,
    batch_frames: Annotated[int, option("padded frames a batch")] = 6000,
    learning_rate: Annotated[float, option("highest")] = 1.5e-3,
    warmup_steps: int = 300,
    weight_decay: float = 0.01,
    clip_norm: float = 5.0,
    dropout: float = 0.1,
    flat_start_epochs: Annotated[int, option("labels spread evenly")] = 3,
    shortest_first_epochs: Annotated[int, option("curriculum")] = 2,
    augment_from_epoch: Annotated[int, option("speed and warp")] = 2,
    warp: Annotated[float, option("of cepstra, at most; 0: none")] = 0.0,
    spec_augment_from_epoch: int = 8,
    feature_masks: int = 1,
    feature_mask_width: int = 6,
    time_masks: int = 2,
    time_mask_fraction: float = 0.06,
    average: Annotated[int, option("last epochs averaged")] = 5,
    dev_every: Annotated[int, option("epochs")] = 5,
    smoke: Annotated[bool, option("two steps on generated features")] = False,
):
    """Trains a hybrid recogniser; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
