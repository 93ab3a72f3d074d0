"""Processes that train one torch model: `torch.distributed`.

Gloo sums on CPUs and nccl on GPUs, a GPU for each process of a machine.
Keras 3.15 has no `keras.distribution` on torch; wrapping the model
(`DistributedDataParallel`, `fully_shard`) leaves `fit` without any
synchronisation, and says nothing.
"""

import datetime
import os

import numpy as np

from keras_selfattn.training.cluster import check_port
from keras_selfattn.training.summed_gradients import SummedGradients

_MEETING = datetime.timedelta(minutes=5)
# The others wait while the first process measures the model.
_WAITING = datetime.timedelta(hours=12)


class TorchDistribution(SummedGradients):
    """Processes with a model and a device each.

    Args:
        cluster: Cluster.
    """

    def __init__(self, cluster):
        import torch
        import torch.distributed as dist

        super().__init__(cluster.rank, cluster.size)
        self._cluster = cluster
        self._gpu = torch.cuda.is_available()
        if self._gpu:
            torch.cuda.set_device(
                cluster.local_rank % torch.cuda.device_count()
            )
        address = cluster.addresses[0]
        host, _, port = address.rpartition(":")
        # torchrun keeps the meeting place itself.
        kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        if self.is_first and not kept:
            check_port(address)
        try:
            store = dist.TCPStore(
                host,
                int(port),
                self.size,
                is_master=self.is_first and not kept,
                timeout=_MEETING,
            )
            store.set_timeout(_MEETING)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if self._gpu else "gloo",
                store=dist.PrefixStore("keras_selfattn", store),
                rank=self.rank,
                world_size=self.size,
                timeout=_WAITING,
            )
        except (RuntimeError, ValueError) as error:
            raise ConnectionError(
                f"Process {self.rank} of {self.size} did not meet the others "
                f"at {address}: {_first_line(error)}"
            ) from error

    def describe(self):
        device = "nccl, a GPU each" if self._gpu else "gloo, CPU"
        return (
            f"data_parallel: {self.size} processes ({self._cluster.source}), "
            f"torch, {device}, meeting at {self._cluster.addresses[0]}"
        )

    def sum_tensor(self, tensor):
        import torch.distributed as dist

        total = tensor.detach().clone()
        try:
            dist.all_reduce(total)
        except RuntimeError as error:
            raise self.lost(error) from error
        return total

    def sum_integers(self, values):
        import torch

        values = torch.from_numpy(np.array(values, "int32"))
        return self.sum_tensor(values).numpy()

    def finish(self):
        import torch.distributed as dist

        super().finish()
        dist.destroy_process_group()


def _first_line(error):
    return str(error).strip().splitlines()[0]
