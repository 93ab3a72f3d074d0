"""Corpora of sound as the training scripts are given them: FOLDER:SPLIT.

And what is mixed into them.
"""

import random
from pathlib import Path
from typing import Annotated

from training_run import option


def split_entry(entry):
    """The folder and the split of FOLDER:SPLIT, two strs.

    Raises:
        ValueError: it is something else.
    """
    folder, _, split = entry.rpartition(":")
    if not folder or not split:
        raise ValueError(f"{entry!r}: expected FOLDER:SPLIT.")
    return folder, split


def read_corpora(entries):
    """Examples of all FOLDER:SPLIT entries, with their corpus's name.

    Returns:
        list of `(SpeechExample, str)`.

    Raises:
        ValueError: an entry that is not FOLDER:SPLIT, or as the readers do.
    """
    from keras_selfattn.data import corpora

    found = []
    for entry in entries:
        folder, split = split_entry(entry)
        path = Path(folder)
        if (path / split / "index.json").is_file():
            raise ValueError(
                f"{entry} is a prepared corpus, which only --train takes; "
                "name what it was made of."
            )
        if (path / "manifest.tsv").is_file():
            examples = corpora.read_manifest(path, split)
        elif (path / "clips").is_dir():
            examples = corpora.read_common_voice(path, split)
        else:
            examples = corpora.read_librispeech(path, split)
        found += [(example, path.name) for example in examples]
    return found


def draw_hours(examples, seconds, hours, seed):
    """Some of the examples, drawn until they are so many hours of sound.

    Of the same seed fewer hours are a part of more, so that runs with a half
    and a quarter of a corpus compare.

    Args:
        examples: list.
        seconds: float of each, its length.
        hours: float, at most; 0: all.
        seed: int.

    Returns:
        list, in the order of `examples`; at least one.

    Raises:
        ValueError: there are less hours than these.
    """
    if not hours:
        return examples
    there = sum(seconds) / 3600
    if hours > there:
        raise ValueError(
            f"--hours {hours:g}: the training corpora are {there:.2f} hours; "
            "name no more, or add a --train FOLDER:SPLIT."
        )
    order = list(range(len(examples)))
    random.Random(seed).shuffle(order)
    kept, total = [], 0.0
    for place in order:
        total += seconds[place]
        if kept and total > 3600 * hours:
            break
        kept.append(place)
    return [examples[place] for place in sorted(kept)]


def write_tones(folder, count=6):
    """Makes a manifest folder of four-letter words, one pitch a letter.

    Returns:
        its FOLDER:SPLIT entry.
    """
    import numpy as np
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    for i in range(count):
        letters = generator.integers(4, size=4)
        pitch_hz = np.repeat(300 + 200 * letters, 4000)
        tone = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / 16000)
        soundfile.write(folder / f"{i}.wav", tone, 16000)
        word = "".join("abcd"[letter] for letter in letters)
        rows.append(f"{i}.wav\ttrain\ttone\t1.0\t{word}")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return f"{folder}:train"


def read_noises(args):
    """The recordings of the noise folder, if one is named."""
    from keras_selfattn.preprocessing.audio import read_audio

    if not args.noise:
        return []
    found = read_corpora([f"{args.noise}:train"])
    return [read_audio(example.path) for example, _ in found]


def noise_options(
    noise: Annotated[Path | None, option("manifest folder of noises")] = None,
    noise_probability: Annotated[float, option("share with noise")] = 0.3,
    snr_low: Annotated[float, option("decibels, noise and babble")] = 5.0,
    snr_high: Annotated[float, option("decibels, noise and babble")] = 25.0,
    babble_probability: Annotated[float, option("others talking")] = 0.0,
    rooms: Annotated[int, option("rooms to simulate")] = 0,
    room_probability: Annotated[float, option("share heard in them")] = 0.3,
    band_probability: Annotated[float, option("narrow as telephones")] = 0.0,
):
    """The options of `make_augmenter`."""


def make_augmenter(args, examples, corpora=()):
    """The Augmenter of the options that training scripts share.

    Args:
        args: has the options of `noise_options` and the `seed`.
        examples: list of `SpeechExample`, of which babble is made.
        corpora: prepared corpora, taken for it where there are some.
    """
    from keras_selfattn.data.augmentation import Augmenter
    from keras_selfattn.data.rooms import simulate_rooms

    return Augmenter(
        noises=read_noises(args),
        noise_probability=args.noise_probability,
        snr_db=(args.snr_low, args.snr_high),
        rooms=simulate_rooms(args.rooms, seed=args.seed) if args.rooms else [],
        room_probability=args.room_probability,
        babble=draw_babble(args, examples, corpora),
        babble_probability=args.babble_probability,
        band_probability=args.band_probability,
    )


def draw_babble(args, examples, corpora, count=200):
    """Some of the training recordings, of which babble is made."""
    from keras_selfattn.preprocessing.audio import decode_audio, read_audio

    if not args.babble_probability:
        return []
    if corpora:
        generator = random.Random(args.seed)
        places = [
            (corpus, shard)
            for corpus in corpora
            for shard, size in enumerate(corpus.counts)
            if size
        ]
        drawn = generator.choices(places, k=count)
        return [
            decode_audio(
                corpus.sounds(
                    shard, [generator.randrange(corpus.counts[shard])]
                )[0]
            )
            for corpus, shard in drawn
        ]
    drawn = random.Random(args.seed).sample(examples, min(count, len(examples)))
    return [read_audio(example.path) for example in drawn]
