"""Devices and processes that run one JAX program: `keras.distribution`.

The batch is one array over all devices, so means over it are those of one
process, by themselves.
"""

import contextlib

import keras
import numpy as np

from keras_selfattn.training.cluster import check_port
from keras_selfattn.training.distribution import Distribution

# Of our layers: attention by heads, feed-forward networks by features. What
# makes them is split along its outputs, what puts them together along its
# inputs, so that one sum over devices is all each needs.
_ATTENTION = r"attention/(query|key|value)"
_FEED_FORWARD = r"feed_forward(_in|_out)?/(expand|gate)"
MODEL_LAYOUT = {
    rf"{_ATTENTION}/kernel$": (None, "model"),
    rf"{_ATTENTION}/bias$": ("model",),
    r"attention/output/kernel$": ("model", None),
    rf"{_FEED_FORWARD}/kernel$": (None, "model"),
    rf"{_FEED_FORWARD}/bias$": ("model",),
    r"feed_forward(_in|_out)?/contract/kernel$": ("model", None),
}
_SIGNS_OF_LOSS = ("Gloo", "gloo", "UNAVAILABLE", "ABORTED", "DEADLINE", "peer")
_SILENCE_SECONDS = 30  # seconds until a silent process counts as gone


class JaxDistribution(Distribution):
    """JAX's devices, of one process or several.

    Args:
        cluster: Cluster, or None for one process.
        share_model: bool, the devices share the model, not the batch.
    """

    def __init__(self, cluster, share_model=False):
        super().__init__(
            cluster.rank if cluster else 0, cluster.size if cluster else 1
        )
        self._cluster = cluster
        if cluster is not None:
            if share_model:
                raise ValueError(
                    f"model_parallel shares a model among the devices of one "
                    f"process; {cluster.source} says {cluster.size} "
                    "processes. Use data_parallel."
                )
            self._connect(cluster)
        devices = keras.distribution.list_devices()
        self._devices = devices
        self._share_model = share_model
        local = len(devices) // self.size
        if share_model:
            mesh = keras.distribution.DeviceMesh(
                (1, len(devices)), ("batch", "model"), devices
            )
            layout = keras.distribution.LayoutMap(mesh)
            for pattern, axes in MODEL_LAYOUT.items():
                layout[pattern] = keras.distribution.TensorLayout(axes)
            self._distribution = keras.distribution.ModelParallel(
                layout_map=layout,
                batch_dim_name="batch",
                auto_shard_dataset=False,
            )
        else:
            self.row_multiple = local
            self._distribution = keras.distribution.DataParallel(
                devices=devices, auto_shard_dataset=False
            )
        keras.distribution.set_distribution(self._distribution)

    def _connect(self, cluster):
        import jax

        address = cluster.addresses[0]
        if self.is_first:
            check_port(address)
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        try:
            jax.distributed.initialize(
                address,
                cluster.size,
                cluster.rank,
                heartbeat_timeout_seconds=_SILENCE_SECONDS,
                # Until the first process has written and measured.
                shutdown_timeout_seconds=12 * 3600,
            )
        except RuntimeError as error:
            raise ConnectionError(
                f"Process {self.rank} of {self.size} did not meet the others "
                f"at {address}: {str(error).strip().splitlines()[0]}"
            ) from error

    def describe(self):
        kind = "model_parallel" if self._share_model else "data_parallel"
        source = f" ({self._cluster.source})" if self._cluster else ""
        return (
            f"{kind}: {self.size} process(es){source}, jax, "
            f"{len(self._devices)} devices in all, keras.distribution"
        )

    def sum_integers(self, values):
        if self.size == 1:
            return values
        from jax.experimental import multihost_utils

        with self.watched():
            found = multihost_utils.process_allgather(
                np.asarray(values, "int32")
            )
            return np.asarray(found).sum(axis=0, dtype="int32")

    def tells_of_loss(self, error):
        import jax

        return isinstance(error, jax.errors.JaxRuntimeError) and any(
            word in str(error) for word in _SIGNS_OF_LOSS
        )

    def prepare(self, model, restore=None):
        if self.size == 1:
            return super().prepare(model, restore)
        from jax.experimental import multihost_utils

        # A value may be given to a variable of all processes by all of them
        # only, so the first one restores into copies.
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        layouts = [variable._layout for variable in variables]
        with self.alone(model):
            for variable in model.optimizer.variables:
                _detach(variable)
            found = self.from_first(restore) if restore else None
            values = multihost_utils.broadcast_one_to_all(
                [np.asarray(variable._value) for variable in variables]
            )
        for variable, layout, value in zip(
            variables, layouts, values, strict=True
        ):
            variable._layout = layout
            variable.assign(np.asarray(value))
        return found

    @contextlib.contextmanager
    def alone(self, model):
        """Within, the model's variables are copies on one device.

        So batches of any size can be measured, and by one process while the
        others wait. Changes are lost.
        """
        kept = [(v, v._layout, v._value) for v in model.variables]
        self._detach(model)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self._distribution)
            for variable, layout, value in kept:
                variable._layout = layout
                variable._value = value
            _forget_functions(model)

    def leave(self, model):
        super().leave(model)
        self._detach(model)

    def _detach(self, model):
        keras.distribution.set_distribution(None)
        for variable in model.variables:
            _detach(variable)
        _forget_functions(model)


def _detach(variable):
    import jax

    value = np.asarray(variable._value)
    variable._layout = None
    variable._value = jax.device_put(value, jax.local_devices()[0])


def _forget_functions(model):
    """What was compiled says where the variables lie."""
    model.predict_function = model.test_function = None
