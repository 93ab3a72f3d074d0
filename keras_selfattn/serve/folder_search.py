"""Full-text search over a folder of texts, by SQLite's FTS5.

The texts are read once, when the service starts; a request opens no file.
"""

import contextlib
import difflib
import os
import re
import sqlite3
import threading
from pathlib import Path

from keras_selfattn.preprocessing.text_cleaning import decode_bytes

SUFFIXES = (".md", ".rst", ".txt")
MOST_FILES = 20_000
MOST_FILE_BYTES = 4 * 2**20
MOST_PASSAGE_CHARACTERS = 2000
MOST_TERMS = 40
SNIPPET_WORDS = 40
MOST_STEMS = 50_000
LEAST_LIKENESS = 0.7
_WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='passages', "
    "content_rowid='id', tokenize='porter unicode61 remove_diacritics 2')"
)
# Control characters, which are taken out of the texts.
_BEGIN, _END = "\x02", "\x03"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")


class FolderSearch:
    """Finds passages (paragraphs) of the text files in a folder.

    Words are looked for by their stems, any of them, the best passages in
    front (BM25). In the place of a word that no passage has, those that are
    spelled most like it are looked for: what was heard may be misspelled.

    Args:
        folder: str or path. Files ending in .txt, .md or .rst are read, below
            it at any depth; hidden ones, links that lead out of it and files
            of more than 4 MiB are not.

    Raises:
        ValueError: it is no folder, or has no such file; or this process has
            a SQLite without full text.
    """

    def __init__(self, folder):
        root = Path(folder).resolve()
        if not root.is_dir():
            raise ValueError(f"{folder} is no folder to search.")
        self.num_files = self.num_passages = self.num_skipped = 0
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        with self._database as database:
            database.execute(
                "CREATE TABLE passages"
                "(id INTEGER PRIMARY KEY, text, file, line)"
            )
            for path in self._files(root):
                self._add(database, root, path)
            try:
                database.execute(_WORDS)
            except sqlite3.OperationalError as error:
                raise ValueError(
                    f"A folder is searched by SQLite's full text ({error}). "
                    "TensorFlow brings a SQLite without it: import sqlite3 "
                    "before TensorFlow."
                ) from error
            database.execute("INSERT INTO words(words) VALUES('rebuild')")
            database.execute(
                "CREATE VIRTUAL TABLE stems USING fts5vocab(words, 'row')"
            )
        self._stems = [
            stem
            for (stem,) in self._database.execute(
                "SELECT term FROM stems ORDER BY doc DESC LIMIT ?",
                (MOST_STEMS,),
            )
        ]
        if not self.num_files:
            raise ValueError(
                f"{folder} holds no text to search ({' '.join(SUFFIXES)})."
            )

    def _files(self, root):
        for folder, inside, names in os.walk(root):
            inside[:] = sorted(n for n in inside if not n.startswith("."))
            for name in sorted(names):
                path = Path(folder) / name
                if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                    continue
                within = path.resolve().is_relative_to(root)
                fits = within and path.stat().st_size <= MOST_FILE_BYTES
                if not fits or self.num_files >= MOST_FILES:
                    self.num_skipped += 1
                    continue
                yield path

    def _add(self, database, root, path):
        try:
            content, _ = decode_bytes(path.read_bytes())
        except OSError:
            self.num_skipped += 1
            return
        name = path.relative_to(root).as_posix()
        rows = [(text, name, line) for line, text in passages(content)]
        database.executemany(
            "INSERT INTO passages(text, file, line) VALUES(?, ?, ?)", rows
        )
        self.num_files += 1
        self.num_passages += len(rows)

    def __call__(self, query, limit=10):
        """Find passages.

        Args:
            query: str, any; no sign has a meaning.
            limit: int, most passages.

        Returns:
            list of dict, best first: "file" (below the folder), "line", and
            "parts", a list of {"text", "match"}: the passage, or the forty
            words of it that match best.
        """
        terms = re.findall(r"\w+", query)[:MOST_TERMS]
        with self._lock:
            found = [near for term in terms for near in self._near(term)]
            rows = self._ask(found, limit)
        return [
            {"file": file, "line": line, "parts": _parts(text)}
            for text, file, line in rows
        ]

    def _near(self, term):
        """The term, or the likeliest that were meant where it is nowhere."""
        if self._ask([term], 1):
            return [term]
        term = term.lower()
        alike = [
            stem
            for stem in self._stems
            if -3 <= len(stem) - len(term) <= 2 and len(stem) > 2
        ]
        return difflib.get_close_matches(term, alike, 3, LEAST_LIKENESS)

    def _ask(self, terms, limit):
        if not terms:
            return []
        match = " OR ".join(f'"{term}"' for term in terms)
        return self._database.execute(
            "SELECT snippet(words, 0, ?, ?, '…', ?), p.file, p.line FROM words "
            "JOIN passages AS p ON p.id = words.rowid "
            "WHERE words MATCH ? ORDER BY bm25(words) LIMIT ?",
            (_BEGIN, _END, SNIPPET_WORDS, match, limit),
        ).fetchall()

    def close(self):
        """Let the index go."""
        with contextlib.suppress(sqlite3.Error):
            self._database.close()


def passages(content):
    """Yield (number of its first line, text) of each paragraph."""
    block, first = [], 1
    for number, line in enumerate([*content.splitlines(), ""], 1):
        line = _CONTROL.sub(" ", line).strip()
        long = sum(map(len, block)) + len(line) > MOST_PASSAGE_CHARACTERS
        if block and (not line or long):
            yield first, " ".join(block)
            block = []
        if line:
            if not block:
                first = number
            for start in range(0, len(line), MOST_PASSAGE_CHARACTERS):
                if start:
                    yield first, " ".join(block)
                    block = []
                block.append(line[start : start + MOST_PASSAGE_CHARACTERS])


def _parts(text):
    found, is_match = [], False
    for part in re.split(f"[{_BEGIN}{_END}]", text):
        if part:
            found.append({"text": part, "match": is_match})
        is_match = not is_match
    return found
