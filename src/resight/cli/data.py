"""`resight data inspect`, `split`, `synthesize` and `sample`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.console import DataOption, ForceOption

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Inspect datasets, split them, make synthetic ones.",
    rich_markup_mode="markdown",
)


@app.command("formats")
def list_formats() -> None:
    """List the formats that `--data FORMAT:PATH` reads. PATH alone is enough where the layout of the files tells the format.

    `resight data formats`
    """
    from rich.table import Table

    from resight.cli.console import output
    from resight.data.formats import FORMATS, LAYOUTS, describe_format

    table = Table("format", "dataset", "known by its layout")
    for name in FORMATS:
        table.add_row(name, describe_format(name), "yes" if name in LAYOUTS else "")
    output().print(table)


@app.command("inspect")
def inspect_data(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for the charts.")] = Path("inspection"),
) -> None:
    """Count images, identities and cameras, name problems, and draw the balance of attributes and images per identity.

    `resight data inspect --data market1501:/data/Market-1501-v15.09.15`
    """
    from dataclasses import asdict

    from resight.cli.console import output, show
    from resight.cli.destinations import replaced, require_folder
    from resight.data.summary import attribute_counts, find_problems, images_per_identity, summarise
    from resight.data.union import read_datasets
    from resight.views.charts import attribute_imbalance, images_per_identity_chart, save
    from resight.views.tables import Table

    require_folder(out)
    dataset = read_datasets(data)
    rows = [
        {name: value if isinstance(value, str) else f"{value:g}" for name, value in asdict(row).items()}
        for row in summarise(dataset)
    ]
    show([Table(list(rows[0]), [list(row.values()) for row in rows])] if rows else [], dataset.name)
    console = output()
    console.print("fewest, median and most: images per identity")
    for problem in find_problems(dataset):
        console.print(f"note: {problem}", markup=False)
    out.mkdir(parents=True, exist_ok=True)
    charts = {}
    labelled = dataset.train or dataset.gallery
    if dataset.schema.classes:
        charts["attributes.png"] = attribute_imbalance(attribute_counts(labelled, dataset.schema))
    counts = list(images_per_identity(labelled).values())
    if counts:
        charts["images-per-identity.png"] = images_per_identity_chart(counts)
    for name, figure in charts.items():
        anew = replaced(out / name)
        save(figure, out / name)
        console.print(f"chart: {out / name}{anew}", markup=False)


@app.command("augment")
def augment_data(
    recipe: Annotated[str, typer.Argument(help="Name of a built-in recipe, or a YAML file.")],
    image: Annotated[Path, typer.Argument(help="The image to change.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Recipe keys to change, such as augmentation.erasing.aspect=0.75."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Picture to write (.png, .jpg or .webp).")] = Path(
        "augmentations.png"
    ),
    draws: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same picture.")] = 0,
) -> None:
    """Draw what a recipe's augmentations do to an image: a row for each alone, and one for all of them in their order.

    `resight data augment reid-strong-baseline person.jpg --out augmentations.png`

    In its own row, an augmentation is always applied; its probability stands in brackets. In the last row, each is
    applied with its probability, as in training.
    """
    from resight.cli.console import output
    from resight.cli.destinations import PICTURES, replaced, require_file, require_other
    from resight.data.augmentations.examples import examples
    from resight.data.images import read_image
    from resight.data.loaders import resize
    from resight.recipe import load_recipe
    from resight.views.grids import image_rows, save

    require_file(out, PICTURES)
    require_other(out, [image])
    loaded = load_recipe(recipe, overrides or [])
    picture = resize(read_image(image), loaded.image)
    rows = examples(loaded.augmentation, loaded.image, picture, draws, seed)
    drawn = image_rows(
        {caption: [tensor.permute(1, 2, 0).numpy() for tensor in tensors] for caption, tensors in rows.items()},
        height=min(256, max(128, loaded.image.height)),
    )
    anew = replaced(out)
    save(drawn, out)
    output().print(f"picture: {out}{anew}", markup=False)


@app.command("split")
def split_data(
    context: typer.Context,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (.csv or .parquet).")],
    ratio: Annotated[float, typer.Option(help="Share of the identities to train on.")] = 0.8,
    seed: Annotated[int, typer.Option(help="Same seed, same split.")] = 0,
    queries: Annotated[
        str, typer.Option(help="first: each identity's first image per camera; ratio: a share of its images.")
    ] = "first",
    query_ratio: Annotated[float, typer.Option(help="Share of an identity's images, for --queries ratio.")] = 0.1,
    force: ForceOption = False,
) -> None:
    """Split the training images by identity, and the held-out images into query and gallery. Shares of attributes are kept.

    `resight data split --data course:/data/market-course --out split.csv`, then `--data manifest:split.csv`
    """
    from resight.cli.console import output, writable
    from resight.cli.destinations import MANIFESTS, replaced, require_file, require_free
    from resight.cli.options import given
    from resight.data.formats.manifest import write_manifest
    from resight.data.splits import split_dataset
    from resight.data.union import read_datasets
    from resight.errors import DataError, OptionError

    if queries not in ("first", "ratio"):
        raise DataError(f"--queries {queries}: first or ratio")
    if queries == "first" and "query_ratio" in given(context):
        raise OptionError("--query-ratio is for --queries ratio")
    require_file(out, MANIFESTS)
    require_free(out, force)
    made = split_dataset(writable(read_datasets(data)), ratio, seed, queries, query_ratio)  # type: ignore[arg-type]
    anew = replaced(out)
    write_manifest(out, made)
    for name, records in made.splits.items():
        identities = len({record.identity for record in records if record.identity > 0})
        output().print(f"{name}: {len(records)} images of {identities} identities")
    output().print(f"manifest: {out}{anew}\nuse it as --data {shlex.quote(f'manifest:{out}')}", markup=False)


@app.command("synthesize")
def synthesize_data(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    kind: Annotated[str, typer.Option(help="people or vehicles.")] = "people",
    layout: Annotated[
        str | None,
        typer.Option(help="market1501, course, veri776, folders or segmentation; by default the kind's own."),
    ] = None,
    identities: Annotated[int | None, typer.Option(help="Training and test identities together.")] = None,
    cameras: Annotated[int | None, typer.Option(help="Number of cameras.")] = None,
    images_per_camera: Annotated[
        int | None, typer.Option(help="Images of an identity from each camera that sees it.")
    ] = None,
    junk: Annotated[int | None, typer.Option(help="Junk images in the gallery (identity -1).")] = None,
    distractors: Annotated[int | None, typer.Option(help="Distractors in the gallery (identity 0).")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels; give --width too.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels; give --height too.")] = None,
    difficulty: Annotated[
        float | None, typer.Option(help="How much cameras, poses and crops vary; 1 in the demo.")
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Write a mask of the person beside each image.")] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    processes: Annotated[int | None, typer.Option(help="Number of processes; by default the number of cores.")] = None,
) -> None:
    """Draw synthetic people or vehicles in the layout of a real dataset. They show nobody and are free to keep and share.

    `resight data synthesize street --kind people --identities 200`, then `--data market1501:street`. With
    `--layout segmentation` there is a mask for each image: `--data masks:street`.
    """
    from resight.cli.console import output, progress
    from resight.cli.destinations import require_folder
    from resight.errors import DataError
    from resight.synthetic import synthesize

    if (height is None) != (width is None):
        raise DataError("give --height and --width together")
    require_folder(out, "OUT")
    with progress("drawing", None) as advance:
        last = 0

        def moved(done: int, total: int) -> None:
            nonlocal last
            advance(done - last)
            last = done

        made = synthesize(
            out,
            kind,  # type: ignore[arg-type]
            layout,
            identities=identities,
            cameras=cameras,
            images_per_camera=images_per_camera,
            size=(height, width) if height and width else None,
            junk=junk,
            distractors=distractors,
            difficulty=difficulty,
            masks=masks,
            seed=seed,
            processes=processes,
            progress=moved,
        )
    counts = ", ".join(f"{count} {role}" for role, count in made.images.items())
    output().print(f"{made.total} images ({counts}) in {made.seconds:.1f} s", markup=False)
    reader = "masks" if made.preset.layout == "segmentation" else made.preset.layout
    output().print(f"use it as --data {shlex.quote(f'{reader}:{out}')}", markup=False)


@app.command("sample")
def sample_data(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder of a variational autoencoder, or hf:owner/name.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    images: Annotated[int, typer.Option("--images", min=1, help="Number of images.")] = 100,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
) -> None:
    """Draw new images from a variational autoencoder, with a manifest that lists them as training images.

    `resight data sample runs/vae --out samples --images 500`, then `--data manifest:samples/samples.csv` beside your own
    data for another autoencoder. They have no identities and no attributes, which other recipes need.
    """
    from resight.cli.console import output, progress
    from resight.cli.destinations import require_folder
    from resight.recognizer import load
    from resight.tasks.reconstruction.generation import generate

    require_folder(out)
    model = load(run)
    with progress("drawing", images) as advance:
        manifest = generate(model, out, images, seed=seed, progress=advance)
    output().print(f"{images} images\nuse them as --data {shlex.quote(f'manifest:{manifest}')}", markup=False)
