import sys

import pytest

from keras_selfattn import measuring

SCRIPT = """
import sys
import numpy as np
from keras_selfattn import measuring

def double(number):
    print("a library's chatter")
    return {"number": 2 * number}

def fill(megabytes):
    before = measuring.resident_bytes()
    measuring.reset_peak()
    np.ones(megabytes * 2**20, "uint8")
    return {"bytes": measuring.peak_bytes() - before}

def keep(megabytes):
    # Small blocks below one that stays: glibc keeps them when they are freed.
    blocks = [bytes(10000) for _ in range(megabytes * 100)]
    last = bytes(10000)
    del blocks
    kept = measuring.resident_bytes()
    measuring.release()
    return {"bytes": kept - measuring.resident_bytes(), "last": len(last)}

def fail():
    raise ValueError("no such length\\nand more")

def end():
    print("it is over", file=sys.stderr)
    sys.exit(3)

measuring.serve(
    {"double": double, "fill": fill, "keep": keep, "fail": fail, "end": end}
)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf8")
    return path


def test_a_child_answers_one_request_after_another(script):
    with measuring.Child(script) as child:
        assert child.ask(do="double", number=3) == {"number": 6}
        child.send(do="double", number=4)
        child.send(do="double", number=5)
        assert [child.receive()["number"] for _ in range(2)] == [8, 10]


def test_an_error_is_told_and_the_child_goes_on(script):
    with measuring.Child(script) as child:
        with pytest.raises(
            measuring.ChildError, match="^ValueError: no such length$"
        ):
            child.ask(do="fail")
        assert child.ask(do="double", number=1) == {"number": 2}


def test_a_child_that_ends_says_what_it_said_last(script):
    with measuring.Child(script) as child:
        with pytest.raises(measuring.ChildError, match="status 3: it is over"):
            child.ask(do="end")


def test_environment_and_threads_reach_the_child(tmp_path, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "")
    path = tmp_path / "script.py"
    path.write_text(
        "import os\n"
        "from keras_selfattn import measuring\n"
        "measuring.serve({'look': lambda name: "
        "{'value': os.environ.get(name)}})\n"
    )
    with measuring.Child(path, {"KERAS_BACKEND": "jax"}, threads=3) as child:
        value = {
            name: child.ask(do="look", name=name)["value"]
            for name in ("KERAS_BACKEND", "OMP_NUM_THREADS", "LD_PRELOAD")
        }
    assert value == {
        "KERAS_BACKEND": "jax",
        "OMP_NUM_THREADS": "3",
        "LD_PRELOAD": None,
    }


def test_the_peak_can_start_anew(script):
    if not measuring.reset_peak():
        pytest.skip("this system keeps the peak")
    with measuring.Child(script) as child:
        much = child.ask(do="fill", megabytes=200)["bytes"]
        little = child.ask(do="fill", megabytes=50)["bytes"]
    assert 199 * 2**20 < much < 220 * 2**20
    assert 49 * 2**20 < little < 70 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_what_was_freed_is_given_back(script):
    with measuring.Child(script) as child:
        assert child.ask(do="keep", megabytes=100)["bytes"] > 80 * 2**20


def test_spread_is_median_and_quartiles():
    found = measuring.spread([5.0, 1.0, 2.0, 3.0, 4.0])
    assert found == {
        "median_s": 3.0,
        "low_s": 2.0,
        "high_s": 4.0,
        "repetitions": 5,
    }
    assert measuring.spread([2.0, 1.0])["high_s"] == 2.0


def test_systems_take_turns_to_and_fro():
    called = []

    def run(name):
        called.append(name)
        return len(called)

    budget = {"cell_seconds": 60.0, "least_turns": 1, "most_turns": 3}
    found = measuring.take_turns(run, ["a", "b"], budget)
    assert "".join(called) == "abbaab"
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_turns_end_when_their_time_is_spent():
    budget = {"cell_seconds": 0.0, "least_turns": 2, "most_turns": 9}
    found = measuring.take_turns(lambda name: 1.0, ["a"], budget)
    assert found == {"a": [1.0, 1.0]}


def test_the_machine_has_a_name():
    assert "cores" in measuring.machine()
