"""The names that users may rely on, written out.

A change here is a change of the interface: say so in CHANGELOG.md.
"""

import importlib
import inspect

import pytest

NAMES = {
    "keras_selfattn": {
        "Classification",
        "Classifier",
        "MaskedLM",
        "MultiHeadSelfAttention",
        "SpeechRecognizer",
        "StreamingTranscriber",
        "TextClassifier",
        "Transcriber",
        "Transcript",
        "__version__",
        "convert",
        "data",
        "decoding",
        "export",
        "layers",
        "losses",
        "metrics",
        "models",
        "plots",
        "preprocessing",
        "runtime",
        "tasks",
        "training",
        "zoo",
    },
    "keras_selfattn.zoo": {
        "PresetError",
        "card",
        "check",
        "describe",
        "device_file",
        "index",
        "list_presets",
        "load",
        "resolve",
        "root",
        "seal",
        "verify",
    },
    "keras_selfattn.runtime": {
        "Answer",
        "Classification",
        "Classifier",
        "Generation",
        "ImageGenerator",
        "MaskFiller",
        "ModelError",
        "MoonshineTranscriber",
        "PresetError",
        "SpeechSearch",
        "StreamingTranscriber",
        "TextGenerator",
        "TextToText",
        "Transcriber",
        "Transcript",
        "Translation",
        "Translator",
        "WhisperTranscriber",
    },
    "keras_selfattn.tasks": {
        "CausalLM",
        "ImageGenerator",
        "MaskedLM",
        "MoonshineRecognizer",
        "HybridRecognizer",
        "SpeechRecognizer",
        "Task",
        "TextClassifier",
        "TextToText",
        "Translator",
        "WhisperRecognizer",
    },
}
SIGNATURES = {
    "zoo.card": "(name_or_folder)",
    "zoo.check": "(name_or_folder)",
    "zoo.describe": "(name_or_folder)",
    "zoo.device_file": "(name_or_folder, making=None)",
    "zoo.index": "()",
    "zoo.list_presets": "()",
    "zoo.load": "(name_or_folder)",
    "zoo.resolve": "(name_or_folder)",
    "zoo.root": "()",
    "zoo.seal": "(folder, aliases=())",
    "zoo.verify": "(folder, files=None)",
    "runtime.Classifier": "(source, num_threads=1)",
    "runtime.Classifier.classify": "(self, text)",
    "runtime.Classifier.weights": "(self, text)",
    "runtime.Classification": (
        "(label: str, score: float, scores: dict, num_tokens: int, "
        "known_tokens: int, truncated: bool) -> None"
    ),
    "tasks.TextClassifier": (
        "(labels, tokenizer, encoder=None, pooling='attention', dropout=0.1, "
        "word_dropout=0.0, ngram_dim=8, ngram_dropout=0.3, seed=0, **kwargs)"
    ),
    "tasks.TextClassifier.compile": (
        "(self, optimizer='adamw', loss=None, metrics=None, "
        "label_smoothing=0.0, **kwargs)"
    ),
    "tasks.TextClassifier.classify": (
        "(self, texts, batch_size=64, progress=None)"
    ),
    "tasks.TextClassifier.explain": "(self, text, path=None)",
    "runtime.ImageGenerator": "(source, num_threads=1)",
    "runtime.ImageGenerator.generate": (
        "(self, labels, truncation=2.0, seed=None)"
    ),
    "runtime.SpeechSearch": (
        "(beam=16, language_model=None, lm_weight=0.5, word_bonus=1.5, "
        "unknown_penalty=12.0, phrases=(), phrase_bonus=1.0, num_best=1, "
        "grammar=None, spellings=None, least_score=-2.0)"
    ),
    "runtime.WhisperTranscriber": "(source, num_threads=1)",
    "runtime.WhisperTranscriber.transcribe": (
        "(self, x, progress=None, search=None)"
    ),
    "runtime.MoonshineTranscriber": "(source, num_threads=1)",
    "tasks.MoonshineRecognizer": (
        "(tokenizer, moonshine=None, tokens_per_second=6.5, **kwargs)"
    ),
    "tasks.MoonshineRecognizer.transcribe": (
        "(self, x, beam=1, alpha=1.0, details=False, batch_size=4)"
    ),
    "tasks.WhisperRecognizer.transcribe": (
        "(self, x, beam=1, alpha=1.0, language=None, translate=None, "
        "details=False, batch_size=4, fallback=None)"
    ),
    "tasks.WhisperRecognizer.detect_language": "(self, x, batch_size=4)",
    "tasks.WhisperRecognizer.export": (
        "(self, path, quantize='none', language=None, translate=None, **kwargs)"
    ),
    "runtime.Transcriber": "(source, num_threads=1)",
    "runtime.Transcriber.transcribe": ("(self, x, progress=None, search=None)"),
    "runtime.Transcriber.emissions": "(self, samples)",
    "runtime.StreamingTranscriber": (
        "(source, num_threads=1, endpoint_seconds=1.0, second_pass=False, "
        "search=None)"
    ),
    "runtime.StreamingTranscriber.feed": (
        "(self, samples, sampling_rate_hz=None)"
    ),
    "runtime.StreamingTranscriber.take_segments": "(self)",
    "runtime.StreamingTranscriber.finish": "(self)",
    "runtime.StreamingTranscriber.reset": "(self)",
    "runtime.StreamingTranscriber.snapshot": "(self)",
    "runtime.StreamingTranscriber.restore": "(self, snapshot)",
    "runtime.Translator.align": "(self, text)",
    "runtime.TextGenerator": "(source, num_threads=1)",
    "runtime.TextGenerator.generate": (
        "(self, prompt='', max_tokens=200, **options)"
    ),
    "runtime.TextGenerator.log_probabilities": "(self, text)",
    "runtime.TextToText": "(source, num_threads=1)",
    "runtime.TextToText.generate": (
        "(self, text, beam=1, alpha=1.0, no_repeat_ngram=0, "
        "keep_sentinels=False)"
    ),
    "runtime.Translator": "(source, num_threads=1)",
    "runtime.Translator.translate": (
        "(self, text, beam=1, alpha=1.0, no_repeat_ngram=0)"
    ),
    "runtime.Transcript": (
        "(text: str, words: list, tokens: list, confidence: float, "
        "duration_s: float, real_time_factor: float, alternatives: list = "
        "<factory>, command: dict | None = None) -> None"
    ),
    "runtime.Transcript.to_dict": "(self, file=None)",
    "runtime.Transcript.json": "(self, file=None)",
    "tasks.SpeechRecognizer.transcribe": (
        "(self, x, details=False, batch_size=8, chunk_frames=None)"
    ),
    "tasks.SpeechRecognizer.export": (
        "(self, path, quantize='none', **kwargs)"
    ),
    "tasks.CausalLM.generate": (
        "(self, prompt='', max_tokens=200, search='sample', temperature=1.0, "
        "top_k=None, top_p=1.0, alpha=0.6, beam=4, no_repeat_ngram=0, "
        "num_texts=1, seed=0, rules='gnmt')"
    ),
    "tasks.CausalLM.log_probabilities": "(self, texts, batch_size=32)",
    "tasks.CausalLM.perplexity": "(self, texts, batch_size=32)",
    "tasks.Translator.translate": (
        "(self, texts, beam=4, alpha=1.0, no_repeat_ngram=0, details=False, "
        "batch_size=32)"
    ),
    "tasks.Translator.attention": "(self, text, translation=None)",
    "tasks.MaskedLM": (
        "(tokenizer, encoder=None, head=True, pooling='mean', **kwargs)"
    ),
    "tasks.MaskedLM.fill_mask": "(self, text, top_k=5)",
    "tasks.MaskedLM.embed": (
        "(self, texts, normalize=True, batch_size=32, progress=None)"
    ),
    "tasks.Task.save_hf": "(self, folder)",
    "tasks.Task.save_preset": "(self, folder, name=None, **facts)",
}


@pytest.mark.parametrize("module", sorted(NAMES))
def test_the_public_names_are_these(module):
    module = importlib.import_module(module)
    assert set(module.__all__) == NAMES[module.__name__]
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_they_are_called_like_this(name):
    value = importlib.import_module("keras_selfattn")
    for part in name.split("."):
        value = getattr(value, part)
    assert str(inspect.signature(value)) == SIGNATURES[name]
