"""Going on with a text, by any of the searches. Numpy only."""

from keras_selfattn.decoding.beam_search import beam_search
from keras_selfattn.decoding.contrastive_search import contrastive_search
from keras_selfattn.decoding.greedy_search import greedy_search
from keras_selfattn.decoding.sampling import sample

SEARCHES = ("sample", "greedy", "beam", "contrastive")


def continue_tokens(
    context,
    token_ids,
    max_tokens,
    search="sample",
    temperature=1.0,
    top_k=None,
    top_p=1.0,
    alpha=0.6,
    beam=4,
    no_repeat_ngram=0,
    num_texts=1,
    seed=0,
    eos_id=None,
    banned_ids=(),
    rules="gnmt",
):
    """Writes tokens behind a beginning.

    Args:
        context: `CausalContext`.
        token_ids: non-empty list of int, the beginning.
        max_tokens: int >= 1, most tokens that are written.
        search: "sample", "greedy", "beam" or "contrastive".
        temperature: float > 0, of "sample"; see `sampling`.
        top_k: int, tokens that are drawn from ("sample"; default 0, all), or
            candidates ("contrastive"; default 4).
        top_p: float in (0, 1], of "sample".
        alpha: float, of "contrastive" and, as length penalty, of "beam".
        beam: int >= 1, of "beam".
        no_repeat_ngram: int, so many tokens in a row stand once in what is
            written; 0 for no such rule. Not for "contrastive".
        num_texts: int >= 1, continuations; more than one for "sample", and
            for "beam" up to `beam`.
        seed: int, of "sample".
        eos_id: int, the token that ends a text, or None.
        banned_ids: ints never written.
        rules: of "beam"; see `beam_search`.

    Returns:
        list of `num_texts` int32 arrays, without `token_ids` and `eos_id`.

    Raises:
        ValueError: for a setting out of its range.
    """
    if search not in SEARCHES:
        raise ValueError(
            f"search={search!r} is unknown; use one of {SEARCHES}."
        )
    most = {"sample": num_texts, "beam": beam}.get(search, 1)
    if max_tokens < 1 or not 1 <= num_texts <= most:
        raise ValueError(
            f"max_tokens={max_tokens}, num_texts={num_texts}; expected "
            f"max_tokens >= 1 and num_texts from 1 to {max(most, 1)} for "
            f"search={search!r}."
        )
    if no_repeat_ngram and search == "contrastive":
        raise ValueError(
            "no_repeat_ngram does not go with search='contrastive', which "
            "keeps from repeating by itself; leave it out."
        )
    rows = {"sample": num_texts, "beam": beam}.get(search, 1)
    state, hidden = context.start(token_ids, rows)
    last = int(token_ids[-1])
    eos_id = -1 if eos_id is None else eos_id
    options = {"banned_ids": banned_ids, "no_repeat_ngram": no_repeat_ngram}
    if search == "contrastive":
        return contrastive_search(
            context.step_hidden,
            state,
            hidden,
            1,
            max_tokens,
            last,
            eos_id,
            4 if top_k is None else top_k,
            alpha,
            banned_ids,
        )
    common = (max_tokens, last, eos_id)
    if search == "greedy":
        return greedy_search(context.step, state, 1, *common, **options)
    if search == "beam":
        (found,) = beam_search(
            context.step,
            state,
            1,
            beam,
            *common,
            alpha=alpha,
            num_best=num_texts,
            rules=rules,
            **options,
        )
        return [ids for ids, _ in found]
    return sample(
        context.step,
        state,
        num_texts,
        *common,
        temperature=temperature,
        top_k=top_k or 0,
        top_p=top_p,
        seed=seed,
        **options,
    )
