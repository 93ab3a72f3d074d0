"""Makes shards of a corpus: in many processes, and on from where it was.

Each shard is made from its own examples alone and has a note beside it until
the index is written, so a run that was killed makes only what is missing. A
note, and later the index, holds a key of the examples and the settings: what
was made of others is made anew. No Keras is imported here.
"""

import concurrent.futures
import hashlib
import io
import json
import multiprocessing
from collections import Counter
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.audio_cache import to_int16
from keras_selfattn.data.shards import (
    INDEX,
    ShardError,
    file_sha256,
    read_index,
    write_index,
    write_shard,
)
from keras_selfattn.preprocessing.audio import AudioError, read_audio

SOUNDS = ("flac", "keep")


def make_shards(
    folder,
    kind,
    examples,
    settings,
    shard_examples,
    processes=1,
    progress=lambda done, total: None,
):
    """Makes a corpus into shards; does only what is not done.

    Args:
        folder: path to make; `index.json` is written last.
        kind: "speech", "texts" or "pairs".
        examples: list of `SpeechExample`, `TextExample` or `ParallelExample`,
            in the order they are to be kept.
        settings: dict, what the examples come from; with speech, "sound"
            ("flac": decoded, mono, 16 bits; or "keep": the file as it is) and
            "sampling_rate_hz".
        shard_examples: int, examples of a shard.
        processes: int.
        progress: called with (shards done, shards in all).

    Returns:
        dict, the index.

    Raises:
        ValueError: nothing to prepare, or settings that are not known.
    """
    if shard_examples < 1 or processes < 1:
        raise ValueError(
            f"shard_examples={shard_examples}, processes={processes}; "
            "expected at least 1."
        )
    if not examples:
        raise ValueError("there is no example to prepare.")
    if kind == "speech" and settings["sound"] not in SOUNDS:
        raise ValueError(
            f"sound={settings['sound']!r}; expected {' or '.join(SOUNDS)}."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tasks = []
    for number, start in enumerate(range(0, len(examples), shard_examples)):
        part = examples[start : start + shard_examples]
        tasks.append((folder, f"{number:06d}", kind, part, settings))
    made = _made_before(folder)
    shards = {task[1]: made.get(task[1]) for task in tasks}
    waiting = []
    for task in tasks:
        if not _is_whole(folder, shards[task[1]], _key(*task[2:])):
            waiting.append(task)
    # Without an index nobody takes what is being changed for a corpus.
    if waiting:
        (folder / INDEX).unlink(missing_ok=True)
        for name, entry in made.items():
            if entry["key"] and shards.get(name) is entry:
                _keep_note(folder, entry)
    done = len(tasks) - len(waiting)
    progress(done, len(tasks))
    for entry in _run(waiting, processes):
        shards[entry["name"]] = entry
        done += 1
        progress(done, len(tasks))
    entries = list(shards.values())
    facts = {"seconds": sum(e.get("seconds", 0.0) for e in entries)}
    if kind == "texts":
        labels = Counter()
        for entry in entries:
            labels.update(entry["labels"])
        facts = {"labels": dict(sorted(labels.items()))}
    elif kind == "pairs":
        facts = {}
    left_out = [line for entry in entries for line in entry["left_out"]]
    if left_out:
        facts["left_out"] = left_out
    if not any(entry["count"] for entry in entries):
        raise ValueError(f"no example could be read; the first: {left_out[0]}")
    write_index(folder, kind, settings, entries, **facts)
    kept = {name for entry in entries for name in entry["files"]} | {INDEX}
    for path in folder.iterdir():  # notes, parts, shards of another corpus
        ours = path.name.endswith((".array_record", ".note.json", ".part"))
        if ours and path.name not in kept:
            path.unlink()
    return read_index(folder)


def _run(tasks, processes):
    """Yields what `_make` gives for each task, as it becomes ready."""
    if processes == 1 or len(tasks) < 2:
        yield from (_make(*task) for task in tasks)
        return
    # A fork of a process that has threads may hang.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        min(processes, len(tasks)), context
    ) as pool:
        jobs = [pool.submit(_make, *task) for task in tasks]
        try:
            for job in concurrent.futures.as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _make(folder, name, kind, examples, settings):
    """Makes one shard and its note; returns its entry in the index."""
    rows, sounds, left_out, labels = [], [], [], Counter()
    seconds = 0.0
    for example in examples:
        if kind == "texts":
            rows.append({"text": example.text, "label": example.label})
            labels[example.label] += 1
        elif kind == "pairs":
            rows.append({"source": example.source, "target": example.target})
        else:
            try:
                sound, length_s = _sound(example.path, settings)
            except AudioError as error:
                left_out.append(str(error))
                continue
            sounds.append(sound)
            rows.append(
                {
                    "text": example.text,
                    "speaker": example.speaker,
                    "seconds": length_s,
                }
            )
            seconds += length_s
    entry = write_shard(
        folder, name, rows, sounds if kind == "speech" else None
    )
    entry |= {"key": _key(kind, examples, settings), "left_out": left_out}
    if kind == "texts":
        entry["labels"] = dict(labels)
    elif kind == "speech":
        entry["seconds"] = seconds
    _keep_note(folder, entry)
    return entry


def _sound(path, settings):
    """Bytes of an utterance and its exact length in seconds."""
    import soundfile

    rate_hz = settings["sampling_rate_hz"]
    samples = read_audio(path, rate_hz)
    if settings["sound"] == "keep":
        return Path(path).read_bytes(), len(samples) / rate_hz
    data = io.BytesIO()
    soundfile.write(data, to_int16(samples), rate_hz, "PCM_16", format="FLAC")
    return data.getvalue(), len(samples) / rate_hz


def _key(kind, examples, settings):
    described = [[str(value) for value in _values(e)] for e in examples]
    text = json.dumps([kind, described, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _values(example):
    return [getattr(example, name) for name in example.__slots__]


def _keep_note(folder, entry):
    text = json.dumps(entry) + "\n"
    write_atomically(folder / f"{entry['name']}.note.json", text)


def _made_before(folder):
    """Entries by name, of a finished corpus or of a run that was killed."""
    path = folder / INDEX
    if path.is_file():
        try:
            shards = json.loads(path.read_text("utf-8"))["shards"]
            return {entry["name"]: entry for entry in shards}
        except (ValueError, KeyError, TypeError):
            raise ShardError(
                f"{path} is no index of shards; give another --out, or remove "
                "this folder."
            ) from None
    notes = sorted(folder.glob("*.note.json"))
    entries = [json.loads(note.read_text("utf-8")) for note in notes]
    return {entry["name"]: entry for entry in entries}


def _is_whole(folder, entry, key):
    return (
        entry is not None
        and entry["key"] == key
        and all(
            (folder / name).is_file()
            and (folder / name).stat().st_size == facts["bytes"]
            and file_sha256(folder / name) == facts["sha256"]
            for name, facts in entry["files"].items()
        )
    )
