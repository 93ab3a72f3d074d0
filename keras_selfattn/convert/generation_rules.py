"""How a checkpoint's texts are searched for."""

from keras_selfattn.convert.hf_tokenizer import read_json


def beam_rules(folder, config):
    """The rules of a checkpoint's beams; see `decoding.beam_search`.

    Args:
        folder: `pathlib.Path` of the checkpoint; its `generation_config.json`
            is asked where there is one.
        config: dict, its config.json.

    Returns:
        "transformers_forced" where a text's last place is given to the end,
        else "transformers".
    """
    path = folder / "generation_config.json"
    given = read_json(path) if path.is_file() else config
    forced = given.get("forced_eos_token_id") is not None
    return "transformers_forced" if forced else "transformers"
