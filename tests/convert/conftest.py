"""Folders of golden checkpoints, as they are and changed."""

import json
import shutil

import pytest
from safetensors.numpy import load_file, save_file


@pytest.fixture
def golden(repository):
    return repository / "tests" / "golden" / "checkpoints"


@pytest.fixture
def copied(golden, tmp_path):
    """A copy of a golden folder; `change` gets its config and tensors."""

    def copy(kind, change=None):
        folder = tmp_path / kind
        shutil.copytree(golden / kind, folder)
        config = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
        if change is not None:
            change(config, tensors)
            (folder / "config.json").write_text(json.dumps(config))
            save_file(tensors, folder / "model.safetensors")
        return folder

    return copy
