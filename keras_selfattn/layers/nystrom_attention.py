"""Self-attention through landmarks (Nystromformer).

Shapes: `B` batch, `T` positions, `M` landmarks, `N` heads, `H` head
dimension, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_core import (
    add_projections,
    attend,
    check_heads,
    check_rates,
    head_size,
    keys_mask,
    masked_softmax,
    merge_heads,
    split_heads,
)
from keras_selfattn.layers.masks import combine_masks


def iterative_inverse(matrix, num_iterations):
    """The pseudo-inverse of matrices, in products only.

    Begins with `A' / (|A|_1 |A|_inf)`; each step cubes the distance to the
    inverse. A row and a column of zeros stay zeros.

    Reference: Xiong et al. 2021 (arXiv:2102.03902), section 3, equation 11;
    after Razavi et al. 2014. The norms are each matrix's own, so that rows of
    a batch do not depend on one another.

    Args:
        matrix: float `(..., M, M)`.
        num_iterations: int >= 1.

    Example:
        >>> iterative_inverse(np.array([[2.0, 0.0], [0.0, 0.0]]), 10)
        [[0.5, 0.0], [0.0, 0.0]]
    """
    size = ops.abs(matrix)
    rows = ops.max(ops.sum(size, axis=-1), axis=-1)
    columns = ops.max(ops.sum(size, axis=-2), axis=-1)
    norm = ops.maximum(rows * columns, 1e-9)
    norm = ops.expand_dims(ops.expand_dims(norm, -1), -1)
    identity = ops.eye(matrix.shape[-1], dtype=matrix.dtype)
    inverse = ops.swapaxes(matrix, -1, -2) / norm
    for _ in range(num_iterations):
        product = ops.matmul(matrix, inverse)
        step = 15 * identity - ops.matmul(product, 7 * identity - product)
        step = 13 * identity - ops.matmul(product, step)
        inverse = 0.25 * ops.matmul(inverse, step)
    return inverse


@keras.saving.register_keras_serializable(package="keras_selfattn")
class NystromSelfAttention(keras.layers.Layer):
    """Queries meet landmarks, landmarks meet keys: `F A^+ (B V)`.

    The landmarks are the means of M stretches of the queries and of the keys.
    `F = softmax(Q k')`, `A = softmax(q k')` and `B = softmax(q K')`, with q
    and k the landmarks, approximate `softmax(Q K')` by `F A^+ B` at the cost
    `T M`. Nothing depends on the length, so any length can come. With as many
    landmarks as positions it is full attention.

    Each row's stretches divide its own real positions, so neither what
    padding holds nor how much there is changes the outputs. As a landmark
    contains later positions, the future cannot be hidden: for causal models
    there is `LocalSelfAttention`.

    Reference: Xiong et al. 2021 (arXiv:2102.03902), section 3; its skip
    connection of the values is `kernel_size`.

    Args:
        num_heads: int >= 1.
        num_landmarks: int >= 1; the paper has 64 for lengths up to 8192.
        num_iterations: int >= 1, of the pseudo-inverse; the paper has 6.
        kernel_size: odd int, width of a depthwise convolution of the values,
            one kernel a head, added to the outputs (the paper: 33); None for
            none.
        head_dim: int, features a head; default `D / num_heads`.
        dropout: float in [0, 1), on the weights between queries and
            landmarks.
        use_bias: bool, biases in the four projections.
        seed: int, seed of the dropout.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real token, or None.
        use_causal_mask: bool; True is refused.
        training: bool.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: for a causal mask, an even `kernel_size`, numbers that are
            not positive ints, and as MultiHeadSelfAttention.

    Example:
        >>> layer = NystromSelfAttention(num_heads=4, num_landmarks=16)
        >>> layer(np.zeros((2, 100, 64))).shape
        (2, 100, 64)
    """

    def __init__(
        self,
        num_heads,
        num_landmarks=64,
        num_iterations=6,
        kernel_size=None,
        head_dim=None,
        dropout=0.0,
        use_bias=True,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(num_heads, head_dim)
        check_rates(dropout)
        for name, number in (
            ("num_landmarks", num_landmarks),
            ("num_iterations", num_iterations),
        ):
            if not isinstance(number, int) or number < 1:
                raise ValueError(
                    f"{name} must be a positive int, received {number!r}."
                )
        if kernel_size is not None and (
            not isinstance(kernel_size, int) or kernel_size % 2 == 0
        ):
            raise ValueError(
                "kernel_size must be an odd int, or None for no convolution; "
                f"received {kernel_size!r}."
            )
        self.num_heads = num_heads
        self.num_landmarks = num_landmarks
        self.num_iterations = num_iterations
        self.kernel_size = kernel_size
        self.head_dim = head_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self.seed = seed

    def build(self, input_shape):
        dim = input_shape[-1]
        self._head_dim = head_size(dim, self.num_heads, self.head_dim)
        inner = self.num_heads * self._head_dim
        add_projections(self, dim, inner)
        if self.kernel_size is not None:
            self.convolution = keras.layers.DepthwiseConv1D(
                self.kernel_size,
                padding="same",
                use_bias=False,
                dtype=self.dtype_policy,
                name="convolution",
            )
            self.convolution.build((None, None, self.num_heads))

    def _stretches(self, length, padding_mask):
        """Which positions make a landmark: bool `(B|1, M, T)`."""
        if padding_mask is None:
            number = ops.expand_dims(ops.arange(length, dtype="int32"), 0)
            total = ops.cast(length, "int32")
        else:
            real = ops.cast(padding_mask, "int32")
            number = ops.cumsum(real, axis=1) - 1  # (B, T)
            total = ops.maximum(ops.sum(real, axis=1, keepdims=True), 1)
        stretch = ops.floor_divide(number * self.num_landmarks, total)
        landmarks = ops.arange(self.num_landmarks, dtype="int32")
        member = ops.equal(
            ops.expand_dims(stretch, 1), ops.expand_dims(landmarks, -1)
        )
        if padding_mask is None:
            return member
        return ops.logical_and(member, ops.expand_dims(padding_mask, 1))

    def call(
        self, inputs, padding_mask=None, use_causal_mask=False, training=False
    ):
        if use_causal_mask:
            raise ValueError(
                "NystromSelfAttention has landmarks that contain later "
                "positions, so use_causal_mask=True cannot be honoured; use "
                "MultiHeadSelfAttention or LocalSelfAttention."
            )
        real = None if padding_mask is None else keys_mask(padding_mask)
        query, key = self.query(inputs), self.key(inputs)  # (B, T, N H)
        member = self._stretches(ops.shape(inputs)[1], padding_mask)
        count = ops.sum(ops.cast(member, "int32"), axis=-1)  # (B|1, M)
        share = ops.cast(member, "float32") / ops.cast(
            ops.expand_dims(ops.maximum(count, 1), -1), "float32"
        )
        share = ops.cast(share, query.dtype)
        query_marks = split_heads(ops.matmul(share, query), self.num_heads)
        key_marks = split_heads(ops.matmul(share, key), self.num_heads)
        query = split_heads(query, self.num_heads)
        key = split_heads(key, self.num_heads)
        value = split_heads(self.value(inputs), self.num_heads)
        # Fewer positions than landmarks leave some without any.
        used = keys_mask(count > 0)  # (B|1, 1, 1, M)
        gathered = attend(query_marks, key, value, mask=real)  # (B, N, M, H)
        inverse = self._inverse(query_marks, key_marks, used)
        gathered = ops.matmul(inverse, ops.cast(gathered, inverse.dtype))
        outputs = attend(
            query,
            key_marks,
            ops.cast(gathered, query.dtype),
            mask=used,
            dropout=self.dropout_layer,
            training=training,
        )
        if self.kernel_size is not None:
            outputs = outputs + self._convolved(value, real)
        return self.output_projection(merge_heads(outputs))

    def _inverse(self, query_marks, key_marks, used):
        """`A^+`, float32 `(B, N, M, M)`: too fine for narrower floats."""
        scores = ops.matmul(
            ops.cast(query_marks, "float32") * self._head_dim**-0.5,
            ops.cast(ops.transpose(key_marks, (0, 1, 3, 2)), "float32"),
        )
        both = combine_masks(used, ops.transpose(used, (0, 1, 3, 2)))
        weights = masked_softmax(scores, used)
        weights = ops.where(both, weights, ops.zeros_like(weights))
        return iterative_inverse(weights, self.num_iterations)

    def _convolved(self, value, real):
        """Values mixed with their neighbours, one kernel a head."""
        if real is not None:
            keep = ops.transpose(real, (0, 1, 3, 2))  # (B, 1, T, 1)
            value = ops.where(keep, value, ops.zeros_like(value))
        batch, heads, length, size = ops.shape(value)
        x = ops.transpose(value, (0, 3, 2, 1))  # (B, H, T, N)
        x = ops.reshape(x, (batch * size, length, self.num_heads))
        x = ops.reshape(self.convolution(x), (batch, size, length, heads))
        return ops.transpose(x, (0, 3, 2, 1))

    def compute_output_shape(self, input_shape, *args, **kwargs):
        return input_shape

    def get_config(self):
        names = (
            "num_heads num_landmarks num_iterations kernel_size head_dim "
            "dropout use_bias seed"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
