import json
import socket

import pytest

from keras_selfattn.training.cluster import (
    Cluster,
    check_port,
    expand_hosts,
    free_ports,
    read_cluster,
)

TWO = {
    "cluster": {"worker": ["a:1", "b:2", "b:3"]},
    "task": {"type": "worker", "index": 2},
}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        (
            {
                "RANK": "3",
                "WORLD_SIZE": "4",
                "LOCAL_RANK": "1",
                "MASTER_ADDR": "node0",
                "MASTER_PORT": "1234",
            },
            Cluster(3, 4, 1, ("node0:1234",), "RANK and WORLD_SIZE"),
        ),
        (
            {"RANK": "1", "WORLD_SIZE": "2"},
            Cluster(1, 2, 1, ("127.0.0.1:29500",), "RANK and WORLD_SIZE"),
        ),
        (
            {"TF_CONFIG": json.dumps(TWO)},
            Cluster(2, 3, 1, ("a:1", "b:2", "b:3"), "TF_CONFIG"),
        ),
        (
            {
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": "1",
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:1,b:1",
            },
            Cluster(1, 2, 0, ("a:1", "b:1"), "KERAS_DISTRIBUTION_*"),
        ),
        (
            {
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": "0",
                "JAX_COORDINATOR_ADDRESS": "a:1",
            },
            Cluster(0, 2, 0, ("a:1",), "JAX_*"),
        ),
        (
            {
                "SLURM_STEP_ID": "0",
                "SLURM_PROCID": "3",
                "SLURM_LOCALID": "1",
                "SLURM_NTASKS": "4",
                "SLURM_STEP_NODELIST": "n[1-2]",
                "SLURM_JOB_ID": "7",
            },
            Cluster(
                3,
                4,
                1,
                ("n1:20007", "n1:20008", "n2:20007", "n2:20008"),
                "SLURM_*",
            ),
        ),
        # An allocation without a step: one process.
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
    ],
)
def test_what_launchers_say(environ, expected):
    assert read_cluster(environ) == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"WORLD_SIZE": "2"}, "RANK is not set"),
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE='two'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "process 2 of 2; expected one of 0"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG cannot be read"),
        (
            {
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": ["a:1"], "ps": ["b:1"]},
                        "task": {"type": "ps", "index": 0},
                    }
                )
            },
            "expected workers alone",
        ),
        ({"JAX_NUM_PROCESSES": "2"}, "JAX_COORDINATOR_ADDRESS is not set"),
        (
            {
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": "0",
            },
            "JOB_ADDRESSES is not set",
        ),
    ],
)
def test_what_contradicts_itself_is_an_error(environ, message):
    with pytest.raises(ValueError, match=message):
        read_cluster(environ)


def test_hosts_of_slurm():
    assert expand_hosts("a[01-03,7],b") == ["a01", "a02", "a03", "a7", "b"]
    assert expand_hosts("gpu-3") == ["gpu-3"]
    assert expand_hosts("n[9-10]-ib") == ["n9-ib", "n10-ib"]


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"127.0.0.1:{port} .*in use"):
            check_port(f"127.0.0.1:{port}")
    check_port(f"127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(ValueError, match="cannot meet at"):
        check_port("127.0.0.1:99999")


def test_free_ports_differ():
    assert len(set(free_ports(5))) == 5
