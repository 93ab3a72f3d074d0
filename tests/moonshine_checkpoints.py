"""Random Moonshines of `transformers` as folders: what imports are held to.

Needs the packages transformers and torch.
"""

import numpy as np

from keras_selfattn.convert.moonshine_tokenizer import (
    moonshine_tokenizer_files,
)
from tests.moonshine_examples import SIZE, tokenizer
from tests.transformers_models import draw


def make_moonshine(folder, tied=True, seed=0, scale=0.5, **sizes):
    """Saves a random Moonshine and its tokenizer; returns it.

    Args:
        scale: float, deviation of matrices; with wide layers a large one
            makes roundings grow.
        sizes: of theirs, over those of `moonshine_examples.moonshine`.
    """
    import transformers

    config = transformers.MoonshineConfig(
        **{
            "vocab_size": SIZE,
            "hidden_size": 12,
            "intermediate_size": 16,
            "encoder_num_hidden_layers": 2,
            "decoder_num_hidden_layers": 1,
            "encoder_num_attention_heads": 3,
            "decoder_num_attention_heads": 3,
            "max_position_embeddings": 20,
            "pad_head_dim_to_multiple_of": 8,
            **sizes,
        },
        pad_token_id=2,
        tie_word_embeddings=tied,
    )
    model = transformers.MoonshineForConditionalGeneration(config).eval()
    draw(model, seed, scale)
    model.save_pretrained(folder)
    for name, text in moonshine_tokenizer_files(tokenizer()).items():
        (folder / name).write_text(text, "utf-8")
    return model


def reference(model, samples, token_ids):
    """Logits of theirs for one recording: float32 `(1, T, V)`."""
    import torch

    with torch.no_grad():
        found = model(
            input_values=torch.tensor(samples[None]),
            decoder_input_ids=torch.tensor(token_ids[None]).long(),
        )
    return found.logits.numpy()


def written(model, samples, limit, beam=1):
    """What their search writes of one recording: list of ids, no end.

    Scores of beams are sums of log-probabilities: a length penalty of 0.
    """
    import torch

    found = model.generate(
        torch.tensor(samples[None]),
        max_new_tokens=limit,
        num_beams=beam,
        do_sample=False,
        **({"length_penalty": 0.0} if beam > 1 else {}),
    )[0].tolist()[1:]
    return found[: found.index(2)] if 2 in found else found


def spoken(lengths):
    """Noise that swells, then tones that fade: list of float32 `(L,)`."""
    random = np.random.default_rng(0)
    found = []
    for i, n in enumerate(lengths):
        wave = random.normal(size=n) * np.linspace(0.05, 0.5, n)
        if i % 2:
            wave = np.sin(0.3 * i * np.arange(n)) * np.linspace(1, 0, n)
        found.append(wave.astype("float32"))
    return found
