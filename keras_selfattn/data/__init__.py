"""Corpus readers, augmentation and the input pipeline.

Nothing is imported here: `corpora` and `augmentation` need no Keras, and
`speech_dataset`, `text_dataset` and `feeding` do.
"""
