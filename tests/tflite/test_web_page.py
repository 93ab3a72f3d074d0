"""The page's tests: its logic in node, the whole of it in Chromium."""

import json
import os
import shutil

import pytest

from tests.device_runners import RUNNERS, run

FOLDER = RUNNERS / "web"
SET_UP = "see tflite/web/README.md"


def node_tests(name, **environment):
    """Run a file of tests; return its output."""
    if not shutil.which("node"):
        pytest.skip(f"the page's tests need node ({SET_UP})")
    _, version, _ = run(["node", "--version"])
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"node {version.strip()} is older than 20 ({SET_UP})")
    code, out, err = run(
        ["node", "--test", "--test-reporter=tap", f"test/{name}"],
        cwd=FOLDER,
        seconds=400,
        env={**os.environ, **environment},
    )
    assert code == 0, out + err
    assert "# fail 0" in out
    assert "# skipped 0" in out
    return out


def test_the_logic_of_the_page():
    assert "# pass 11" in node_tests("logic.test.mjs")


@pytest.mark.proof
def test_the_page_in_chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if not browser:
        pytest.skip(f"the page's test needs Chromium ({SET_UP})")
    for package in ("@litertjs/core", "playwright-core"):
        if not (FOLDER / "node_modules" / package).is_dir():
            pytest.skip(f"the page's test needs {package} ({SET_UP})")
    assert "# pass 11" in node_tests("browser.test.mjs", CHROMIUM=browser)


def test_packages_are_named_by_registry_and_by_checksum():
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = {name: x for name, x in lock["packages"].items() if name}
    assert set(packages) == {
        "node_modules/@litertjs/core",
        "node_modules/@litertjs/wasm-utils",
        "node_modules/playwright-core",
    }
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package  # nobody's private registry
