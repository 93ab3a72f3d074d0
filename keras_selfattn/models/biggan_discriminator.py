"""A discriminator that is told the class: residual blocks and a projection.

Shapes: `B` batch, `Y` height, `X` width, `D` features, `C` channels.
"""

import keras
from keras import ops

from keras_selfattn.layers.residual_image_blocks import ResidualDownBlock
from keras_selfattn.layers.self_attention_2d import SelfAttention2D
from keras_selfattn.layers.spectral_normalization import (
    SpectralEmbedding,
    dense,
)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class BigGANDiscriminator(keras.Model):
    """An image and a class in, how real it looks out.

    `w h + b + e(class) h`, for the sum `h` of the last block's features over
    all places. Each block but the last halves the size; attention stands where
    images have the size `attention_resolution`.

    Reference: Miyato and Koyama 2018 (arXiv:1802.05637), section 3; Brock et
    al. 2019 (arXiv:1809.11096), appendix B; attention: Zhang et al. 2019
    (arXiv:1805.08318), section 3.

    Args:
        num_classes: int >= 1.
        image_size: int, height and width, which halve so often.
        channels: int.
        widths: list of int, features of each block's output.
        attention_resolution: int, height where attention stands, or 0.
        spectral_normalization: bool, see `layers.SpectralConv2D`.

    Call arguments:
        inputs: dict of "images", float `(B, Y, X, C)` in [-1, 1], and
            "labels", int `(B,)`.
        training: bool, whether spectral norms are estimated further.

    Returns:
        float32 `(B,)`, above 0 where it looks real.

    Raises:
        ValueError: sizes that do not fit together.

    Example:
        >>> discriminator = BigGANDiscriminator(10)
        >>> images = np.zeros((2, 28, 28, 1))
        >>> discriminator({"images": images, "labels": np.arange(2)}).shape
        (2,)
    """

    def __init__(
        self,
        num_classes,
        image_size=28,
        channels=1,
        widths=(16, 32, 64),
        attention_resolution=14,
        spectral_normalization=True,
        **kwargs,
    ):
        # Layers
        widths = list(widths)
        halvings = len(widths) - 1
        if halvings < 1 or image_size % 2**halvings:
            raise ValueError(
                f"{len(widths)} widths halve the size {max(halvings, 0)} "
                f"times, which image_size={image_size} does not allow; two "
                "widths at least."
            )
        sizes = [image_size >> (i + 1) for i in range(halvings)]
        sizes.append(sizes[-1])
        if attention_resolution not in [0, *sizes]:
            raise ValueError(
                f"attention_resolution={attention_resolution}; images have "
                f"the sizes {sizes[:-1]} on their way; give one of them, or 0."
            )
        options = {"dtype": kwargs.pop("dtype", None)}
        spectral = spectral_normalization
        downs = [
            ResidualDownBlock(
                width,
                down=i < halvings,
                on_pixels=i == 0,
                spectral_normalization=spectral,
                name=f"block_{i}",
                **options,
            )
            for i, width in enumerate(widths)
        ]
        attention_place = attention = None
        if attention_resolution:
            attention_place = sizes.index(attention_resolution)
            attention = SelfAttention2D(
                head_dim=max(8, widths[attention_place] // 8),
                spectral_normalization=spectral,
                name="attention",
                **options,
            )
        head = dense(1, spectral, name="head", **options)
        table = SpectralEmbedding if spectral else keras.layers.Embedding
        embedding = table(
            num_classes,
            widths[-1],
            embeddings_initializer="orthogonal",
            name="class_embedding",
            **options,
        )

        # Functional model
        images = keras.Input(
            (image_size, image_size, channels), dtype="float32", name="images"
        )
        labels = keras.Input((), dtype="int32", name="labels")
        x = images
        for i, down in enumerate(downs):
            x = down(x)
            if i == attention_place:
                x = attention(x)
        pooled = ops.sum(ops.relu(x), axis=(1, 2))  # (B, D)
        told = ops.sum(embedding(labels) * pooled, axis=-1)
        logits = ops.cast(head(pooled)[:, 0] + told, "float32")
        super().__init__(
            inputs={"images": images, "labels": labels},
            outputs=logits,
            **kwargs,
        )

        # Config
        self.num_classes = num_classes
        self.image_size = image_size
        self.channels = channels
        self.widths = widths
        self.attention_resolution = attention_resolution
        self.spectral_normalization = spectral_normalization

    def get_config(self):
        names = (
            "name num_classes image_size channels widths attention_resolution "
            "spectral_normalization"
        ).split()
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
