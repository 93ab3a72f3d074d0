import os
import signal
import sys
import time

from keras_selfattn.training.cluster import read_cluster
from keras_selfattn.training.launch import (
    CHILD,
    environments,
    is_launched,
    launch,
)


def run(number, code, grace_seconds=2.0):
    """Runs Python code as so many processes: status, lines, seconds."""
    said, begin = [], time.monotonic()
    status = launch(
        number, [sys.executable, "-c", code], said.append, grace_seconds
    )
    return status, said, time.monotonic() - begin


def test_each_process_knows_its_place(tmp_path):
    code = (
        "import os; name = os.environ['RANK'];"
        f"open(os.path.join({str(tmp_path)!r}, name), 'w').write(name)"
    )
    assert run(3, code)[:2] == (0, [])
    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2"]


def test_environments_are_read_as_one_cluster():
    found = environments(2, {"PATH": "x", "OMP_NUM_THREADS": "3"})
    first, second = map(read_cluster, found)
    assert (first.rank, second.rank, first.size) == (0, 1, 2)
    assert first.addresses == second.addresses
    assert found[0]["OMP_NUM_THREADS"] == "3" and found[0]["PATH"] == "x"
    assert is_launched(found[0]) and not is_launched({})
    # TensorFlow's names the same processes.
    del found[1]["WORLD_SIZE"]
    cluster = read_cluster(found[1])
    assert (cluster.rank, cluster.size, len(cluster.addresses)) == (1, 2, 2)


def test_one_that_is_killed_is_named_and_the_others_stop():
    code = (
        "import os, signal, time\n"
        "if os.environ['RANK'] == '1':\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "time.sleep(600)"
    )
    status, said, seconds = run(2, code, grace_seconds=1.0)
    assert status == 1
    assert said == [
        "error: process 1 of 2 was ended by SIGKILL; the others are stopped."
    ]
    assert seconds < 30


def test_one_that_fails_is_named_with_its_status():
    code = "import os, sys; sys.exit(3 * int(os.environ['RANK'] == '0'))"
    status, said, _ = run(2, code)
    assert status == 1
    assert said == [
        "error: process 0 of 2 ended with status 3; the others are stopped."
    ]


def test_one_that_ignores_to_be_asked_is_killed():
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.environ['RANK'] == '0': time.sleep(0.5); sys.exit(1)\n"
        "time.sleep(600)"
    )
    assert run(2, code, grace_seconds=0.5)[2] < 30


def test_children_end_with_their_launcher(tmp_path):
    """Also where the launcher is killed, as it can no longer stop them."""
    if sys.platform != "linux":
        return
    child = (
        "import os, time\n"
        "from keras_selfattn.training.launch import die_with_launcher\n"
        "die_with_launcher()\n"
        f"open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w')\n"
        "time.sleep(600)"
    )
    pid = os.fork()
    if pid == 0:
        os.setsid()
        launch(2, [sys.executable, "-c", child], print)
        os._exit(0)
    while len(os.listdir(tmp_path)) < 2:
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    end = time.monotonic() + 30
    for name in os.listdir(tmp_path):
        while _runs(int(name)):
            assert time.monotonic() < end, f"{name} goes on"
            time.sleep(0.05)
    assert CHILD not in os.environ


def _runs(pid):
    """Whether a process does anything: one that ended may not be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
