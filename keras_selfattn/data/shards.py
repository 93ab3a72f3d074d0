"""Corpora as shards: files of many examples, and an index of them.

For corpora that do not fit into memory, or that are too many small files. A
shard is one or two files of ArrayRecord (the package `array_record`, which is
also what Grain reads; it needs neither TensorFlow nor another backend): the
rows, an object of JSON an example, and with speech the sound of each. Any
record is read by its number, and has a checksum of its own. TFRecord can only
be read from its beginning, and tar files (WebDataset) in the order they were
written, so that an exact place in a shuffled epoch is not had with them.

`index.json` stands beside the shards when all of them are whole: how many
examples each has, bytes and SHA-256 of every file, and what it was made of.
"""

import collections
import hashlib
import json
import threading
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically, written_beside

FORMAT, VERSION = "keras_selfattn shards", 1
INDEX = "index.json"
KINDS = ("speech", "texts", "pairs")
_ROWS, _SOUND = "rows.array_record", "sound.array_record"
# Rows are small: 64 of them are compressed, and read, together.
_ROW_OPTIONS = "group_size:64,zstd"
_SOUND_OPTIONS = "group_size:1,uncompressed"


class ShardError(ValueError):
    """Shards that are missing, damaged or of another version."""


def array_records():
    """The module that reads and writes ArrayRecord files.

    Raises:
        ImportError: it is not installed.
    """
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise ImportError(
            "Prepared corpora are read by the package array_record: pip "
            "install array_record (it is in the extra `train`)."
        ) from error
    return array_record_module


def file_sha256(path):
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_shard(folder, name, rows, sounds=None):
    """Writes one shard; each of its files appears whole or not at all.

    Args:
        folder: path.
        name: str, begins the names of its files.
        rows: list of dict that JSON can hold, one an example.
        sounds: list of bytes, one an example, or None.

    Returns:
        dict, the shard's entry in the index: "name", "count" and "files" (of
        a file's name to its "bytes" and "sha256").
    """
    texts = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    parts = {f"{name}.{_ROWS}": (texts, _ROW_OPTIONS)}
    if sounds is not None:
        parts[f"{name}.{_SOUND}"] = (sounds, _SOUND_OPTIONS)
    files = {}
    for file_name, (records, options) in parts.items():
        path = Path(folder) / file_name
        with written_beside(path) as part:
            writer = array_records().ArrayRecordWriter(str(part), options)
            for record in records:
                writer.write(record)
            writer.close()
        size = path.stat().st_size
        files[file_name] = {"bytes": size, "sha256": file_sha256(path)}
    return {"name": name, "count": len(rows), "files": files}


def write_index(folder, kind, settings, shards, **facts):
    """Writes the index, which makes the shards a corpus.

    Args:
        folder: path.
        kind: str, one of `KINDS`.
        settings: dict, what the corpus was made of and how.
        shards: list of what `write_shard` gave, in order.
        **facts: more to keep, such as the labels of texts.
    """
    index = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "count": sum(shard["count"] for shard in shards),
        **facts,
        "settings": settings,
        "shards": shards,
    }
    write_atomically(Path(folder) / INDEX, json.dumps(index, indent=1) + "\n")


def is_prepared(folder):
    """Whether a folder holds a corpus that was made into shards."""
    return (Path(folder) / INDEX).is_file()


def read_index(folder):
    """The index of a folder, checked against the files that are there.

    Raises:
        ShardError: no index, one of another version, a shard missing or of
            another size.
    """
    path = Path(folder) / INDEX
    try:
        index = json.loads(path.read_text("utf-8"))
        found = index["format"], index["version"]
    except FileNotFoundError:
        raise ShardError(
            f"{path} is missing: the corpus was not prepared to its end. Run "
            "the same train/prepare.py again; it goes on where it was."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(
            f"{path} is no index of shards ({error!r}); {_AGAIN}"
        ) from None
    if found != (FORMAT, VERSION):
        raise ShardError(
            f"{path} says {found[0]!r}, version {found[1]!r}; expected "
            f"{FORMAT!r}, version {VERSION}. {_AGAIN}"
        )
    for shard in index["shards"]:
        for name, facts in shard["files"].items():
            file = path.parent / name
            size = file.stat().st_size if file.is_file() else None
            if size != facts["bytes"]:
                there = "is missing" if size is None else f"has {size:,} bytes"
                raise ShardError(
                    f"{file} {there}; {path.name} names "
                    f"{facts['bytes']:,} bytes. {_AGAIN}"
                )
    return index


_AGAIN = (
    "Run the train/prepare.py that made it again: what is whole is kept, what "
    "is missing or damaged is made anew."
)


class ShardedCorpus:
    """Examples of a prepared corpus, read by shard and place when asked for.

    Nothing of a corpus stays in memory but its index. A shard's files are
    held against their SHA-256 when they are first opened; a record has a
    checksum besides. Many threads may read at once.

    Args:
        folder: path with an `index.json` (see `train/prepare.py`).
        most_open: int, files that are held open.
        verify: bool. False leaves the SHA-256 out: for corpora on slow disks
            of which a run sees a part.

    Raises:
        ShardError: as `read_index` does; here and from the readers.

    Example:
    ```python
    corpus = ShardedCorpus("prepared/train")
    first = corpus.rows(0, [0])[0]
    ```
    """

    def __init__(self, folder, most_open=64, verify=True):
        self.folder = Path(folder)
        self.index = read_index(folder)
        self.kind = self.index["kind"]
        self.counts = [shard["count"] for shard in self.index["shards"]]
        self._most_open = most_open
        self._verified = None if not verify else set()
        self._open = collections.OrderedDict()
        self._lock = threading.Lock()

    @property
    def sha256(self):
        """A digest of the whole corpus, in hexadecimal."""
        digests = [
            facts["sha256"]
            for shard in self.index["shards"]
            for facts in shard["files"].values()
        ]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def rows(self, shard, places=None):
        """Rows of a shard as dicts: those at places (list of int), or all."""
        return [json.loads(r) for r in self._read(shard, _ROWS, places)]

    def sounds(self, shard, places):
        """Bytes of sound of a shard's examples at places, a list of int."""
        return self._read(shard, _SOUND, places)

    def all_rows(self):
        """Yields the rows of all shards in order, a shard at a time."""
        for shard in range(len(self.counts)):
            yield from self.rows(shard)

    def _read(self, shard, kind, places):
        entry = self.index["shards"][shard]
        name = f"{entry['name']}.{kind}"
        try:
            reader = self._reader(name, entry)
            if places is None:
                return reader.read_all()
            return reader.read([int(place) for place in places])
        except (RuntimeError, IndexError, OSError) as error:
            raise ShardError(
                f"{self.folder / name} is damaged ({error}). {_AGAIN}"
            ) from None

    def _reader(self, name, entry):
        path = self.folder / name
        with self._lock:
            if name in self._open:
                self._open.move_to_end(name)
                return self._open[name]
            if self._verified is not None and name not in self._verified:
                if file_sha256(path) != entry["files"][name]["sha256"]:
                    raise ShardError(
                        f"{path} was changed: its SHA-256 is not the one in "
                        f"{INDEX}. {_AGAIN}"
                    )
                self._verified.add(name)
            reader = array_records().ArrayRecordReader(
                str(path), "readahead_buffer_size:0,max_parallelism:1"
            )
            if reader.num_records() != entry["count"]:
                raise ShardError(
                    f"{path} holds {reader.num_records()} examples; {INDEX} "
                    f"names {entry['count']}. {_AGAIN}"
                )
            # Who reads from one that is pushed out keeps it until it is done.
            self._open[name] = reader
            if len(self._open) > self._most_open:
                self._open.popitem(last=False)
            return reader
