"""Low-rank adaptation: fine-tuning by two thin matrices beside each kernel.

Shapes: `D` features in, `E` features out, `R` rank.
"""

import re

import keras
import numpy as np
from keras import ops

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.weight_copies import value_of

# The projections of an attention that the paper adapts, section 4.2.
QUERY_AND_VALUE = (r"/query$", r"/value$")
_ADAPTER = re.compile(r"/lora_kernel_[ab]$")


def add_lora(
    model, rank, alpha=None, targets=QUERY_AND_VALUE, trained=(), seed=0
):
    """Gives Dense layers adapters, and freezes all the rest.

    `y = x (W + alpha / rank A B) + b`, `A` `(D, R)` drawn, `B` `(R, E)` zero:
    at first the model is what it was. Call it before `compile`. Adapters are
    Keras's own (`Dense.enable_lora`), in float32.

    Reference: Hu et al. 2021 (arXiv:2106.09685), sections 4.1 and 4.2. We
    draw A uniformly (He), as their code does.

    Args:
        model: keras.Model, built.
        rank: int >= 1.
        alpha: float > 0; default: the rank, that is a factor of 1.
        targets: regular expressions (`re.search`) over the paths of Dense
            layers, such as "block_0/attention/query".
        trained: regular expressions over the paths of variables that are
            trained whole beside the adapters, such as "class_head".
        seed: int, of A.

    Returns:
        list of str, the paths of the layers that have an adapter now.

    Raises:
        ValueError: a target that no Dense layer has in its path, a rank or
            alpha that cannot be, or a layer that has an adapter already.

    Example:
        >>> add_lora(classifier, rank=8, alpha=16, trained=["class_head"])
        >>> classifier.compile(GuardedAdamW(1e-3))
        >>> classifier.fit(dataset.for_backend())
        >>> merge_lora(classifier).save_preset("mine")
    """
    from keras_selfattn.training.fine_tuning import variables_at

    if rank < 1 or (alpha is not None and alpha <= 0):
        raise ValueError(f"rank={rank} and alpha={alpha} must be above 0.")
    layers = dense_layers(model)
    chosen = set()
    for target in [targets] if isinstance(targets, str) else targets:
        found = {path for path in layers if re.search(target, path)}
        if not found:
            raise ValueError(
                f"No Dense layer has {target!r} in its path; there are "
                f"{', '.join(list(layers)[:12])}."
            )
        chosen |= found
    paths = [path for path in layers if path in chosen]
    if adapted := [path for path in paths if layers[path].lora_enabled]:
        raise ValueError(
            f"{', '.join(adapted)} have adapters already; merge_lora first."
        )
    kept = {v.path for v in variables_at(model, trained)} if trained else ()
    for variable in model.trainable_variables:
        variable.trainable = variable.path in kept
    for i, path in enumerate(paths):
        draw = keras.initializers.HeUniform(seed=seed + i)
        layers[path].enable_lora(rank, alpha, a_initializer=draw)
    return paths


def outside(model, encoder):
    """Patterns of what is trained whole where an encoder gets adapters.

    Args:
        model: keras.Model, built.
        encoder: the layer of it that adapters are for.

    Returns:
        list of str, for `trained` of `add_lora`: every other layer that has
        anything to train. A layer of the encoder that the model also uses by
        itself, such as embeddings that score tokens, is the encoder's.
    """
    inside = {id(variable) for variable in encoder.variables}
    return [
        f"^{re.escape(layer.name)}/"
        for layer in model.layers
        if layer is not encoder
        and any(id(v) not in inside for v in layer.trainable_variables)
    ]


def merge_lora(model):
    """A model without adapters that does what this one does with them.

    Args:
        model: keras.Model that `get_config` describes whole, such as a task.

    Returns:
        model of the same class: new, not compiled, all of it trainable. It
        is saved and exported as any other.

    Raises:
        ValueError: the model has no adapters, or another's weights.
    """
    layers = {
        path: layer
        for path, layer in dense_layers(model).items()
        if layer.lora_enabled
    }
    if not layers:
        raise ValueError("This model has no adapters to merge.")
    values = {v.path: v for v in model.weights if not _ADAPTER.search(v.path)}
    merged = {}
    for path, layer in layers.items():
        a, b = (
            ops.convert_to_numpy(factor.value).astype("float64")
            for factor in (layer.lora_kernel_a, layer.lora_kernel_b)
        )
        whole = ops.convert_to_numpy(values[f"{path}/kernel"].value)
        scale = layer.lora_alpha / layer.lora_rank
        merged[f"{path}/kernel"] = whole + scale * (a @ b)
    found = type(model).from_config(model.get_config())
    wanted = [variable.path for variable in found.weights]
    if sorted(wanted) != sorted(values):
        raise ValueError(
            "The model that get_config describes has other weights than this "
            f"one, such as {sorted(set(wanted) ^ set(values))[:3]}; give its "
            "layers explicit names."
        )
    for variable in found.weights:
        value = merged.get(variable.path)
        if value is None:
            value = value_of(values[variable.path])
        variable.assign(value)
    return found


def save_adapters(model, path):
    """Saves what is trained, adapters and heads alone, as safetensors.

    Args:
        model: what `add_lora` changed.
        path: file to write.

    Raises:
        ValueError: the model has no adapters.
    """
    from safetensors.numpy import save

    tensors = {
        v.path: np.ascontiguousarray(ops.convert_to_numpy(v.value))
        for v in model.trainable_variables
    }
    if not any(map(_ADAPTER.search, tensors)):
        raise ValueError("This model has no adapters to save; see add_lora.")
    write_atomically(path, save(tensors, metadata={"format": "keras_selfattn"}))


def load_adapters(model, path):
    """Puts what `save_adapters` wrote into a model with the same adapters.

    Args:
        model: what `add_lora` changed, with the same arguments.
        path: file.

    Raises:
        ValueError: the file is damaged, or is of other adapters; the model
            stays as it was.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable safetensors file ({error})."
        ) from error
    wanted = {v.path: v for v in model.trainable_variables}
    shapes = {name: tuple(v.shape) for name, v in wanted.items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    if shapes != given:
        unlike = sorted(
            name
            for name in shapes.keys() | given.keys()
            if shapes.get(name) != given.get(name)
        )
        raise ValueError(
            f"{path} is of other adapters: {', '.join(unlike[:5])} differ. "
            "Call add_lora with the rank, targets and trained of the file."
        )
    for name, variable in wanted.items():
        variable.assign(tensors[name])


def dense_layers(model):
    """The Dense layers of a model by path, in the order of its weights."""
    layers = {
        layer.path: layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Dense) and layer.built
    }
    paths = [v.path.removesuffix("/kernel") for v in model.weights]
    return {path: layers[path] for path in paths if path in layers}
