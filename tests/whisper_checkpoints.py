"""Random Whispers of `transformers` as folders: what imports are held against.

Needs the packages transformers and torch.
"""

import json

import numpy as np

from tests.transformers_models import draw
from tests.whisper_examples import MARKS, MERGES, PIECES, SIZE, sounds

SUPPRESSED, SUPPRESSED_FIRST = [3], [8, 13]


def make_whisper(folder, tied=True, seed=0, **sizes):
    """Saves a random Whisper and its tokenizer; returns it.

    Args:
        sizes: of theirs, over those of `whisper_examples.whisper`.
    """
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: i for i, token in enumerate([*PIECES, *MARKS])}
    special = {
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|endoftext|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "decoder_start_token_id": ids["<|startoftranscript|>"],
    }
    config = transformers.WhisperConfig(
        **{
            "vocab_size": SIZE,
            "d_model": 12,
            "encoder_layers": 2,
            "decoder_layers": 1,
            "encoder_attention_heads": 3,
            "decoder_attention_heads": 3,
            "encoder_ffn_dim": 16,
            "decoder_ffn_dim": 16,
            "num_mel_bins": 8,
            "max_source_positions": 5,
            "max_target_positions": 20,
            **sizes,
        },
        **special,
        tie_word_embeddings=tied,
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    draw(model, seed)
    model.generation_config = transformers.GenerationConfig(
        **special,
        suppress_tokens=SUPPRESSED,
        begin_suppress_tokens=SUPPRESSED_FIRST,
        is_multilingual=True,
    )
    model.save_pretrained(folder)
    marks = {token: i for token, i in ids.items() if token in MARKS}
    pieces = {token: ids[token] for token in [*PIECES, MARKS[0]]}
    for name, content in (
        ("vocab.json", json.dumps(pieces, ensure_ascii=False)),
        ("added_tokens.json", json.dumps(marks, ensure_ascii=False)),
        ("merges.txt", "\n".join(["#version: 0.2", *MERGES, ""])),
    ):
        (folder / name).write_text(content, "utf-8")
    return model


def features_of(samples, num_mel_bins):
    """What their front end makes of samples: float32 `(B, F, M)`."""
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(feature_size=num_mel_bins)
    found = extractor._np_extract_fbank_features(samples, "cpu")
    return np.asarray(found).transpose(0, 2, 1).astype("float32")


def reference(model, samples, token_ids):
    """Logits of theirs: float32 `(B, T, V)`."""
    import torch

    features = features_of(samples, model.config.num_mel_bins)
    with torch.no_grad():
        found = model(
            input_features=torch.tensor(features.transpose(0, 2, 1)),
            decoder_input_ids=torch.tensor(token_ids).long(),
        )
    return found.logits.numpy()


def written(model, samples, rules, beam):
    """What their search writes, a list of lists of ids without the end.

    Scores are sums of log-probabilities, a length penalty of 0, and what is
    suppressed takes no part in them (`renormalize_logits`), as here and in
    OpenAI's own code.
    """
    import torch
    from transformers import GenerationMixin

    features = features_of(samples, model.config.num_mel_bins)
    prompt = [list(rules.prompt)] * len(samples)
    found = GenerationMixin.generate(
        model,
        inputs=torch.tensor(features.transpose(0, 2, 1)),
        decoder_input_ids=torch.tensor(prompt),
        num_beams=beam,
        do_sample=False,
        length_penalty=0.0,
        renormalize_logits=True,
        max_new_tokens=rules.max_new_tokens,
        suppress_tokens=list(rules.banned_ids),
        begin_suppress_tokens=list(rules.banned_first_ids),
    )
    rows = found[:, len(rules.prompt) :].tolist()
    return [
        row[: row.index(rules.end_id)] if rules.end_id in row else row
        for row in rows
    ]


def spoken(max_frames=5):
    """Noise that swells, a tone that fades, as long as such a Whisper hears."""
    samples = sounds(2, max_frames * 320)
    times = np.arange(samples.shape[1])
    samples[1] = np.sin(0.3 * times) * np.linspace(1, 0, len(times))
    return samples
