"""Batches of speech: what is in them, that they repeat, that fit eats them."""

import keras
import numpy as np
import pytest
import soundfile

from keras_selfattn.data.augmentation import Augmenter
from keras_selfattn.data.corpora import SpeechExample
from keras_selfattn.data.speech_dataset import SpeechDataset
from keras_selfattn.data.timed_feed import TimedFeed
from keras_selfattn.preprocessing.audio import AudioError
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer

RATE_HZ = 16000
TEXTS = ["yes", "no", "good day", "stop", "a b c", "well done", "see", "hm"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Sixteen tones of 0.3 to 1.8 seconds; the amplitude says which one."""
    folder = tmp_path_factory.mktemp("tones")
    examples = []
    for number in range(16):
        seconds = 0.3 + 0.1 * number
        time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        path = folder / f"{number}.wav"
        samples = 0.05 * (number + 1) * np.sin(2 * np.pi * 300 * time)
        soundfile.write(path, samples, RATE_HZ)
        text = TEXTS[number % len(TEXTS)]
        examples.append(SpeechExample(path, text, "x", seconds, "train"))
    return examples


def make(examples, **kwargs):
    kwargs = {"batch_size": 4, "progress": False, **kwargs}
    return SpeechDataset(examples, CharacterTokenizer(), **kwargs)


def assert_same(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for (x, y), (x_again, y_again) in zip(first, second, strict=True):
        np.testing.assert_array_equal(x["samples"], x_again["samples"])
        np.testing.assert_array_equal(x["num_samples"], x_again["num_samples"])
        np.testing.assert_array_equal(y, y_again)


def test_a_batch_holds_its_examples(examples):
    dataset = make(examples, length_multiple_seconds=0.25)
    tokenizer = CharacterTokenizer()
    seen = []
    for index in range(len(dataset)):
        inputs, token_ids = dataset[index]
        samples, num_samples = inputs["samples"], inputs["num_samples"]
        assert samples.dtype == np.float32
        assert num_samples.dtype == token_ids.dtype == np.int32
        assert samples.shape[1] % 4000 == 0
        assert samples.shape[1] - num_samples.max() < 2 * 4000
        rows = dataset.batch_examples(index)
        seen += rows
        for row, example in enumerate(rows):
            expected, _ = soundfile.read(example.path)
            length = num_samples[row]
            assert length == len(expected)
            assert np.abs(samples[row, :length] - expected).max() < 1e-6
            assert not samples[row, length:].any()
            assert tokenizer.decode(token_ids[row]) == example.text
    assert sorted(e.path for e in seen) == sorted(e.path for e in examples)


def test_the_number_of_shapes_is_the_number_of_lengths(examples):
    dataset = make(examples, batch_size=2, length_multiple_seconds=1.0)
    shapes = {
        (x["samples"].shape, y.shape)
        for epoch in range(5)
        for x, y in epoch_of(dataset, epoch)
    }
    assert len(shapes) == 2


def epoch_of(dataset, epoch, **kwargs):
    dataset.set_epoch(epoch, **kwargs)
    return list(dataset.batches())


AUGMENTER = Augmenter(
    noises=[np.random.default_rng(0).normal(size=3000).astype("float32")]
)


def test_an_epoch_is_a_function_of_seed_and_number(examples):
    first = make(examples, augmenter=AUGMENTER, seed=5)
    epochs = [epoch_of(first, epoch) for epoch in range(3)]
    second = make(examples, augmenter=AUGMENTER, seed=5, workers=3)
    assert_same(epochs[2], epoch_of(second, 2))
    assert_same(epochs[0], epoch_of(second, 0))
    assert_same(epochs[1][2:], epoch_of(second, 1, first_batch=2))
    other = make(examples, augmenter=AUGMENTER, seed=6)
    with pytest.raises(AssertionError):
        assert_same(epochs[0], epoch_of(other, 0))
    with pytest.raises(AssertionError):
        assert_same(epochs[0], epochs[1])


def test_first_batch_must_be_in_the_epoch(examples):
    dataset = make(examples)
    dataset.set_epoch(0, first_batch=4)
    assert len(dataset) == 0
    with pytest.raises(ValueError, match="first_batch=5.*4 batches"):
        dataset.set_epoch(0, first_batch=5)


def test_decoding_on_the_fly_gives_the_same(examples):
    cached = make(examples, augmenter=AUGMENTER)
    direct = make(examples, augmenter=AUGMENTER, cache=False)
    for (x, y), (x_direct, y_direct) in zip(
        epoch_of(cached, 0), epoch_of(direct, 0), strict=True
    ):
        np.testing.assert_allclose(x["samples"], x_direct["samples"], atol=1e-6)
        np.testing.assert_array_equal(y, y_direct)


def test_a_file_longer_than_its_corpus_says_still_fits(examples):
    short = SpeechExample(examples[-1].path, "yes", "x", 0.4, "train")
    inputs, _ = make([short], cache=False)[0]
    assert inputs["num_samples"][0] == 28800
    assert inputs["samples"].shape == (1, 32000)


def test_speed_changes_lengths_and_batches_know_it(examples):
    dataset = make(
        examples,
        augmenter=Augmenter(speeds=(0.8, 1.25), gain_db=(0, 0)),
        augment_from_epoch=1,
        length_multiple_seconds=0.1,
    )
    plain = [x["num_samples"] for x, _ in epoch_of(dataset, 0)]
    lengths = {len(soundfile.read(e.path)[0]) for e in examples}
    assert set(np.concatenate(plain)) == lengths
    for index, (x, _) in enumerate(epoch_of(dataset, 1)):
        for row, example in enumerate(dataset.batch_examples(index)):
            seconds = x["num_samples"][row] / RATE_HZ
            ratio = seconds / example.duration_s
            assert min(abs(ratio - 0.8), abs(ratio - 1.25)) < 0.01
    assert x["samples"].shape[1] % 1600 == 0


def test_the_curriculum_goes_from_short_to_long(examples):
    dataset = make(examples, batch_size=2, shortest_first_epochs=1)
    lengths = [x["samples"].shape[1] for x, _ in epoch_of(dataset, 0)]
    assert lengths == sorted(lengths)
    orders = [
        [x["samples"].shape[1] for x, _ in epoch_of(dataset, epoch)]
        for epoch in range(1, 4)
    ]
    assert any(order != sorted(order) for order in orders)


def test_without_shuffling_every_epoch_is_the_same(examples):
    dataset = make(examples, shuffle=False)
    assert_same(epoch_of(dataset, 0), epoch_of(dataset, 7))


def test_a_budget_of_seconds(examples):
    dataset = make(examples, batch_size=None, batch_seconds=4.0)
    sizes = [x["samples"].size for x, _ in dataset.batches()]
    assert max(sizes) <= 4.0 * RATE_HZ
    assert dataset.padded_seconds == sum(sizes) / RATE_HZ
    assert max(len(dataset[i][1]) for i in range(len(dataset))) > 2


def test_what_cannot_be_used_is_left_out_and_counted(
    examples, tmp_path, capsys
):
    (tmp_path / "bad.wav").write_bytes(b"words")
    good = examples[5]

    def variant(**changes):
        fields = {name: getattr(good, name) for name in good.__slots__}
        return SpeechExample(**{**fields, **changes})

    bad = {
        "text that cannot be spelled": variant(text="你好"),
        "no text": variant(text=" ..."),
        "too long": variant(duration_s=21.0),
        "too much text for the frames": variant(text="a" * 11),
        "sound that cannot be read": variant(path=tmp_path / "bad.wav"),
    }
    dataset = make([good, *bad.values()], progress=True)
    assert dataset.examples == [good]
    assert {reason: [e] for reason, e in bad.items()} == dataset.dropped
    printed = capsys.readouterr().err
    assert "1 utterances kept" in printed
    assert all(f"1 {reason}" in printed for reason in bad)
    with pytest.raises(ValueError, match="No utterance can be used.*1 no text"):
        make(list(bad.values()))
    with pytest.raises(ValueError, match="No utterance"):
        make([])


def test_speeding_up_must_leave_frames_for_the_text(examples):
    # 0.8 s are 20 frames; this text needs 17 and one is kept free.
    example = SpeechExample(
        examples[5].path, "abcdefgabcdefgabc", "x", 0.8, "train"
    )
    assert len(make([example]).examples) == 1
    with pytest.raises(ValueError, match="too much text"):
        make([example], augmenter=Augmenter(speeds=(1.0, 1.2)))


def test_a_bad_file_read_on_the_fly_raises(examples, tmp_path):
    gone = SpeechExample(tmp_path / "gone.wav", "yes", "x", 1.0, "train")
    dataset = make([*examples, gone], cache=False)
    with pytest.raises(AudioError, match="gone.wav"):
        list(dataset.batches())


def test_bad_settings_are_refused(examples):
    with pytest.raises(ValueError, match="workers=0"):
        make(examples, workers=0)
    with pytest.raises(ValueError, match="one of batch_size"):
        make(examples, batch_seconds=3.0)
    with pytest.raises(IndexError, match="batch 4 of 4"):
        make(examples)[4]


def counting_model():
    """Its loss is the mean of loudness + number of tokens over the rows."""
    samples = keras.Input((None,), name="samples")
    num_samples = keras.Input((), dtype="int32", name="num_samples")
    length = keras.ops.expand_dims(keras.ops.cast(num_samples, "float32"), 1)
    total = keras.ops.sum(keras.ops.abs(samples), axis=1, keepdims=True)
    output = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(
        {"samples": samples, "num_samples": num_samples},
        output(total / length),
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.0),
        loss=lambda y, p: keras.ops.mean(
            p[:, 0] + keras.ops.sum(keras.ops.cast(y > 0, "float32"), axis=1)
        ),
        jit_compile=False,
    )
    return model


@pytest.mark.backend
@pytest.mark.parametrize("workers", [1, 2])
def test_fit_takes_batches_of_changing_shape(examples, workers):
    dataset = make(examples, workers=workers, batch_size=3)
    model = counting_model()
    for epoch in range(2):
        expected = [
            np.mean(
                np.abs(x["samples"]).sum(1) / x["num_samples"] + (y > 0).sum(1)
            )
            for x, y in epoch_of(dataset, epoch)
        ]
        rows = [len(x["samples"]) for x, _ in dataset.batches()]
        assert len({x["samples"].shape for x, _ in dataset.batches()}) > 2
        history = model.fit(dataset.for_backend(), shuffle=False, verbose=0)
        np.testing.assert_allclose(
            history.history["loss"],
            [np.average(expected, weights=rows)],
            rtol=1e-4,
        )


@pytest.mark.backend
def test_fit_keeps_the_order_of_the_dataset(examples):
    dataset = make(examples, batch_size=2)
    dataset.set_epoch(3)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"] * (batch + 1))

    counting_model().fit(
        dataset.for_backend(), shuffle=False, verbose=0, callbacks=[Watch()]
    )
    losses = np.diff(seen, prepend=0.0)  # Keras logs the running mean
    expected = [
        np.mean(np.abs(x["samples"]).sum(1) / x["num_samples"])
        + np.mean((y > 0).sum(1))
        for x, y in dataset.batches()
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-3)


@pytest.mark.backend
def test_tensorflow_alone_gets_a_tf_dataset(examples):
    dataset = make(examples)
    fed = dataset.for_backend()
    if keras.backend.backend() == "tensorflow":
        assert_same(fed.as_numpy_iterator(), dataset.batches())
    else:
        assert isinstance(fed, TimedFeed)
        assert_same(fed.batches(), dataset.batches())
