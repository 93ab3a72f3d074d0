"""What a language model reads and writes, by any tokenizer. No Keras.

A tokenizer of ours marks the beginning and the end of a text by `<s>` and
`</s>`, and id 0 is padding. A SubwordTokenizer came with somebody else's
model: its marks are whatever that was trained with, and id 0 may be a token
like any other.
"""

from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.vocabulary import (
    BOS,
    EOS,
    is_special,
    written_text,
)


def causal_marks(tokenizer):
    """The ids that stand for no text.

    Args:
        tokenizer: of `tokenizers`, or a SubwordTokenizer.

    Returns:
        dict of "begin_id" and "end_id", int or None; "padding_id", int;
        "banned_ids", a list of those that are never written.
    """
    vocabulary = tokenizer.vocabulary
    if isinstance(tokenizer, SubwordTokenizer):
        names = (tokenizer.start, tokenizer.end)
        special, padding_id = tokenizer.special_ids, tokenizer.padding_id
    else:
        names, padding_id = (BOS, EOS), 0
        special = [i for i, x in enumerate(vocabulary) if is_special(x)]
    begin_id, end_id = (
        vocabulary.index(name) if name in vocabulary else None for name in names
    )
    return {
        "begin_id": begin_id,
        "end_id": end_id,
        "padding_id": padding_id,
        "banned_ids": [i for i in special if i != end_id],
    }


def causal_ids(tokenizer, text, begin_id, end_id, ended=True):
    """Token ids of a text: begin, text and, if `ended`, end, where they are.

    A beginning without a token (an empty prompt, where there is no begin) is
    the end of the text before, as GPT-2 has it.
    """
    encode = tokenizer.encode
    if isinstance(tokenizer, SubwordTokenizer):
        encode = tokenizer.text_ids
    ids = [*([] if begin_id is None else [begin_id]), *encode(text)]
    if end_id is not None and (ended or not ids):
        ids.append(end_id)
    return ids


def causal_text(tokenizer, ids):
    """The text of ids, with blanks and line ends as they were written."""
    if isinstance(tokenizer, SubwordTokenizer):
        return tokenizer.decode(ids)
    return written_text(ids, tokenizer.vocabulary)
