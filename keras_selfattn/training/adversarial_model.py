"""A generator and a discriminator that learn against each other.

Shapes: `B` images of a step of one half, `K` steps of the discriminator before
one of the generator, `Y` height, `X` width, `C` channels.
"""

import keras
from keras import ops

from keras_selfattn.losses.adversarial_hinge import (
    discriminator_hinge,
    generator_hinge,
)
from keras_selfattn.losses.orthogonal_penalty import orthogonal_penalty
from keras_selfattn.training.image_augmentation import cut_out, moved
from keras_selfattn.training.loss_gradients import (
    apply_gradients,
    value_and_gradients,
)
from keras_selfattn.training.paired_optimizer import PairedOptimizer
from keras_selfattn.weight_copies import value_of


class AdversarialModel(keras.Model):
    """Trains by the hinge loss; keeps a moving mean of the generator.

    One step of `fit` is `K` steps of the discriminator, each on `B` real and
    `B` generated images, and one of the generator. It takes batches of
    `data.AdversarialDataset`, whatever the backend, and draws nothing.

    The mean moves by `1 - decay` at each step, faster at first (`decay` is at
    most `(1 + t) / (10 + t)`). The moving means of batch norms are averaged
    like the weights; `standing_statistics` computes them anew.
    The discriminator's spectral norms are estimated in its own steps only,
    where generated and real images are one batch.

    Reference: Zhang et al. 2019 (arXiv:1805.08318), section 3; Brock et al.
    2019 (arXiv:1809.11096), sections 3 and 3.1, appendix C; the moving mean:
    Yazici et al. 2019 (arXiv:1806.04498), section 3.1; augmentation: Zhao et
    al. 2020 (arXiv:2006.10738), section 3.2.

    Args:
        generator: model of "latents" and "labels"; its variables need paths
            of their own: build it in a `keras.name_scope`.
        discriminator: model of "images" and "labels".
        averaged: a generator of the same layers; it takes the mean.
        discriminator_steps: int >= 1, `K`, as in the dataset.
        decay: float in [0, 1), of the moving mean.
        orthogonality: float >= 0, weight of `orthogonal_penalty` of the
            generator's kernels (not of its class embedding).
        translation: bool, whether images are moved by the batch's "shifts".
        cutout_size: int, pixels of the square at "corners"; 0: none.

    Example:
        >>> model = AdversarialModel(generator, discriminator, averaged)
        >>> model.compile(PairedOptimizer(adam(2e-4), adam(4e-4)))
        >>> model.fit(dataset.for_backend(), shuffle=False)
    """

    def __init__(
        self,
        generator,
        discriminator,
        averaged,
        discriminator_steps=1,
        decay=0.999,
        orthogonality=0.0,
        translation=True,
        cutout_size=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if discriminator_steps < 1 or not 0 <= decay < 1 or orthogonality < 0:
            raise ValueError(
                f"discriminator_steps={discriminator_steps}, decay={decay}, "
                f"orthogonality={orthogonality}; expected a step at least, a "
                "decay in [0, 1) and a weight >= 0."
            )
        self.generator = generator
        self.discriminator = discriminator
        self.averaged = averaged
        averaged.trainable = False
        for mine, own in self._pairs():
            mine.assign(value_of(own))
        self.discriminator_steps = discriminator_steps
        self.decay = decay
        self.orthogonality = orthogonality
        self.translation = translation
        self.cutout_size = cutout_size
        self._punished = [
            variable
            for variable in generator.trainable_variables
            if variable.path.endswith("kernel")
        ]
        self.built = True

    def _pairs(self):
        pairs = list(
            zip(self.averaged.variables, self.generator.variables, strict=True)
        )
        for mine, own in pairs:
            if mine.name != own.name or mine.shape != own.shape:
                raise ValueError(
                    f"averaged has {mine.path} where the generator has "
                    f"{own.path}; expected two generators of one config."
                )
        return pairs

    def compile(self, optimizer, **kwargs):
        """Keras's `compile`; the loss is the model's own.

        Args:
            optimizer: PairedOptimizer.
            **kwargs: as in Keras, such as `jit_compile`.
        """
        if not isinstance(optimizer, PairedOptimizer):
            raise ValueError(
                f"optimizer is a {type(optimizer).__name__}; expected a "
                "PairedOptimizer."
            )
        optimizer.build_halves(
            self.generator.trainable_variables,
            self.discriminator.trainable_variables,
        )
        if keras.backend.backend() == "tensorflow":
            # On a CPU XLA's convolutions are the slower ones.
            kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, **kwargs)

    def call(self, inputs):
        return self.averaged(inputs)

    def train_step(self, *args):
        """One step of `fit`; on JAX it takes and gives a state."""
        if keras.backend.backend() != "jax":
            return self._step(args[0][0])
        state, data = args
        groups = [
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        ]
        mapping = [
            pair
            for variables, values in zip(groups, state, strict=True)
            for pair in zip(variables, values, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self._step(data[0])
        state = tuple(
            [scope.get_current_value(variable) for variable in variables]
            for variables in groups
        )
        return logs, state

    def _step(self, batch):
        side, channels = self.generator.image_size, self.generator.channels
        batch = {name: ops.convert_to_tensor(x) for name, x in batch.items()}
        # tf.data does not say the sizes.
        batch["images"] = ops.reshape(
            batch["images"], (-1, side, side, channels)
        )
        size = ops.shape(batch["images"])[0] // self.discriminator_steps
        losses = [
            self._discriminator_step(batch, k, size)
            for k in range(self.discriminator_steps)
        ]
        generator_loss, penalty = self._generator_step(batch, size)
        self._average()
        discriminator_loss = sum(losses) / len(losses)
        logs = {
            "loss": generator_loss + discriminator_loss,
            "generator_loss": generator_loss,
            "discriminator_loss": discriminator_loss,
        }
        if self.orthogonality:
            logs["orthogonal_penalty"] = penalty
        return logs

    def _discriminator_step(self, batch, k, size):
        rows, places = _rows(k, size), _rows(slice(2 * k, 2 * k + 2), size)
        made = self.generator(
            {
                "latents": batch["latents"][rows],
                "labels": batch["drawn_labels"][rows],
            },
            training=True,
        )
        images = [batch["images"][rows], ops.stop_gradient(made)]
        images = self._augmented(ops.concatenate(images), batch, places)
        labels = [batch["labels"][rows], batch["drawn_labels"][rows]]
        inputs = {"images": images, "labels": ops.concatenate(labels)}

        def loss():
            found = self.discriminator(inputs, training=True)
            return discriminator_hinge(found[:size], found[size:])

        return self._apply(
            loss,
            self.discriminator.trainable_variables,
            self.optimizer.discriminator,
        )

    def _generator_step(self, batch, size):
        rows = _rows(self.discriminator_steps, size)
        places = _rows(2 * self.discriminator_steps, size)
        labels = batch["drawn_labels"][rows]
        inputs = {"latents": batch["latents"][rows], "labels": labels}

        def loss():
            made = self.generator(inputs, training=True)
            made = self._augmented(made, batch, places)
            found = self.discriminator(
                {"images": made, "labels": labels}, training=False
            )
            total = generator_hinge(found)
            if self.orthogonality:
                total = total + self.orthogonality * self._penalty()
            return total

        found = self._apply(
            loss, self.generator.trainable_variables, self.optimizer.generator
        )
        penalty = 0.0
        if self.orthogonality:
            penalty = self.orthogonality * self._penalty()
        return found - penalty, penalty

    def _penalty(self):
        return orthogonal_penalty([v.value for v in self._punished])

    def _augmented(self, images, batch, places):
        if self.translation:
            images = moved(images, batch["shifts"][places])
        if self.cutout_size:
            corners = batch["corners"][places]
            images = cut_out(images, corners, self.cutout_size)
        return images

    def _apply(self, loss, variables, optimizer):
        found, gradients = value_and_gradients(loss, variables, self.variables)
        apply_gradients(optimizer, gradients, variables)
        return found

    def _average(self):
        step = ops.cast(self.optimizer.generator.iterations, "float32")
        decay = ops.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for mine, own in self._pairs():
            mine.assign(
                ops.stop_gradient(own.value + decay * (mine.value - own.value))
            )

    def get_config(self):
        raise NotImplementedError(
            "An AdversarialModel is kept by training.checkpoint; save its "
            "halves by themselves."
        )


def _rows(place, size):
    """Rows of the place-th part of a batch whose parts have `size` rows."""
    if isinstance(place, slice):
        return slice(place.start * size, place.stop * size)
    return slice(place * size, (place + 1) * size)
