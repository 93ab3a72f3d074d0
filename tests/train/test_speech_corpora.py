"""train/speech_corpora.py: hours that are drawn."""

import pytest


def test_fewer_hours_are_a_part_of_more(load_script):
    draw = load_script("train/speech_corpora.py").draw_hours
    names = [f"u{i}" for i in range(100)]
    seconds = [3.6 * (1 + i % 3) for i in range(100)]  # 0.199 h
    length = dict(zip(names, seconds, strict=True))
    assert draw(names, seconds, 0, 5) is names
    more, fewer = (draw(names, seconds, hours, 5) for hours in (0.1, 0.05))
    assert set(fewer) < set(more) < set(names)
    assert more == sorted(more, key=names.index)
    for kept, hours in ((more, 0.1), (fewer, 0.05)):
        total = sum(length[name] for name in kept) / 3600
        assert hours - 0.003 < total <= hours
    assert draw(names, seconds, 0.1, 6) != more
    assert len(draw(names, seconds, 1e-9, 5)) == 1
    with pytest.raises(ValueError, match="corpora are 0.20 hours; name no"):
        draw(names, seconds, 0.3, 5)
