"""`resight cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import ForceOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resight.recognizer import Recognizer
    from resight.records import Embeddings, Record
    from resight.retrieval.clusters import Method

__all__ = ["cluster"]


def cluster(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or hf:owner/name.")],
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES", help="An image folder, FORMAT:PATH, or a features.parquet that `resight embed` wrote."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the clusters, their pictures and the report.")],
    method: Annotated[str, typer.Option(help="hierarchical, gaussian-mixture or density.")] = "hierarchical",
    clusters: Annotated[int | None, typer.Option(help="Number of clusters.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Height at which the hierarchy is cut; of density, the distance below which clusters are one."
        ),
    ] = None,
    learn_on: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT:PATH",
            help="Labelled images; the hierarchy is cut at the height that is best for these, which with --linkage ward is "
            "scaled where clusters turn out to have more or fewer images than there.",
        ),
    ] = None,
    figure: Annotated[
        str,
        typer.Option(
            help="Score for --learn-on: mAP of searches within clusters (favours few large clusters), adjusted-rand or nmi."
        ),
    ] = "mAP",
    linkage: Annotated[
        str | None,
        typer.Option(help="Distance of clusters in the hierarchy: ward, average, complete or single.  [default: ward]"),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(help="Merge only along this many nearest neighbours of each image: less memory for many images."),
    ] = None,
    memory: Annotated[
        float | None, typer.Option(help="Limit in GiB for a hierarchy over all pairs of images.  [default: 4]")
    ] = None,
    smallest: Annotated[
        int | None, typer.Option(help="Of density: the fewest images of a cluster.  [default: 5]")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of FORMAT:PATH: train or gallery.  [default: gallery where there is one]")
    ] = None,
    assign: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Assign IMAGES to the clusters of this folder, without clustering again."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Group images without labels by the person or vehicle that they show.

    `resight cluster runs/vae crops/ --out clusters --clusters 750`, or `--learn-on market1501:/data/market` in place of
    a number; then `resight cluster runs/vae new/ --assign clusters --out new`

    Writes manifest.csv, which has the cluster as identity and can be corrected and read back as `manifest:`; the
    centroids; assignments.csv with distances and margins; a contact sheet and a report. Where the images have
    identities, prints purity, adjusted Rand index, NMI and the mAP of searches that stay within a query's cluster.
    For 20,000 images × 128 numbers, a hierarchy over all pairs takes 3.1 GiB and under a minute, with --neighbours 30 it
    takes 0.5 GiB; density takes many times as long and little memory.
    """
    from resight.cli.console import output, show
    from resight.cli.destinations import replaced, require_folder, require_free
    from resight.cli.options import command_line, given, needs
    from resight.errors import OptionError
    from resight.recognizer import load
    from resight.tasks.clusters.evaluation import Centroids, evaluate, write_assignments
    from resight.tasks.clusters.report import assignment_page, contact_sheet, page, tables
    from resight.tasks.clusters.search import metric_of
    from resight.views.grids import save

    require_folder(out)
    require_free(out, force)
    anew = replaced(out)
    every = {"threshold": threshold, "clusters": clusters, "linkage": linkage, "neighbours": neighbours, "memory": memory, "smallest": smallest}  # fmt: skip
    chosen = {name: value for name, value in every.items() if value is not None}
    if assign is not None and {*chosen, "method", "learn_on", "figure"} & given(context).keys():
        raise OptionError("--assign uses existing clusters; leave out the options that make new ones")
    needs(context, ("figure",), "learn_on")
    if split is not None and _is_features(images):
        raise OptionError(f"--split is for FORMAT:PATH; {images} is a feature file")
    if assign is not None:
        kept = Centroids.open(assign)
        embeddings, failed = _embedded(load(run), _records(images, split), images)
        assigned = kept.assign(embeddings)
        facts = {"Clusters": str(assign), **_facts(embeddings)}
        drawn = assignment_page(embeddings, assigned, images, facts)
    else:
        way = _method(method, chosen, learn_on is not None)
        model = load(run)
        metric = metric_of(model)
        embeddings, failed = _embedded(model, _records(images, split), images)
        queries = _queries(model, images, split)
        labelled = None if learn_on is None else _embedded(model, _labelled(learn_on), learn_on)[0]
        made = evaluate(embeddings, way, metric, queries=queries, learn_on=labelled, figure=figure, failed=failed)
        found, assigned = made.clusters, made.assigned
        facts = {"method": method, "threshold": found.threshold, "clusters": len(found.centroids), "run": run}
        Centroids(found.centroids, metric, facts).save(out)
        stated = {**_facts(embeddings), "Method": _way_told(method, way), "Metric": metric}
        drawn = page(made, images, stated)
        _tell(made)
        show(tables(made), images)
    drawn.finish(out / "report.html", command=command_line(context), failed=failed)
    write_assignments(out, embeddings, assigned)
    save(contact_sheet(embeddings, assigned), out / "contact-sheet.jpg")
    output().print(f"manifest: {out / 'manifest.csv'}\nreport: {out / 'report.html'}{anew}", markup=False)


def _way_told(name: str, way: Method) -> str:
    """The method and its options in words, without those that are not given."""
    import dataclasses

    options = dataclasses.asdict(way)  # type: ignore[call-overload]
    return ", ".join([name, *(f"{option} {value}" for option, value in options.items() if value is not None)])


def _method(name: str, options: Mapping[str, object], learns: bool) -> Method:
    """The method with its options. Raises DataError for an unknown name, OptionError for options that do not fit it."""
    import dataclasses

    from resight.errors import DataError, OptionError, did_you_mean
    from resight.retrieval.clusters import METHODS

    if name not in METHODS:
        raise DataError(f"no clustering method {name!r}{did_you_mean(name, METHODS)}; there is: {', '.join(METHODS)}")
    known = [field.name for field in dataclasses.fields(METHODS[name])]  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            raise OptionError(f"{name} takes no --{option}")
    if name == "hierarchical" and ("clusters" in options) + ("threshold" in options) + learns != 1:
        raise OptionError("give one of --clusters N, --threshold T and --learn-on FORMAT:PATH to cut the hierarchy")
    if name == "gaussian-mixture" and "clusters" not in options:
        raise OptionError("gaussian-mixture needs --clusters N")
    if name != "hierarchical" and learns:
        raise OptionError(f"{name} has no cut to learn; leave out --learn-on")
    return METHODS[name](**options)


def _records(images: str, split: str | None) -> list[Record] | None:
    """The images to embed; None for a feature file."""
    from resight.cli.console import images_of

    return None if _is_features(images) else images_of(images, split)


def _labelled(spec: str) -> list[Record]:
    """The labelled images of a dataset: those of its training split or, if there are none, of query and gallery."""
    from resight.data.formats import read_dataset
    from resight.errors import DataError

    dataset = read_dataset(spec)
    for records in (dataset.train, [*dataset.query, *dataset.gallery]):
        known = [record for record in records if record.identity > 0]
        if known:
            return known
    raise DataError(f"{spec}: no image has an identity, so no cut can be learned from it")


def _queries(model: Recognizer, images: str, split: str | None) -> Embeddings | None:
    """The labelled queries of a dataset whose gallery is clustered, embedded; None where there are none."""
    from resight.data.formats import FORMATS, read_dataset
    from resight.embedding import embed

    if images.partition(":")[0] not in FORMATS or split == "train":
        return None
    known = [record for record in read_dataset(images).query if record.identity > 0]
    return embed(model, known).embeddings if known else None


def _embedded(model: Recognizer, records: list[Record] | None, source: str) -> tuple[Embeddings, list[str]]:
    from resight.cli.console import name_failed, progress
    from resight.embedding import embed, load_embeddings

    if records is None:
        return load_embeddings(model, source), []
    with progress("embedding", len(records)) as advance:
        embedded = embed(model, records, progress=advance)
    name_failed(embedded.failed)
    return embedded.embeddings, embedded.failed


def _is_features(images: str) -> bool:
    return images.endswith(".parquet") and ":" not in images


def _facts(embeddings: Embeddings) -> dict[str, object]:
    count, width = embeddings.features.shape
    return {"Images": f"{count:,}", "Feature": f"{width:,} dimensions"}


def _tell(made) -> None:  # type: ignore[no-untyped-def]  # a Result, imported late
    from resight.cli.console import counted, errors, output

    found = made.clusters
    outside = int((found.labels < 0).sum())
    sizes = f"{len(found.centroids):,} clusters of {found.sizes[-1]:,} to {counted(int(found.sizes[0]), 'image')}"
    told = f"{counted(len(found.labels), 'image')} in {sizes if len(found.centroids) > 1 else 'one cluster'}"
    told += f", cut at {found.threshold:.6g}" if found.threshold is not None else ""
    told += f", {counted(outside, 'image')} in none" if outside else ""
    output().print(told, markup=False)
    if made.learned is not None:
        learned = made.learned
        output().print(
            f"learned cut: {learned.figure} {100 * learned.value:.1f} % on {counted(learned.images, 'labelled image')}, which "
            f"{learned.threshold:.6g} parts into {counted(learned.clusters, 'cluster')} of {learned.images / learned.clusters:.1f} "
            f"images on average; here {found.threshold:.6g} leaves {len(found.labels) / len(found.centroids):.1f}",
            markup=False,
        )
    ends = {1: ("all images are one cluster", "lower", "more"), len(found.labels): ("every image is a cluster of its own", "higher", "fewer")}  # fmt: skip
    if len(found.centroids) in ends:
        said, height, number = ends[len(found.centroids)]
        remedy = f"; a {height} --threshold makes {number}" if found.threshold is not None else ""
        errors().print(f"[yellow]{said}[/]{remedy}")
