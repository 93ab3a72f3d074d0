"""A service of four small models, shared by the tests of its endpoints."""

import pytest

from tests.serve_client import running


@pytest.fixture(scope="session")
def texts_folder(tmp_path_factory):
    """A folder of texts, and what must not be found in it."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "parks.txt").write_text(
        "The girl is playing\nin the park.\n\nNothing <b>here</b>.\n"
    )
    (folder / "deep").mkdir()
    (folder / "deep" / "harbour.md").write_text("A ship leaves the harbour.")
    (folder / ".hidden.txt").write_text("secretword")
    (folder / "picture.png").write_text("secretword")
    outside = tmp_path_factory.mktemp("outside") / "outside.txt"
    outside.write_text("secretword")
    (folder / "link.txt").symlink_to(outside)
    return folder


@pytest.fixture(scope="session")
def client(texts_folder):
    """A client of a running service."""
    with running(texts_folder) as found:
        yield found
