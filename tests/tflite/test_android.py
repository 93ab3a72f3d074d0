"""The Android app: its plain Java runs here, its resources hang together."""

import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from tests.device_runners import GOLDEN, MODEL, RUNNERS, run

FOLDER = RUNNERS / "android"
CORE = FOLDER / "core" / "src"
APP = FOLDER / "app" / "src" / "main"
ANDROID = "{http://schemas.android.com/apk/res/android}"


def javac(*options):
    for tool in ("javac", "java"):
        if not shutil.which(tool):
            pytest.skip(f"the Android app's plain Java needs {tool} (a JDK)")
    code, out, err = run(["javac", *options])
    assert code == 0, out + err


def test_the_plain_java_gives_the_golden_texts(tmp_path):
    javac(
        *("-Xlint:all", "-Werror", "--release", "11", "-d", tmp_path),
        *sorted(CORE.rglob("*.java")),
    )
    code, out, err = run(
        [
            *("java", "-cp", tmp_path, "org.kerasselfattn.stream.StreamCheck"),
            *(MODEL, GOLDEN),
        ]
    )
    assert code == 0, err
    assert out.splitlines()[-1] == "all checks hold"
    assert "golden texts: [abc ca bab, abc]" in out


def test_the_plain_java_names_nothing_of_android():
    for path in CORE.rglob("*.java"):
        imports = re.findall(r"^import (\S+);", path.read_text(), re.M)
        assert all(name.startswith("java.") for name in imports), path


def test_the_java_of_the_app_is_java():
    """Its syntax: the classes of Android cannot be had here."""
    javac(
        "-XDshould-stop.ifNoError=PARSE",
        "-proc:none",
        *sorted(APP.rglob("*.java")),
    )


def names_in(folder):
    """What the resources define, as R knows it."""
    found = set()
    for path in (APP / "res").rglob("*.xml"):
        root = ElementTree.parse(path).getroot()
        kind = path.parent.name.split("-")[0]
        if kind == "values":
            found |= {f"{x.tag}.{x.get('name')}" for x in root}
        else:
            found.add(f"{kind}.{path.stem}")
        for element in root.iter():
            name = element.get(f"{ANDROID}id", "")
            if name:
                found.add(f"id.{name.removeprefix('@+id/')}")
    return found


def test_what_the_app_refers_to_is_there():
    defined = names_in(APP / "res")
    used = set()
    for path in APP.rglob("*.java"):
        used |= set(re.findall(r"\bR\.(\w+\.\w+)", path.read_text()))
    for path in [*(APP / "res").rglob("*.xml"), APP / "AndroidManifest.xml"]:
        used |= {
            f"{kind}.{name}"
            for kind, name in re.findall(
                r'"@(string|drawable|style|color)/(\w+)"', path.read_text()
            )
        }
    assert used - defined == set()
    strings = {name for name in defined if name.startswith("string.")}
    assert strings - used == set()


def test_the_app_may_hear_and_may_not_send():
    root = ElementTree.parse(APP / "AndroidManifest.xml").getroot()
    asked = [x.get(f"{ANDROID}name") for x in root.iter("uses-permission")]
    assert asked == ["android.permission.RECORD_AUDIO"]
