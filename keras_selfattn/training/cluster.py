"""Which process of how many this one is: read from what a launcher set.

Known are torchrun (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`), our own launcher,
which sets the same, TensorFlow's `TF_CONFIG`, Keras's and JAX's coordinator
variables, and Slurm's. No Keras, no backend.
"""

import json
import os
import re
import socket
from dataclasses import dataclass

DEFAULT_PORT = 29500


@dataclass(frozen=True)
class Cluster:
    """The processes of a training, and this one's place among them.

    Args:
        rank: int, this process, from 0.
        size: int, processes.
        local_rank: int, this process among those of its machine.
        addresses: tuple of "host:port". The first is where the processes
            meet; there is one a process where the launcher said so.
        source: str, who said it.
    """

    rank: int
    size: int
    local_rank: int
    addresses: tuple
    source: str


def read_cluster(environ=None):
    """The cluster that the environment describes, or None for one process.

    Args:
        environ: dict, default: `os.environ`.

    Raises:
        ValueError: variables that contradict one another, or lack one.
    """
    environ = os.environ if environ is None else environ
    for reader in (_torchrun, _tf_config, _keras, _jax, _slurm):
        cluster = reader(environ)
        if cluster is not None:
            if not 0 <= cluster.rank < cluster.size:
                raise ValueError(
                    f"{cluster.source} says process {cluster.rank} of "
                    f"{cluster.size}; expected one of 0 to "
                    f"{cluster.size - 1}."
                )
            return cluster if cluster.size > 1 else None
    return None


def check_port(address):
    """Raises a ValueError where nothing can listen at "host:port" here."""
    host, _, port = address.rpartition(":")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"The processes cannot meet at {address} ({error}); is another "
            "training using the port? Give another one (MASTER_PORT, or the "
            "one of TF_CONFIG)."
        ) from error


def free_ports(count):
    """Ports of this machine that nobody listens at just now: list of int."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def expand_hosts(text):
    """Hosts of a Slurm list: "a[01-03,7],b" is a01, a02, a03, a7 and b."""
    found = []
    for prefix, ranges, suffix in re.findall(
        r"([^,\[\]]+)(?:\[([^\]]+)\])?([^,\[\]]*)", text
    ):
        if not ranges:
            found.append(prefix + suffix)
            continue
        for part in ranges.split(","):
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                found.append(f"{prefix}{number:0{len(first)}d}{suffix}")
    return found


def _number(environ, name):
    try:
        return int(environ[name])
    except KeyError:
        raise ValueError(
            f"{name} is not set, but other variables of its launcher are."
        ) from None
    except ValueError:
        raise ValueError(
            f"{name}={environ[name]!r}; expected a whole number."
        ) from None


def _torchrun(environ):
    if "WORLD_SIZE" not in environ:
        return None
    rank = _number(environ, "RANK")
    host = environ.get("MASTER_ADDR", "127.0.0.1")
    port = environ.get("MASTER_PORT", DEFAULT_PORT)
    return Cluster(
        rank,
        _number(environ, "WORLD_SIZE"),
        int(environ.get("LOCAL_RANK", rank)),
        (f"{host}:{port}",),
        "RANK and WORLD_SIZE",
    )


def _tf_config(environ):
    if "TF_CONFIG" not in environ:
        return None
    try:
        config = json.loads(environ["TF_CONFIG"])
        workers = tuple(config["cluster"]["worker"])
        task = config["task"]
        kind, rank = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"TF_CONFIG cannot be read ({type(error).__name__}: {error}); "
            'expected {"cluster": {"worker": ["host:port", ...]}, "task": '
            '{"type": "worker", "index": 0}}.'
        ) from error
    if kind != "worker" or set(config["cluster"]) != {"worker"}:
        raise ValueError(
            f"TF_CONFIG has a task {kind!r} of {sorted(config['cluster'])}; "
            "expected workers alone."
        )
    host = workers[rank].rpartition(":")[0] if rank < len(workers) else ""
    before = workers[: max(rank, 0)]
    local = sum(other.rpartition(":")[0] == host for other in before)
    return Cluster(rank, len(workers), local, workers, "TF_CONFIG")


def _keras(environ):
    name = "KERAS_DISTRIBUTION_"
    if f"{name}NUM_PROCESSES" not in environ:
        return None
    rank = _number(environ, f"{name}PROCESS_ID")
    addresses = environ.get(f"{name}JOB_ADDRESSES", "")
    if not addresses:
        raise ValueError(
            f"{name}JOB_ADDRESSES is not set; expected host:port of process 0."
        )
    return Cluster(
        rank,
        _number(environ, f"{name}NUM_PROCESSES"),
        0,
        tuple(addresses.split(",")),
        f"{name}*",
    )


def _jax(environ):
    if "JAX_NUM_PROCESSES" not in environ:
        return None
    if "JAX_COORDINATOR_ADDRESS" not in environ:
        raise ValueError(
            "JAX_COORDINATOR_ADDRESS is not set; expected host:port of "
            "process 0."
        )
    return Cluster(
        _number(environ, "JAX_PROCESS_ID"),
        _number(environ, "JAX_NUM_PROCESSES"),
        0,
        (environ["JAX_COORDINATOR_ADDRESS"],),
        "JAX_*",
    )


def _slurm(environ):
    # Without a step (`srun`) one process runs, however many tasks there are.
    if "SLURM_STEP_ID" not in environ or "SLURM_PROCID" not in environ:
        return None
    rank, local = (
        _number(environ, name) for name in ("SLURM_PROCID", "SLURM_LOCALID")
    )
    size = _number(environ, "SLURM_NTASKS")
    hosts = expand_hosts(
        environ.get("SLURM_STEP_NODELIST") or environ["SLURM_JOB_NODELIST"]
    )
    # The same for all processes of a job, and another for another job.
    port = 20000 + int(environ.get("SLURM_JOB_ID", 0)) % 20000
    each = -(-size // len(hosts))
    addresses = tuple(
        f"{host}:{port + i}" for host in hosts for i in range(each)
    )
    return Cluster(rank, size, local, addresses[:size], "SLURM_*")
