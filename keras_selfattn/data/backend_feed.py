"""Batches of changing shape, as `fit` takes them on each backend.

A dataset here is anything with a length and batches by index, `(inputs,
labels)`, where inputs are a dict of numpy arrays. On torch and JAX `fit`
takes a `PyDataset` as it is. On the TensorFlow backend that fails once
lengths vary, so the same batches go through tf.data. (This is the one file of
`data` that imports TensorFlow, inside the function.)
"""

import collections
import concurrent.futures

import keras


def batches_ahead(dataset, workers=1):
    """Yields `dataset[0]`, `dataset[1]`, ..., made ahead by threads."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        ahead = collections.deque()
        for index in range(len(dataset)):
            ahead.append(pool.submit(dataset.__getitem__, index))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def feed_for_backend(dataset):
    """What `fit` takes on this backend: the dataset, or a `tf.data.Dataset`.

    Args:
        dataset: PyDataset with `batches()`, which yields them in order.

    Returns:
        the dataset itself on torch and JAX; on TensorFlow a
        `tf.data.Dataset` of as many batches, all dimensions open.
    """
    if keras.backend.backend() != "tensorflow":
        return dataset
    import tensorflow as tf

    signature = keras.tree.map_structure(
        lambda array: tf.TensorSpec((None,) * array.ndim, str(array.dtype)),
        dataset[0],
    )
    feed = tf.data.Dataset.from_generator(
        dataset.batches, output_signature=signature
    )
    # Without its length, Keras warns when the epoch ends.
    length = tf.data.experimental.assert_cardinality(len(dataset))
    return feed.apply(length).prefetch(2)
