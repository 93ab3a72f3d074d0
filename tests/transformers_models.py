"""Random models of `transformers` as folders: what imports are held against.

Every weight is drawn, norms and biases too, so that one that is left out or
put elsewhere shows. Needs the packages transformers and torch.
"""

import numpy as np

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


def draw(model, seed=0):
    """Draws every parameter of a model anew; returns the model."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            scale = 0.5 if parameter.dim() > 1 else 0.2
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
