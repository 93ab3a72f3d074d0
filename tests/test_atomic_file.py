import os
import signal
import subprocess
import sys
import textwrap

import pytest

from keras_selfattn.atomic_file import write_atomically, written_beside


def test_bytes_and_text_are_written_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "file.bin"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    write_atomically(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert os.listdir(path.parent) == ["file.bin"]


def test_an_error_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")
    with pytest.raises(RuntimeError, match="half way"):
        with written_beside(path) as part:
            part.write_text("ne")
            raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_folder_appears_whole_and_an_unfinished_one_is_removed(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(RuntimeError):
        with written_beside(path) as part:
            (part / "deep").mkdir(parents=True)
            raise RuntimeError
    assert os.listdir(tmp_path) == []
    with written_beside(path) as part:
        part.mkdir()
        (part / "a").write_text("a")
        assert not path.exists()
    assert (path / "a").read_text() == "a"
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "kept").write_text("kept")
    with pytest.raises(OSError):
        with written_beside(path) as part:
            part.mkdir()
    assert os.listdir(tmp_path) == ["model"]
    assert os.listdir(path) == ["kept"]


def test_a_kill_in_the_middle_of_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.bin"
    write_atomically(path, b"old")
    program = """
        import os, signal, sys
        from keras_selfattn.atomic_file import written_beside
        with written_beside(sys.argv[1]) as part:
            part.write_bytes(b"ne")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(path)]
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
