"""`resight data inspect`, `split`, `crops`, `synthesize` and `sample`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import DataOption, ForceOption
from resight.cli.footage import EveryOption, StartOption
from resight.words import counted

if TYPE_CHECKING:
    from resight.data.crops.cutting import Cut
    from resight.data.crops.views import View
    from resight.views.tables import Table

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
        output().print(f"{name}: {counted(len(records), 'image')} of {counted(identities, 'identity', 'identities')}")
    output().print(f"manifest: {out}{anew}\nuse it as --data {shlex.quote(f'manifest:{out}')}", markup=False)


@app.command("crops")
def cut_crops(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for crops and manifest.csv; one that was broken off is gone on with.")
    ],
    mot: Annotated[
        Path | None,
        typer.Option(
            "--mot",
            metavar="DIR",
            help="A sequence as MOTChallenge or DanceTrack lays it out, or a folder of sequences.",
        ),
    ] = None,
    video: Annotated[Path | None, typer.Option("--video", help="A video; needs --boxes.")] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            help="File of boxes: frame, track, left, top, width, height and up to four more columns. Of --mot also gt, det, or "
            "a tracker's folder with a NAME.txt for each sequence.  [default: gt/gt.txt, else det/det.txt]"
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="MOTChallenge's numbers of the classes to cut.  [default: 1, pedestrians]"),
    ] = None,
    min_visibility: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out boxes of which less is seen, where the annotations say it.")
    ] = 0.0,
    min_confidence: Annotated[
        float | None, typer.Option(help="Leave out boxes that a detector or tracker is less sure of.")
    ] = None,
    every: EveryOption = 1,
    identities: Annotated[
        str | None,
        typer.Option(
            help="What tracks are numbers of: none, or the individuals of each sequence (own), or of all together (shared).  "
            "[default: own for annotations, none for others]"
        ),
    ] = None,
    camera: Annotated[
        int | None, typer.Option(min=0, help="The camera's number.  [default: each sequence is one, from 1 by name]")
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of --video: its number within the camera, where it has several, so that tracks differ."
        ),
    ] = None,
    start: StartOption = None,
    first_frame: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            help="Of --video: number that the boxes give the first frame.  [default: 1; 0 where a box is in frame 0]",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split in the manifest: train, query or gallery.  [default: train with identities, else gallery]"
        ),
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEG files.")] = 95,
    force: Annotated[bool, typer.Option("--force", help="Write manifest.csv anew, where it is there already.")] = False,
) -> None:
    """Cut annotated, detected or tracked boxes out of frames, a folder for each track, with a manifest for `manifest:`.

    `resight data crops --mot MOT17/train --out crops`, or
    `resight data crops --video door.mp4 --boxes tracks.txt --start 2026-05-31T08:30:00 --out crops`;
    then `--data manifest:crops/manifest.csv`

    Ignored regions and other classes are left out and counted, as are boxes in frames that are not there. A video is read
    frame by frame, in memory that does not grow with it; `pip install 'resight[video]'`.
    """
    from resight.cli.console import output, remark, show
    from resight.cli.destinations import replaced, require_folder, require_free
    from resight.cli.footage import cut_views
    from resight.data.crops import views
    from resight.data.crops.boxes import Boxes, Chosen, choose
    from resight.data.crops.cutting import MANIFEST
    from resight.errors import DataError, OptionError
    from resight.records import milliseconds

    if (mot is None) == (video is None):
        raise OptionError("give one of --mot DIR and --video FILE")
    if video is not None and boxes is None:
        raise OptionError("--video needs --boxes FILE")
    if mot is not None and first_frame is not None:
        raise OptionError("--first-frame is for --video; a sequence's frames have numbers")
    if mot is not None and sequence is not None:
        raise OptionError("--sequence is for --video; a folder of sequences numbers them")
    known = {"identities": (identities, ("none", "own", "shared")), "split": (split, ("train", "query", "gallery"))}
    for name, (value, allowed) in known.items():
        if value is not None and value not in allowed:
            raise DataError(f"--{name} {value}: one of {', '.join(allowed)}")
    begun = 0 if start is None else milliseconds(start)
    numbers = _numbers(classes)
    require_folder(out)
    require_free(out / MANIFEST, force)
    anew = replaced(out / MANIFEST)

    def choice(given: Boxes) -> Chosen:
        return choose(given, numbers, min_visibility, min_confidence, every)

    if mot is not None:
        found, passed = views.of_sequences(mot, choice, boxes, camera)
        for line in passed:
            remark(line)
    else:
        found = [views.of_video(video, choice, boxes, camera, first_frame, sequence)]  # type: ignore[arg-type]
    whose = identities or ("own" if found[0].boxes.truth else "none")
    made = cut_views(
        out,
        found,
        quality=quality,
        identities=whose,
        split=split or ("gallery" if whose == "none" else "train"),
        start=begun,
    )
    show([_cut_table(found, made)])
    output().print(
        f"{counted(sum(len(cut.records) for cut in made), 'crop')} -> {out / MANIFEST}{anew}\n"
        f"use them as --data {shlex.quote(f'manifest:{out / MANIFEST}')}",
        markup=False,
    )


def _cut_table(views: Sequence[View], made: Sequence[Cut]) -> Table:
    """A row for each view: how many crops of how many tracks it gave."""
    from resight.views.tables import Table

    rows = []
    for view, cut in zip(views, made, strict=True):
        counts = [len({getattr(record, name) for record in cut.records} - {None}) for name in ("frame", "tracklet")]
        place = [str(view.camera), "–" if view.sequence is None else str(view.sequence)]
        rows.append([view.footage.name, *place, *map(str, (*counts, len(cut.records)))])
    return Table(["", "camera", "sequence", "frames", "tracklets", "crops"], rows)


def _numbers(text: str | None) -> list[int] | None:
    """`1,2` as numbers. Raises OptionError for anything else."""
    from resight.errors import OptionError

    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--classes {text}: numbers with commas between them, as 1,2") from None


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
    output().print(f"{counted(made.total, 'image')} ({counts}) in {made.seconds:.1f} s", markup=False)
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
    output().print(
        f"{counted(images, 'image')}\nuse them as --data {shlex.quote(f'manifest:{manifest}')}", markup=False
    )
