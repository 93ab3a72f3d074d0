"""How models that write texts are compiled: AdamW under a schedule.

Shared by `translation.py` and `text_to_text.py`.
"""

from training_run import (
    fine_tuning_options,
    make_optimizer,
    warmup_cosine,
)

SCHEDULES = ("inverse-sqrt", "cosine")


def check_schedule(schedule):
    """A ValueError for a schedule that there is not."""
    if schedule not in SCHEDULES:
        raise ValueError(
            f"--schedule {schedule} is unknown; use one of "
            f"{', '.join(SCHEDULES)}."
        )


def compile_text_task(args, task, total_steps):
    """AdamW under the chosen schedule; no decay on biases and norms.

    Args:
        args: has `schedule`, `learning_rate`, `warmup_steps`, `weight_decay`
            and `clip_norm`, and may have what `fine_tuning_options` reads.
        task: Translator or TextToText.
        total_steps: int.
    """
    import keras

    from keras_selfattn.training.schedules import WarmupInverseSqrt

    if args.schedule == "cosine":
        rate = warmup_cosine(args, total_steps)
    else:
        rate = WarmupInverseSqrt(args.learning_rate, args.warmup_steps)
    options = fine_tuning_options(args, task)
    optimizer = make_optimizer(args, rate, epsilon=1e-9, **options)
    # XLA on TensorFlow would compile each of the many shapes anew.
    plain = keras.backend.backend() == "tensorflow"
    task.compile(optimizer, jit_compile=False if plain else "auto")
