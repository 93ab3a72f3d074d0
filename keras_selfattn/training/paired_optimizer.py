"""Two optimizers that `fit`, checkpoints and logs take for one."""

import keras


@keras.saving.register_keras_serializable(package="keras_selfattn")
class PairedOptimizer(keras.optimizers.Optimizer):
    """An optimizer of a generator beside one of a discriminator.

    A model of two halves that learn against each other has two optimizers;
    Keras and `training.checkpoint` know one. Its variables are those of both;
    its learning rate, as logs show it, is the generator's. The training step
    calls `generator.apply` and `discriminator.apply`.

    Args:
        generator: keras.optimizers.Optimizer.
        discriminator: keras.optimizers.Optimizer.

    Example:
        >>> adam = keras.optimizers.Adam
        >>> pair = PairedOptimizer(adam(2e-4, 0.0), adam(4e-4, 0.0))
    """

    def __init__(self, generator, discriminator, name="paired", **kwargs):
        super().__init__(learning_rate=0.0, name=name)
        if isinstance(generator, dict):
            generator = keras.optimizers.deserialize(generator)
            discriminator = keras.optimizers.deserialize(discriminator)
        self.generator = generator
        self.discriminator = discriminator

    def build(self, variables):
        """Does nothing: `build_halves` says whose a variable is."""

    def build_halves(self, generator_variables, discriminator_variables):
        """Makes both optimizers' variables.

        Args:
            generator_variables: list of keras.Variable.
            discriminator_variables: list of keras.Variable.
        """
        self.generator.build(generator_variables)
        self.discriminator.build(discriminator_variables)
        self.built = True

    @property
    def variables(self):
        return [
            *super().variables,
            *self.generator.variables,
            *self.discriminator.variables,
        ]

    @property
    def learning_rate(self):
        return self.generator.learning_rate

    def apply(self, grads, trainable_variables=None):
        raise ValueError(
            "A PairedOptimizer applies nothing by itself; call `apply` of its "
            "generator or discriminator."
        )

    def get_config(self):
        return {
            "name": self.name,
            "generator": keras.optimizers.serialize(self.generator),
            "discriminator": keras.optimizers.serialize(self.discriminator),
        }
