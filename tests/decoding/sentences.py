"""Sentences to train small language models on."""

import numpy as np

WORDS = "a the dog cat bird runs sees eats big small one".split()


def sentences(count=60, seed=0):
    """Random sentences in which some words follow others more often."""
    draw = np.random.default_rng(seed)
    table = draw.dirichlet(np.full(len(WORDS), 0.3), size=len(WORDS))
    found = []
    for _ in range(count):
        word, line = int(draw.integers(len(WORDS))), []
        for _ in range(int(draw.integers(1, 8))):
            line.append(WORDS[word])
            word = int(draw.choice(len(WORDS), p=table[word]))
        found.append(line)
    return found
