import json

import pytest

from keras_selfattn.convert.generation_rules import beam_rules

FORCED, FREE = "transformers_forced", "transformers"


@pytest.mark.parametrize(
    ("generation", "config", "rules"),
    [
        (None, {}, FREE),
        (None, {"forced_eos_token_id": 0}, FORCED),
        ({"forced_eos_token_id": 1}, {}, FORCED),
        # The file of its own counts alone.
        ({"forced_eos_token_id": None}, {"forced_eos_token_id": 0}, FREE),
    ],
)
def test_an_end_that_is_forced_is_a_rule(tmp_path, generation, config, rules):
    if generation is not None:
        path = tmp_path / "generation_config.json"
        path.write_text(json.dumps(generation))
    assert beam_rules(tmp_path, config) == rules
