"""Makes tests/golden/asr_logits.npz: what every backend must compute.

    python -m tests.golden.make_asr_logits

The logits come from `tests.reference`, in NumPy float64, with weights drawn
from each variable's path. Made once and committed: no test runs this.
"""

from pathlib import Path

import librosa
import numpy as np

from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from tests import reference
from tests.arrays import prefix_mask
from tests.fixed_weights import draw_weights

FILE = Path(__file__).parent / "asr_logits.npz"
NUM_SAMPLES = np.array([4800, 3000], "int32")
BLOCK = {
    "hidden_dim": 16,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_dim": 24,
    "kernel_size": 5,
}
STAGES = {
    "rotary": [{**BLOCK, "positions": "rotary"}],
    "relative": [{**BLOCK, "positions": "relative"}],
    "whisper": [
        {
            **BLOCK,
            "strides": [1, 2],
            "block": "transformer",
            "positions": "sinusoidal",
        },
        {**BLOCK, "strides": [2], "num_layers": 1},
    ],
}


def samples():
    """Two rows of tones and noise, zero after `NUM_SAMPLES`."""
    t = np.arange(4800) / 16000
    noise = np.random.default_rng(0).normal(size=(2, 4800))
    rows = 0.3 * np.sin(2 * np.pi * np.array([[300], [700]]) * t * (1 + t))
    rows = (rows + 0.02 * noise) * prefix_mask(NUM_SAMPLES, 4800)
    return rows.astype("float32")


def recognizer(stages):
    """A small recogniser whose weights depend on their paths only."""
    return draw_weights(
        SpeechRecognizer(
            LogMelSpectrogram(num_mel_bins=12),
            ConformerEncoder(12, stages),
            CharacterTokenizer(),
        )
    )


def expected_logits(stages):
    """The same recogniser by the plain formulas, float64 `(2, T, V)`."""
    w = reference.weights_of(recognizer(stages))
    rows = [
        librosa.feature.melspectrogram(
            y=row.astype("float64"),
            sr=16000,
            n_fft=400,
            hop_length=160,
            pad_mode="constant",
            n_mels=12,
        ).T[:30]
        for row in samples()
    ]
    x = 0.25 * np.log10(np.maximum(rows, 1e-7)) + 1.0
    mask = prefix_mask(-(-NUM_SAMPLES // 160), 30)
    for i, stage in enumerate(stages):
        x, mask = reference.subsampling(
            x,
            reference.below(w, f"stage_{i}_subsampling"),
            stage.get("strides", [2, 2]),
            mask,
        )
        if stage.get("positions") == "sinusoidal":
            x = x + [reference.sinusoid(t, 16) for t in range(x.shape[1])]
        for j in range(stage["num_layers"]):
            part = reference.below(w, f"stage_{i}_block_{j}")
            if stage.get("block") == "transformer":
                x = reference.encoder_block(
                    x, part, 2, "gelu", True, mask[:, None, None]
                )
            else:
                positions = stage.get("positions", "rotary")
                x = reference.conformer_block(x, part, 2, positions, mask)
        if stage.get("block") == "transformer":
            x = reference.layer_norm(x, reference.below(w, f"stage_{i}_norm"))
    return reference.dense(x, reference.below(w, "ctc_head"))


def main():
    """Write the file anew."""
    logits = {name: expected_logits(s) for name, s in STAGES.items()}
    np.savez_compressed(
        FILE, **{name: x.astype("float32") for name, x in logits.items()}
    )
    print(FILE.name, {name: x.shape for name, x in logits.items()})


if __name__ == "__main__":
    main()
