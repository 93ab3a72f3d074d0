"""Files and folders that appear whole or not at all (standard library only).

What is written goes under a name beside the goal and is renamed onto it when
it is complete, so a reader, or a kill at any moment, finds the old one or
the new one, never half of it.
"""

import contextlib
import os
import shutil
from pathlib import Path


@contextlib.contextmanager
def written_beside(path):
    """Gives a path to write to; renames it onto `path` at the end.

    Where the block raises, what it wrote is removed and `path` stays as it
    was. Folders on the way are made. A folder can take the place of an empty
    folder only.

    Args:
        path: file or folder to make or replace.

    Example:
        >>> with written_beside("curves.png") as part:
        ...     figure.savefig(part, format="png")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)


def write_atomically(path, data):
    """Writes `data` (bytes, or str as UTF-8) as the whole file `path`."""
    if isinstance(data, str):
        data = data.encode("utf-8")
    with written_beside(path) as part:
        part.write_bytes(data)
