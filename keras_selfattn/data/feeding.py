"""How batches get from a dataset into `fit`, on each backend.

`fit` takes a `keras.utils.PyDataset` on torch and JAX. On TensorFlow it fails
once lengths vary, so there the same batches pass through tf.data.
"""

import keras
import numpy as np

from keras_selfattn.data.timed_feed import Fed, TimedFeed


def as_tf_dataset(dataset, feed=None):
    """An epoch's batches as a `tf.data.Dataset`, all dimensions open.

    Args:
        dataset: `PyDataset` with `batches()`, a generator of its batches:
            nested tuples and dicts of arrays.
        feed: object with `batches()` that makes them ahead by itself, or None:
            two are made ahead by tf.data.
    """
    import tensorflow as tf

    def spec(array):
        array = np.asarray(array)
        return tf.TensorSpec((None,) * array.ndim, array.dtype)

    signature = keras.tree.map_structure(spec, dataset[0])
    found = tf.data.Dataset.from_generator(
        (feed or dataset).batches, output_signature=signature
    )
    # Without its length, Keras warns when the epoch ends.
    length = tf.data.experimental.assert_cardinality(len(dataset))
    found = found.apply(length)
    if feed is None:
        return found.prefetch(2)
    # By itself tf.data would ask ahead, and no waiting could be seen.
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return found.with_options(options)


def for_backend(dataset):
    """What `fit` takes on this backend; ask anew for each epoch.

    What it has fed stands in `dataset.fed`, a `Fed`.
    """
    dataset.fed = Fed()
    if keras.backend.backend() == "tensorflow":
        feed = TimedFeed(dataset, dataset.fed, max(1, dataset.workers))
        return as_tf_dataset(dataset, feed)
    return TimedFeed(dataset, dataset.fed)
