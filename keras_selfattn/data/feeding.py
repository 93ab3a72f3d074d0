"""How batches get from a dataset into `fit`, on each backend.

`fit` takes a `keras.utils.PyDataset` on torch and JAX. On TensorFlow it fails
once lengths vary, so there the same batches pass through tf.data.
"""

import collections
import concurrent.futures

import keras
import numpy as np


def as_tf_dataset(dataset):
    """An epoch's batches as a `tf.data.Dataset`, all dimensions open.

    Args:
        dataset: `PyDataset` with `batches()`, a generator of its batches:
            nested tuples and dicts of arrays.
    """
    import tensorflow as tf

    def spec(array):
        array = np.asarray(array)
        return tf.TensorSpec((None,) * array.ndim, array.dtype)

    signature = keras.tree.map_structure(spec, dataset[0])
    found = tf.data.Dataset.from_generator(
        dataset.batches, output_signature=signature
    )
    # Without its length, Keras warns when the epoch ends.
    length = tf.data.experimental.assert_cardinality(len(dataset))
    return found.apply(length).prefetch(2)


def for_backend(dataset):
    """What `fit` takes on this backend; ask anew for each epoch."""
    if keras.backend.backend() == "tensorflow":
        return as_tf_dataset(dataset)
    return dataset


def batches_ahead(dataset, workers):
    """Yields a dataset's batches in order, made ahead by threads.

    Args:
        dataset: has a length and gives a batch by its number.
        workers: int, threads; twice as many batches wait at most.
    """
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        ahead = collections.deque()
        for index in range(len(dataset)):
            ahead.append(pool.submit(dataset.__getitem__, index))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
