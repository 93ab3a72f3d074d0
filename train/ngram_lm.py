"""Trains an n-gram language model for `keras-selfattn transcribe --lm`.

    python train/ngram_lm.py --out language_model.bin \
        --data $KERAS_SELFATTN_DATA/speech --set speechocean762:train \
        --pairs $KERAS_SELFATTN_DATA/translation/tatoeba_en-de.tsv.xz:src \
        --held-out speechocean762:test --dev speechocean762:dev

Sentences come from transcripts (`--set CORPUS:SPLIT`, folders with a
`manifest.tsv`), from the train rows of sentence pairs (`--pairs FILE:COLUMN`)
and from plain text (`--text FILE`, a sentence a line; .xz and .gz too). All are
normalised by `normalize_transcript`; lines that it refuses (digits, other
scripts) are left out and counted. Pairs and texts count once each, however
often a sentence stands in them, and sentences of `--held-out` and `--dev` sets
not at all, unless they stand in the transcripts of a `--set`.

The model is modified Kneser-Ney (`decoding.kneser_ney`), pruned until it is at
most `--max-bytes` long. An OUT that ends in .arpa is written as ARPA text.

`--keep-texts FOLDER` also writes the sentences, a line each, for `causal_lm.py
--lines`: `train.txt`, and `CORPUS_SPLIT.txt` of each `--dev`.
"""

import gzip
import io
import lzma
import math
from pathlib import Path
from typing import Annotated

import typer
from evaluation import user_errors
from preset_metrics import parse_set

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.data.feature_corpora import read_feature_manifest
from keras_selfattn.decoding import arpa, kneser_ney, ngram_file
from keras_selfattn.preprocessing.transcripts import normalize_transcript

OPENERS = {".xz": lzma.open, ".gz": gzip.open}


def normalized(lines) -> tuple[list[str], int]:
    """Returns the lines as a recogniser writes them, and how many it cannot."""
    kept, refused = [], 0
    for line in lines:
        try:
            text = normalize_transcript(line)
        except ValueError:
            refused += 1
            continue
        if text:
            kept.append(text)
    return kept, refused


def read_transcripts(data: Path, named: str) -> list[str]:
    """Returns the transcripts of a CORPUS:SPLIT, of sound or of features."""
    corpus, split = parse_set(named)
    folder = data / corpus
    has_features = any(folder.glob("*.npy"))
    read = read_feature_manifest if has_features else read_manifest
    return [e.text for e in read(folder, split)]


def read_lines(path: Path):
    """Yields the lines of a text file, compressed or not."""
    opened = OPENERS.get(path.suffix, open)
    try:
        with opened(path, "rt", encoding="utf8") as file:
            yield from file
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}.") from None


def read_pairs(named: str):
    """Yields the train rows of FILE:COLUMN."""
    path, _, column = named.rpartition(":")
    rows = (line.rstrip("\n").split("\t") for line in read_lines(Path(path)))
    header = next(rows, [])
    if column not in header or "split" not in header:
        raise ValueError(
            f"--pairs {named}: expected FILE:COLUMN, a column of "
            f"{header or 'an empty file'}, and a column `split`."
        )
    text, split = header.index(column), header.index("split")
    yield from (row[text] for row in rows if row[split] == "train")


def fit(sentences: list, order: int, min_count: int, max_bytes: int):
    """Trains a model, pruned as little as its size allows.

    Returns:
        `(model, bytes of its file, prune)`.
    """
    estimate = kneser_ney.Estimate(sentences, order, min_count)
    prune, least, most, best = 0.0, 0.25, None, None
    # Doubles the threshold until the file fits, then halves the range.
    for _ in range(16):
        model = estimate.model(prune)
        content = ngram_file.to_bytes(model)
        if len(content) <= max_bytes:
            best, most = (model, content, prune), prune
            if not prune or len(content) > 0.99 * max_bytes:
                break
        else:
            least = max(least, prune)
        prune = math.sqrt(least * most) if most else 2.0 * least
    if best is None:
        raise ValueError(
            f"Even without longer n-grams the model has {len(content)} bytes, "
            f"more than {max_bytes}; raise --max-bytes or --min-count."
        )
    return best


def main(
    out: Annotated[Path, typer.Option(help="File to write.")],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="CORPUS:SPLIT of transcripts; repeatable."),
    ] = None,
    pairs: Annotated[
        list[str] | None, typer.Option(help="FILE:COLUMN; repeatable.")
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option(help="FILE of text; repeatable.")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Folder of manifest folders.")
    ] = Path("."),
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="CORPUS:SPLIT whose sentences are left out."),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(help="As --held-out; its perplexity is printed."),
    ] = None,
    order: Annotated[int, typer.Option(min=1, help="Longest n-gram.")] = 3,
    min_count: Annotated[
        int, typer.Option(min=1, help="Rarer words are unknown.")
    ] = 2,
    repeat_sets: Annotated[
        int, typer.Option(min=1, help="How often a transcript counts.")
    ] = 1,
    max_bytes: Annotated[
        int, typer.Option(min=1024, help="Greatest size of the file.")
    ] = 1_100_000,
    keep_texts: Annotated[
        Path | None, typer.Option(help="Folder to write the sentences to.")
    ] = None,
) -> None:
    """Trains an n-gram language model from transcripts and texts."""
    with user_errors():
        spoken = []
        for named in sets or []:
            lines, refused = normalized(read_transcripts(data, named))
            typer.echo(f"{named}: {len(lines)} sentences, {refused} refused")
            spoken += lines
        apart = set()
        for named in [*(held_out or []), *(dev or [])]:
            apart.update(normalized(read_transcripts(data, named))[0])
        written, dropped = {}, 0
        sources = {named: read_pairs(named) for named in pairs or []}
        sources |= {str(path): read_lines(path) for path in text or []}
        for named, lines in sources.items():
            lines, refused = normalized(lines)
            kept = [line for line in lines if line not in apart]
            dropped += len(lines) - len(kept)
            before = len(written)
            written.update(dict.fromkeys(kept))
            typer.echo(
                f"{named}: {len(written) - before} new sentences, "
                f"{refused} refused, {len(lines) - len(kept)} held out"
            )
        lines = [*(spoken * repeat_sets), *written]
        if keep_texts is not None:
            texts = {"train": lines}
            for named in dev or []:
                found = normalized(read_transcripts(data, named))[0]
                texts[named.replace(":", "_")] = found
            keep_texts.mkdir(parents=True, exist_ok=True)
            for stem, kept in texts.items():
                path = keep_texts / f"{stem}.txt"
                write_atomically(path, "".join(f"{line}\n" for line in kept))
        sentences = [line.split() for line in lines]
        model, content, prune = fit(sentences, order, min_count, max_bytes)
        if out.suffix == ".arpa":
            file = io.StringIO()
            arpa.write(model, file)
            content = file.getvalue().encode()
        write_atomically(out, content)
        sizes = ", ".join(str(len(level.log_probs)) for level in model.levels)
        typer.echo(
            f"{out}: {len(content)} bytes, {sizes} n-grams, prune {prune:.4g}"
        )
        kept = ngram_file.open_model(out)
        for named in dev or []:
            lines = normalized(read_transcripts(data, named))[0]
            words = [line.split() for line in lines]
            unknown = [w for line in words for w in line if w not in kept]
            total = sum(map(len, words))
            typer.echo(
                f"{named}: perplexity {kept.perplexity(words):.1f}, "
                f"{100 * len(unknown) / total:.2f} % unknown words"
            )


if __name__ == "__main__":
    typer.run(main)
