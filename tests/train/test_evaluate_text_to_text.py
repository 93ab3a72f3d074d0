"""train/evaluate_text_to_text.py: the sets that are measured."""

import pytest


@pytest.fixture
def script(load_script):
    return load_script("train/evaluate_text_to_text.py")


def test_sets_are_tables_and_what_the_training_made_up(script, tmp_path):
    (tmp_path / "t.tsv").write_text(
        "split\tlabel\ttext\ndev\tpos\tfine\ntest\tneg\tdull\n"
    )
    found = script.read_sets(
        ["mood=t.tsv:dev", "mood=t.tsv:test"],
        ["mood:pos=good,neg=bad"],
        tmp_path,
        22,
    )
    assert [(p.source, p.target) for p in found["mood", "test"]] == [
        ("mood: dull", "bad")
    ]
    assert found["mood", "dev"][0].target == "good"
    made_up = {task for task, split in found if split == script.MADE_UP}
    assert made_up == {"number", "spell", "reverse"}
    for pair in found["spell", script.MADE_UP]:
        word = pair.source.removeprefix("spell: ")
        assert pair.target == " ".join(word)


def test_what_cannot_be_measured_is_said(script, tmp_path):
    with pytest.raises(ValueError, match="Nothing to measure"):
        script.read_sets([], [], tmp_path, 0)
    with pytest.raises(ValueError, match="expected NAME=TABLE:SPLIT"):
        script.read_sets(["t.tsv:dev"], [], tmp_path, 0)
