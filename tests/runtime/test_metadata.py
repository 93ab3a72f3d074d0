import json
import subprocess
import sys

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.runtime.metadata import NAME, MetadataError, read


def write(path, text, name=NAME):
    """A .tflite file with one empty graph and one metadata buffer."""
    model = schema.ModelT()
    model.version = 3
    model.subgraphs = [schema.SubGraphT()]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(text.encode("utf-8"), np.uint8)
    model.buffers = [schema.BufferT(), buffer]
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), 1
    model.metadata = [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.tflite"


def test_reads_what_is_there(path):
    facts = {"sampling_rate_hz": 16000, "vocabulary": ["<blank>", "▁é"]}
    write(path, json.dumps(facts, ensure_ascii=False))
    assert read(path) == facts
    assert read(str(path)) == facts


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "no JSON"),
        ("[1]", "JSON list"),
        ("", "no JSON|no metadata"),
    ],
)
def test_refuses_metadata_of_another_form(path, text, said):
    with pytest.raises(MetadataError, match=said):
        read(write(path, text))


def test_refuses_a_file_of_someone_else(path):
    write(path, "{}", name="min_runtime_version")
    with pytest.raises(MetadataError, match="not written by keras_selfattn"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"RIFF0000WAVE" * 99])
def test_refuses_other_files(path, content):
    path.write_bytes(content)
    with pytest.raises(MetadataError, match="not a .tflite file"):
        read(path)


def test_refuses_a_broken_file_whatever_is_left_of_it(path):
    content = write(path, '{"a": 1}').read_bytes()
    for length in range(8, len(content), 4):
        path.write_bytes(content[:length])
        try:
            assert read(path) == {"a": 1}  # only padding was cut off
        except MetadataError as error:
            assert str(path) in str(error)
    path.write_bytes(content[:16])
    with pytest.raises(MetadataError):
        read(path)


def test_refuses_a_missing_file_and_a_folder(path, tmp_path):
    with pytest.raises(MetadataError, match="No such file"):
        read(path)
    with pytest.raises(MetadataError, match="cannot be read"):
        read(tmp_path)


def test_needs_neither_keras_nor_tensorflow(path):
    write(path, '{"a": 1}')
    command = (
        "import sys; from keras_selfattn.runtime.metadata import read; "
        f"read({str(path)!r}); "
        "print({'keras', 'tensorflow'} & sys.modules.keys())"
    )
    said = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == "set()"
