"""Pictures of what a model does; they need matplotlib."""

from keras_selfattn.plots.attention import plot_attention
from keras_selfattn.plots.growth import plot_growth

__all__ = ["plot_attention", "plot_growth"]
