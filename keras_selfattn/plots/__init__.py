"""Pictures of what a model does; all but HTML needs matplotlib.

Nothing is imported before it is used.
"""

from importlib import import_module

_HOMES = {
    "draw_word_weights": "word_weights",
    "plot_attention": "attention",
    "plot_growth": "growth",
    "plot_image_attention": "images",
    "plot_images": "images",
    "plot_word_weights": "word_weights",
    "word_weights_html": "word_weights",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
