"""Processes that train one TensorFlow model: TensorFlow's collectives.

`MultiWorkerMirroredStrategy` only carries the sums. Keras 3.15 cannot fit a
model that was built in its scope (a batch of it reaches the model's symbolic
build; logs are reduced over an axis that scalars do not have), and it would
clip and look for NaN before the sums. Outside of the scope a model is
measured and saved as ever.
"""

import json
import os

import numpy as np

from keras_selfattn.training.cluster import check_port
from keras_selfattn.training.summed_gradients import SummedGradients


class TensorFlowDistribution(SummedGradients):
    """Processes with a model and a device each.

    Args:
        cluster: Cluster with an address for each process.
    """

    def __init__(self, cluster):
        import tensorflow as tf

        super().__init__(cluster.rank, cluster.size)
        self._cluster = cluster
        addresses = _addresses(cluster)
        os.environ["TF_CONFIG"] = json.dumps(
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": self.rank},
            }
        )
        check_port(addresses[self.rank])
        gpus = tf.config.list_physical_devices("GPU")
        self._gpu = bool(gpus)
        if gpus:
            own = gpus[cluster.local_rank % len(gpus)]
            tf.config.set_visible_devices(own, "GPU")
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()

        @tf.autograph.experimental.do_not_convert
        def summed(tensor):
            context = tf.distribute.get_replica_context()
            # Without the copy the tensor has no device, which is an error.
            return context.all_reduce(
                tf.distribute.ReduceOp.SUM, tf.identity(tensor)
            )

        self._summed = summed
        # Outside of a function the strategy is slow, and warns of it.
        self._sum_integers = tf.function(
            self.sum_tensor,
            input_signature=[tf.TensorSpec((None,), "int32")],
            autograph=False,
        )

    def describe(self):
        device = "a GPU each" if self._gpu else "CPU"
        return (
            f"data_parallel: {self.size} processes ({self._cluster.source}), "
            f"tensorflow, {device}, TensorFlow's collectives"
        )

    def sum_tensor(self, tensor):
        return self._strategy.run(self._summed, args=(tensor,))

    def sum_integers(self, values):
        import tensorflow as tf

        values = tf.constant(np.asarray(values, "int32"))
        with self.watched():
            return self._sum_integers(values).numpy()

    def tells_of_loss(self, error):
        import tensorflow as tf

        return isinstance(
            error,
            (
                tf.errors.UnavailableError,
                tf.errors.AbortedError,
                tf.errors.CancelledError,
                tf.errors.DeadlineExceededError,
                tf.errors.InternalError,
            ),
        )


def _addresses(cluster):
    """An address for each process: TF_CONFIG's, or what the launcher said."""
    if len(cluster.addresses) == cluster.size:
        return list(cluster.addresses)
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    workers = config.get("cluster", {}).get("worker", [])
    if len(workers) != cluster.size:
        raise ValueError(
            f"{cluster.source} has {len(cluster.addresses)} addresses for "
            f"{cluster.size} processes; TensorFlow needs one for each: set "
            "TF_CONFIG, or start them with --num-processes."
        )
    return workers
