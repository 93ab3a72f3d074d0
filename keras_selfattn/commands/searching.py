"""The options of `keras-selfattn transcribe` that say how it searches."""

from keras_selfattn.commands.terminal import model_source

PRESET, NONE = "preset", "none"


def speech_search(preset, beam, lm, phrases, grammar, spellings):
    """The `SpeechSearch` that the options ask for, or None for best tokens.

    Args:
        preset: str, as given to `model_source`.
        beam: int, or None.
        lm: str, path of a language model, `preset` for that of the preset
            folder, `none` for none, or None: the preset's if it has one and
            no grammar is given.
        phrases: list of str, or None.
        grammar: path of a JSGF file, or None.
        spellings: path of a file of spellings, or None.

    Raises:
        ValueError: options that do not go together, or files that cannot be
            used.
    """
    from keras_selfattn.runtime import speech_search as runtime

    if grammar is not None and (beam or lm or phrases):
        raise ValueError(
            "--grammar says alone what may come out; leave out --beam, --lm "
            "and --phrase, or --grammar."
        )
    if lm == PRESET or (lm is None and grammar is None):
        lm = runtime.preset_language_model(
            model_source(preset), required=lm == PRESET
        )
    elif lm == NONE:
        lm = None
    if not any((beam, lm, phrases, grammar, spellings)):
        return None
    return runtime.SpeechSearch(
        beam=beam or runtime.DEFAULT_BEAM,
        language_model=lm,
        phrases=phrases or (),
        grammar=grammar,
        spellings=spellings,
    )
