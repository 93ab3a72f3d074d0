"""The options of `keras-selfattn transcribe` that say how it searches."""

from keras_selfattn.commands.terminal import model_source

PRESET = "preset"


def speech_search(preset, beam, lm, phrases, grammar, spellings):
    """The `SpeechSearch` that the options ask for, or None for none of them.

    Args:
        preset: str, as given to `model_source`.
        beam: int, or None.
        lm: str, path of a language model, `preset` for that of the preset
            folder, or None.
        phrases: list of str, or None.
        grammar: path of a JSGF file, or None.
        spellings: path of a file of spellings, or None.

    Raises:
        ValueError: options that do not go together, or files that cannot be
            used.
    """
    asked = (beam, lm, phrases, grammar, spellings)
    if not any(option for option in asked):
        return None
    from keras_selfattn.runtime import speech_search as runtime

    if grammar is not None and (beam or lm or phrases):
        raise ValueError(
            "--grammar says alone what may come out; leave out --beam, --lm "
            "and --phrase, or --grammar."
        )
    if lm == PRESET:
        lm = runtime.preset_language_model(model_source(preset))
    return runtime.SpeechSearch(
        beam=beam or runtime.DEFAULT_BEAM,
        language_model=lm,
        phrases=phrases or (),
        grammar=grammar,
        spellings=spellings,
    )
