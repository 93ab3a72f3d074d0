"""Random models of `transformers` as folders: what imports are held against.

Every weight is drawn, norms and biases too, so that one that is left out or
put elsewhere shows. Needs the packages transformers and torch.
"""

import json

import numpy as np

from tests.text_to_text_examples import sentinel_tokenizer

WORDS = "the cat sat on a mat dog ran ##s ##ing ##er un ##un , . ! ' caf ##e"
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [
    *MARKS,
    *WORDS.split(),
    *"bdfghijk",
    *(f"##{c}" for c in "abcdfgh"),
]
BYTE_MARKS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SENTENCES = ["the cat sat on the mat", "the dog ran on", "a cat and a dog"]
KINDS = ("bert", "roberta", "distilbert")


def write_tokenizer(kind, folder):
    """Writes the tokenizer's files; returns the number of its tokens."""
    if kind != "roberta":
        text = "".join(f"{token}\n" for token in VOCABULARY)
        (folder / "vocab.txt").write_text(text, "utf-8")
        return len(VOCABULARY)
    return write_byte_pairs(folder, BYTE_MARKS)


def make_model(
    kind,
    folder,
    dim=6,
    heads=3,
    layers=2,
    inner=10,
    places=22,
    head=True,
    tied=True,
    seed=0,
):
    """Saves a random model of `transformers` and its tokenizer; returns it."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    size = write_tokenizer(kind, folder)
    if kind == "distilbert":
        name, sizes = (
            "DistilBert",
            {
                "dim": dim,
                "n_layers": layers,
                "n_heads": heads,
                "hidden_dim": inner,
            },
        )
    else:
        name, sizes = (
            {"bert": "Bert", "roberta": "Roberta"}[kind],
            {
                "hidden_size": dim,
                "num_hidden_layers": layers,
                "num_attention_heads": heads,
                "intermediate_size": inner,
            },
        )
    config = getattr(transformers, f"{name}Config")(
        vocab_size=size,
        max_position_embeddings=places,
        tie_word_embeddings=tied,
        **sizes,
    )
    cls = getattr(transformers, name + ("ForMaskedLM" if head else "Model"))
    model = draw(cls(config).eval(), seed)
    model.save_pretrained(folder)
    return model


def write_byte_pairs(folder, marks):
    """Writes a vocabulary of byte pairs behind marks; returns its size."""
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        SENTENCES, 280, min_frequency=2, special_tokens=marks
    )
    tokenizer.save_model(str(folder))
    return tokenizer.get_vocab_size()


def make_gpt2(folder, dim=6, heads=3, layers=2, tied=True):
    """Saves a random GPT-2 of 16 places and its tokenizer; returns it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder.mkdir(parents=True, exist_ok=True)
    config = GPT2Config(
        vocab_size=write_byte_pairs(folder, ["<|endoftext|>"]),
        n_embd=dim,
        n_head=heads,
        n_layer=layers,
        n_positions=16,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=tied,
    )
    model = draw(GPT2LMHeadModel(config).eval())
    model.save_pretrained(folder)
    return model


GERMAN = ["die katze sass auf der matte", "ein hund und eine katze", "sss"]


def write_pieces(folder, separate=False, rule="identity"):
    """Writes Marian's tokenizer; returns how many tokens each side has."""
    import io

    import sentencepiece

    pieces = []
    for name, texts in (("source", SENTENCES), ("target", GERMAN)):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=24,
            hard_vocab_limit=False,
            normalization_rule_name=rule,
            minloglevel=2,
        )
        (folder / f"{name}.spm").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(
            model_proto=model.getvalue()
        )
        size = processor.get_piece_size()
        pieces.append([processor.id_to_piece(i) for i in range(3, size)])
    lists = [[">>de<<", *pieces[0]], pieces[1]]
    if separate:  # as many of each: padding has one id
        lacking = len(lists[0]) - len(lists[1])
        lists[lacking > 0] += [f"x{i}" for i in range(abs(lacking))]
    else:
        lists = [sum(lists, [])]
    sizes = []
    for name, tokens in zip(("vocab", "target_vocab"), lists):
        tokens = dict.fromkeys(["</s>", "<unk>", *tokens, "<pad>"])
        ids = {token: i for i, token in enumerate(tokens)}
        (folder / f"{name}.json").write_text(json.dumps(ids), "utf-8")
        sizes.append(len(ids))
    options = {
        "tokenizer_class": "MarianTokenizer",
        "separate_vocabs": separate,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(options))
    return sizes[0], sizes[-1]


def make_marian(
    folder,
    dim=6,
    heads=3,
    layers=(2, 1),
    inner=10,
    tied=True,
    shared=True,
    scaled=True,
    forced=True,
    rule="identity",
    end=1.0,
):
    """Saves a random Marian translator of 40 places; returns it.

    Args:
        end: float, more of it makes texts shorter.
    """
    import torch
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir(parents=True, exist_ok=True)
    sizes = write_pieces(folder, not shared, rule)
    padding = sizes[0] - 1
    config = MarianConfig(
        vocab_size=sizes[0],
        decoder_vocab_size=sizes[1],
        d_model=dim,
        encoder_layers=layers[0],
        decoder_layers=layers[1],
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        max_position_embeddings=40,
        activation_function="swish",
        scale_embedding=scaled,
        pad_token_id=padding,
        decoder_start_token_id=padding,
        eos_token_id=0,
        forced_eos_token_id=0 if forced else None,
        tie_word_embeddings=tied,
        share_encoder_decoder_embeddings=shared,
    )
    model = draw(MarianMTModel(config).eval())
    generator = torch.Generator().manual_seed(1)
    size = model.final_logits_bias.shape
    model.final_logits_bias.copy_(torch.randn(size, generator=generator))
    model.final_logits_bias[0, 0] += end
    model.generation_config.bad_words_ids = [[padding]]
    model.save_pretrained(folder)
    return model


def marian_logits(model, source, target):
    """Of its own ids, arrays; padding of the source is not attended."""
    import torch

    source, target = (
        torch.tensor(np.asarray(x)).long() for x in (source, target)
    )
    mask = (source != model.config.pad_token_id).long()
    with torch.no_grad():
        found = model(
            input_ids=source, attention_mask=mask, decoder_input_ids=target
        )
    return found.logits.numpy()


def marian_writes(model, source, beams, alpha=1.0):
    """What it writes for a list of its ids, by its ids, without marks.

    As long as a Translator may write: twice the source and ten, and an end.
    """
    import torch

    forced = model.generation_config.forced_eos_token_id is not None
    found = model.generate(
        torch.tensor([list(source)]),
        max_new_tokens=2 * len(source) + 10 + forced,
        num_beams=beams,
        do_sample=False,
        length_penalty=alpha,
    )[0].tolist()
    return [i for i in found if i not in (0, model.config.pad_token_id)]


def make_t5(
    folder,
    dim=12,
    heads=3,
    head_dim=5,
    layers=2,
    inner=16,
    tied=True,
    activation="relu",
    buckets=(8, 16),
    seed=0,
):
    """Saves a random T5 of 40 tokens, two more than its tokenizer's."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=40,
        d_model=dim,
        d_kv=head_dim,
        d_ff=inner,
        num_layers=layers,
        num_heads=heads,
        feed_forward_proj=activation,
        relative_attention_num_buckets=buckets[0],
        relative_attention_max_distance=buckets[1],
        decoder_start_token_id=0,
        tie_word_embeddings=tied,
    )
    model = T5ForConditionalGeneration(config).eval()
    if not tied:  # what they have untied in files only
        own = model.lm_head.weight.detach().clone()
        model.lm_head.weight = torch.nn.Parameter(own)
    # Smaller ones: its scores are not scaled, and roundings would grow.
    draw(model, seed, 0.3).save_pretrained(folder)
    tokenizer = sentinel_tokenizer()
    (folder / "spiece.model").write_bytes(tokenizer.model_bytes)
    options = {"tokenizer_class": "T5Tokenizer", "extra_ids": 10}
    text = json.dumps(options, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text)
    return model


def t5_logits(model, source_ids, target_ids):
    """Logits of a T5 of theirs, array `(B, T, V)`."""
    import torch

    source, target = (torch.tensor(x).long() for x in (source_ids, target_ids))
    with torch.no_grad():
        found = model(
            input_ids=source,
            attention_mask=(source != 0).long(),
            decoder_input_ids=target,
        )
    return found.logits.numpy()


def t5_text(model, source_ids, beam, limit, alpha=0.0):
    """What theirs writes for one source, without the end: list of int.

    Padding and what their tokenizer has not are never written.
    """
    import torch

    found = model.generate(
        torch.tensor([source_ids]),
        num_beams=beam,
        do_sample=False,
        max_new_tokens=limit,
        suppress_tokens=[0, 38, 39],
        **({"length_penalty": alpha} if beam > 1 else {}),
    )[0].tolist()[1:]
    return found[: found.index(1)] if 1 in found else found


def t5_rows(source_length=21, target_length=19, seed=0):
    """Two sources, the second padded, and two targets, int32."""
    random = np.random.default_rng(seed)
    source = random.integers(3, 38, (2, source_length)).astype("int32")
    source[1, source_length // 2 :] = 0
    target = random.integers(3, 38, (2, target_length)).astype("int32")
    target[:, 0] = 0
    return source, target


def draw(model, seed=0, size=0.5):
    """Draws all that a model learns anew; returns the model."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.requires_grad:
                continue
            drawn = torch.randn(parameter.shape, generator=generator)
            scale = size if parameter.dim() > 1 else 0.2
            one = parameter.dim() == 1 and bool((parameter == 1).all())
            parameter.copy_(scale * drawn + one)
    return model


def reference(model, token_ids, padding_id):
    """Logits (without a head hidden states) and the mask: arrays."""
    import torch

    ids = torch.tensor(np.asarray(token_ids)).long()
    mask = ids != padding_id
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask.long())
    return found[0].numpy(), mask.numpy()


def token_rows(size, places, padding_id, seed=0):
    """Two rows of ids, int32 `(2, places)`, the second padded."""
    ids = np.random.default_rng(seed).integers(5, size, (2, places))
    ids[1, places // 2 :] = padding_id
    return ids.astype("int32")
