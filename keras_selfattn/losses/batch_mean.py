"""Means over a batch of which several processes hold a part each.

A mean of the processes' means is wrong where one counts more tokens than
another. So what a loss divides by is summed over all of them first.
"""

import contextlib

from keras import ops

_processes = None  # (function that sums a tensor over processes, their number)


def batch_mean(total, count):
    """`total / count`, both sums over the batch; the count of all processes.

    In a training that is spread over N processes (see
    `training.distribution`), a process gives `N total / sum of the counts`: the
    mean of that over the processes is the mean over the whole batch.

    Args:
        total: float32 scalar, this process's sum of costs.
        count: float32 scalar, how many tokens (labels, rows) it is of.

    Returns:
        float32 scalar; 0 where nothing counts.

    Example:
        >>> batch_mean(6.0, 3.0)
        2.0
    """
    if _processes is None:
        return total / ops.maximum(count, 1.0)
    over_all, number = _processes
    return total * number / ops.maximum(over_all(count), 1.0)


@contextlib.contextmanager
def counts_over_processes(over_all, number):
    """Within, `batch_mean` counts over so many processes.

    Args:
        over_all: function of a scalar tensor that gives its sum over all
            processes, each of which calls it.
        number: int, processes.
    """
    global _processes
    before, _processes = _processes, (over_all, number)
    try:
        yield
    finally:
        _processes = before
