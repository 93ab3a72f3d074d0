"""Training a part of a model: adapters, or all but what is frozen.

Shared by `masked_lm.py`, `text_classification.py` and `whisper_asr.py`.
"""

import math
from typing import Annotated

from training_run import option, say

ADAPTERS = "adapters.safetensors"


def adapter_options(
    lora_rank: Annotated[int, option("of adapters; 0: none")] = 0,
    lora_alpha: Annotated[float, option("0: the rank")] = 0.0,
    lora_targets: Annotated[
        list[str], option("pattern of Dense layers; default: query, value")
    ] = (),
    adapters: Annotated[
        str, option("file of an earlier run's, and its head, to begin with")
    ] = "",
):
    """A group of options for `training_run.training_options`."""


def adapt(args, model, encoder):
    """Freezes and adapts a model as the arguments say, before `compile`.

    Args:
        args: has what `adapter_options` names; where a script has it,
            `freeze`.
        model: task.
        encoder: the layer of the model that adapters are for; what is
            outside of it is trained whole.

    Raises:
        ValueError: arguments that exclude each other, or that do not fit the
            model or the file.
    """
    from keras_selfattn.training.fine_tuning import freeze
    from keras_selfattn.training.lora import (
        QUERY_AND_VALUE,
        add_lora,
        load_adapters,
        outside,
    )

    whole = model.count_params()
    frozen = getattr(args, "freeze", ())
    if args.lora_rank:
        if frozen:
            raise ValueError(
                "--lora-rank freezes the encoder by itself; leave out --freeze."
            )
        paths = add_lora(
            model,
            args.lora_rank,
            args.lora_alpha or None,
            args.lora_targets or QUERY_AND_VALUE,
            outside(model, encoder),
            seed=args.seed,
        )
        say(f"Adapters of rank {args.lora_rank} in {len(paths)} layers.")
        if args.adapters:
            load_adapters(model, args.adapters)
            say(f"They start from {args.adapters}.")
    elif args.adapters:
        raise ValueError(
            f"--adapters {args.adapters} needs the --lora-rank and the "
            "--lora-targets that they were trained with."
        )
    elif frozen:
        freeze(model, frozen)
    if args.lora_rank or frozen:
        trained = sum(math.prod(v.shape) for v in model.trainable_variables)
        say(f"{trained:,} of {whole:,} parameters are trained.")


def keep_adapters(args, folder, model):
    """Writes what was trained beside a model, if adapters were.

    Args:
        args: has `lora_rank`.
        folder: path of the run.
        model: task, as `adapt` left it.

    Returns:
        the task with its adapters merged; without any, as it is.
    """
    from keras_selfattn.training.lora import merge_lora, save_adapters

    if not args.lora_rank:
        return model
    save_adapters(model, folder / ADAPTERS)
    return merge_lora(model)
