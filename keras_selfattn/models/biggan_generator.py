"""A class-conditional residual generator of small images.

Shapes: `B` batch, `Z` latent dimension, `E` features of a class, `Y` height,
`X` width, `D` features, `C` channels.
"""

import keras
from keras import ops

from keras_selfattn.layers.residual_image_blocks import ResidualUpBlock
from keras_selfattn.layers.self_attention_2d import SelfAttention2D
from keras_selfattn.layers.spectral_normalization import convolution, dense


@keras.saving.register_keras_serializable(package="keras_selfattn")
class BigGANGenerator(keras.Model):
    """Latents and a class in, an image out: blocks that double the size.

    The class is embedded once; with `hierarchical` each block is conditioned
    on that and on its own part of the latents, the first part makes the
    smallest image. Attention stands where images have the size
    `attention_resolution`.

    Reference: Brock et al. 2019 (arXiv:1809.11096), section 3 and appendix B;
    attention: Zhang et al. 2019 (arXiv:1805.08318), section 3. Ours is as deep
    as 28 to 64 pixels need, and its last norm has a trained gain and bias.

    Args:
        num_classes: int >= 1.
        image_size: int, height and width, the smallest image's size times
            two to the number of blocks.
        channels: int, 1 or 3 as a rule.
        widths: list of int, features of the smallest image, then of each
            block's output.
        latent_dim: int; with `hierarchical` a multiple of `len(widths)`.
        class_dim: int, `E`.
        attention_resolution: int, height where attention stands, or 0.
        hierarchical: bool.
        spectral_normalization: bool, see `layers.SpectralConv2D`.

    Call arguments:
        inputs: dict of "latents", float `(B, Z)`, and "labels", int `(B,)`.
        training: bool.

    Returns:
        float `(B, Y, X, C)` in [-1, 1].

    Raises:
        ValueError: sizes that do not fit together.

    Example:
        >>> generator = BigGANGenerator(10, image_size=28)
        >>> inputs = {"latents": np.zeros((2, 48)), "labels": np.arange(2)}
        >>> generator(inputs).shape
        (2, 28, 28, 1)
    """

    def __init__(
        self,
        num_classes,
        image_size=28,
        channels=1,
        widths=(64, 32, 16),
        latent_dim=48,
        class_dim=32,
        attention_resolution=14,
        hierarchical=True,
        spectral_normalization=True,
        **kwargs,
    ):
        # Layers
        widths = list(widths)
        blocks = len(widths) - 1
        smallest = image_size >> max(blocks, 0)
        if blocks < 1 or smallest < 1 or smallest << blocks != image_size:
            raise ValueError(
                f"{len(widths)} widths make {max(blocks, 0)} blocks, each of "
                f"which doubles the size; image_size={image_size} is not a "
                "whole number of times that."
            )
        sizes = [smallest << i for i in range(blocks + 1)]
        if attention_resolution not in [0, *sizes]:
            raise ValueError(
                f"attention_resolution={attention_resolution}; images have "
                f"the sizes {sizes} on their way; give one of them, or 0."
            )
        if hierarchical and latent_dim % len(widths):
            raise ValueError(
                f"latent_dim={latent_dim} does not divide by the "
                f"{len(widths)} widths, each of which takes a part."
            )
        options = {"dtype": kwargs.pop("dtype", None)}
        spectral = spectral_normalization
        embedding = keras.layers.Embedding(
            num_classes,
            class_dim,
            embeddings_initializer="orthogonal",
            name="class_embedding",
            **options,
        )
        start = dense(
            smallest * smallest * widths[0], spectral, name="start", **options
        )
        ups = [
            ResidualUpBlock(width, spectral, name=f"block_{i}", **options)
            for i, width in enumerate(widths[1:])
        ]
        attention = None
        if attention_resolution:
            attention = SelfAttention2D(
                head_dim=max(8, widths[sizes.index(attention_resolution)] // 8),
                spectral_normalization=spectral,
                name="attention",
                **options,
            )
        output_norm = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name="output_norm", **options
        )
        output = convolution(channels, 3, spectral, name="output", **options)

        # Functional model
        latents = keras.Input((latent_dim,), dtype="float32", name="latents")
        labels = keras.Input((), dtype="int32", name="labels")
        part = latent_dim // len(widths) if hierarchical else latent_dim
        embedded = embedding(labels)  # (B, E)
        x = start(latents[:, :part])
        x = ops.reshape(x, (-1, smallest, smallest, widths[0]))
        weights = None
        for i, size in enumerate(sizes):
            if i:
                condition = embedded
                if hierarchical:
                    own = latents[:, i * part : (i + 1) * part]
                    condition = ops.concatenate([embedded, own], axis=-1)
                x = ups[i - 1](x, condition)
            if size == attention_resolution:
                # Kept in the graph for `attention_model`.
                x, weights = attention(x, return_attention_scores=True)
        x = ops.relu(output_norm(x))
        images = ops.tanh(ops.cast(output(x), "float32"))
        super().__init__(
            inputs={"latents": latents, "labels": labels},
            outputs=images,
            **kwargs,
        )

        # Config
        self.num_classes = num_classes
        self.image_size = image_size
        self.channels = channels
        self.widths = widths
        self.latent_dim = latent_dim
        self.class_dim = class_dim
        self.attention_resolution = attention_resolution
        self.hierarchical = hierarchical
        self.spectral_normalization = spectral_normalization
        self._weights = weights

    def attention_model(self):
        """A model of the same inputs that gives the attention's weights.

        Returns:
            keras.Model, whose output is float `(B, N, T, S)`, see
            `SelfAttention2D`; its layers are those of this one.

        Raises:
            ValueError: where there is no attention.
        """
        if self._weights is None:
            raise ValueError(
                "This generator has no attention (attention_resolution=0)."
            )
        return keras.Model(self.input, self._weights)

    def get_config(self):
        names = (
            "name num_classes image_size channels widths latent_dim class_dim "
            "attention_resolution hierarchical spectral_normalization"
        ).split()
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
