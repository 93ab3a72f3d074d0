"""Languages that Whisper knows, by code and by name. Standard library only."""

# As Whisper's marks have them: `<|en|>`; "yue" since its third large model.
_NAMES = """
af afrikaans, am amharic, ar arabic, as assamese, az azerbaijani, ba bashkir,
be belarusian, bg bulgarian, bn bengali, bo tibetan, br breton, bs bosnian,
ca catalan, cs czech, cy welsh, da danish, de german, el greek, en english,
es spanish, et estonian, eu basque, fa persian, fi finnish, fo faroese,
fr french, gl galician, gu gujarati, ha hausa, haw hawaiian, he hebrew,
hi hindi, hr croatian, ht haitian creole, hu hungarian, hy armenian,
id indonesian, is icelandic, it italian, ja japanese, jw javanese, ka georgian,
kk kazakh, km khmer, kn kannada, ko korean, la latin, lb luxembourgish,
ln lingala, lo lao, lt lithuanian, lv latvian, mg malagasy, mi maori,
mk macedonian, ml malayalam, mn mongolian, mr marathi, ms malay, mt maltese,
my myanmar, ne nepali, nl dutch, nn nynorsk, no norwegian, oc occitan,
pa punjabi, pl polish, ps pashto, pt portuguese, ro romanian, ru russian,
sa sanskrit, sd sindhi, si sinhala, sk slovak, sl slovenian, sn shona,
so somali, sq albanian, sr serbian, su sundanese, sv swedish, sw swahili,
ta tamil, te telugu, tg tajik, th thai, tk turkmen, tl tagalog, tr turkish,
tt tatar, uk ukrainian, ur urdu, uz uzbek, vi vietnamese, yi yiddish,
yo yoruba, yue cantonese, zh chinese
"""
LANGUAGES = dict(
    entry.split(maxsplit=1) for entry in " ".join(_NAMES.split()).split(", ")
)
_OTHER_NAMES = {
    "burmese": "my",
    "castilian": "es",
    "filipino": "tl",
    "flemish": "nl",
    "jv": "jw",
    "mandarin": "zh",
    "moldovan": "ro",
    "valencian": "ca",
}
_CODES = {name: code for code, name in LANGUAGES.items()} | _OTHER_NAMES


def language_codes(vocabulary):
    """Code of each language that a vocabulary has a mark for, to its id.

    Args:
        vocabulary: list of str, the token of each id.

    Returns:
        dict of str to int, in the vocabulary's order: `{"en": 50259, ...}`.
    """
    return {
        token[2:-2]: i
        for i, token in enumerate(vocabulary)
        if token == f"<|{token[2:-2]}|>" and token[2:-2] in LANGUAGES
    }


def code_of(language, known=LANGUAGES):
    """The code of a language.

    Args:
        language: str: a code ("de"), a mark ("<|de|>") or an English name
            ("German").
        known: the codes that a model has.

    Returns:
        str, one of `known`.

    Raises:
        ValueError: a language that is not known.

    Example:
        >>> code_of("German")
        'de'
    """
    name = str(language).lower().removeprefix("<|").removesuffix("|>").strip()
    code = _CODES.get(name, name)
    if code in known:
        return code
    some = ", ".join(f"{c} ({LANGUAGES[c]})" for c in list(known)[:6])
    more = len(known) - 6
    raise ValueError(
        f"language={language!r}; expected one that this model knows, by its "
        f"code or English name: {some}"
        + (f" and {more} more." if more > 0 else ".")
    )
