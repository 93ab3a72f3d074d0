"""What a preset's file gives for its sample, against what is kept."""

from keras_selfattn.runtime.preset_folder import PresetError

# Between processors, kernels round otherwise.
SCORE_TOLERANCE = 5e-3
LEVEL_TOLERANCE = 2.0  # of 255


def check_reference(folder, reference):
    """Run a preset's .tflite on its sample; compare with its reference.

    Args:
        folder: path of the preset folder.
        reference: dict, "reference" of its preset.json.

    Returns:
        what the file gives; see `zoo.check`.

    Raises:
        PresetError: it differs from the reference.
    """
    if "label" in reference:
        return _check_label(folder, reference)
    if "levels" in reference:
        return _check_images(folder, reference)
    if "masked" in reference:
        return _check_fill(folder, reference)
    if "prompt" in reference:
        from keras_selfattn.runtime.text_generator import TextGenerator

        sample = reference["prompt"]
        answer = TextGenerator(folder).generate(
            sample, len(reference["token_ids"]), search="greedy"
        )
    elif "question" in reference:
        from keras_selfattn.runtime.text_to_text import TextToText

        sample = reference["question"]
        answer = TextToText(folder).generate(sample)
    elif "source" in reference:
        from keras_selfattn.runtime.translator import Translator

        sample = reference["source"]
        answer = Translator(folder).translate(sample)
    else:
        from keras_selfattn.runtime.transcriber import Transcriber

        sample = reference["file"]
        answer = Transcriber(folder).transcribe(folder / sample)
    found = {"text": answer.text, "token_ids": answer.token_ids}
    for key, value in found.items():
        if value != reference[key]:
            raise PresetError(
                f"{folder.name} on {sample}: {key} expected "
                f"{reference[key]!r}, found {value!r}."
            )
    return answer


def _check_label(folder, reference):
    from keras_selfattn.runtime.text_classifier import Classifier

    found = Classifier(folder).classify(reference["text"])
    apart = max(
        abs(found.scores.get(label, -1.0) - score)
        for label, score in reference["scores"].items()
    )
    if found.label != reference["label"] or not apart <= SCORE_TOLERANCE:
        raise PresetError(
            f"{folder.name} on {reference['text']!r}: expected "
            f"{reference['label']!r} and scores {reference['scores']}, found "
            f"{found.label!r} and {found.scores}."
        )
    return found


def _check_fill(folder, reference):
    from keras_selfattn.runtime.mask_filler import MaskFiller

    best = MaskFiller(folder).fill_mask(reference["masked"])[0]
    if best.text != reference["text"]:
        raise PresetError(
            f"{folder.name} on {reference['masked']!r}: expected "
            f"{reference['text']!r}, found {best.text!r}."
        )
    return best


def _check_images(folder, reference):
    import numpy as np

    from keras_selfattn.runtime.image_generator import (
        ImageGenerator,
        coarse_levels,
    )

    found = ImageGenerator(folder).generate(
        reference["labels"], reference["truncation"], reference["seed"]
    )
    levels = coarse_levels(found)
    expected = np.asarray(reference["levels"], "float64")
    same = levels.shape == expected.shape
    apart = abs(levels - expected).max() if same else float("inf")
    if not apart <= LEVEL_TOLERANCE:
        raise PresetError(
            f"{folder.name} draws images whose mean levels are {apart:.1f} of "
            f"255 from those kept; expected {LEVEL_TOLERANCE:g} at most."
        )
    return found
