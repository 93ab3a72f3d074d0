"""Traditional characters become simplified ones, each alone."""

import builtins

import pytest

from keras_selfattn.preprocessing.chinese_script import (
    traditional_to_simplified,
)


def test_every_character_has_one_in_its_place():
    pytest.importorskip("opencc")
    before, after = traditional_to_simplified()
    assert len(before) == len(after) == len(set(before)) > 2_000
    table = str.maketrans(before, after)
    assert "我們說漢語，他們來過".translate(table) == "我们说汉语，他们来过"
    plain = "我们说汉语 abc １２。"
    assert plain.translate(table) == plain


def test_without_opencc_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "opencc":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install opencc"):
        traditional_to_simplified()
