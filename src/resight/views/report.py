"""The HTML report: one file of headings, tables, charts and pictures that needs no network."""

from __future__ import annotations

import base64
import datetime
import functools
import io
import math
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from resight.errors import DataError
from resight.files import written_whole
from resight.views.charts import Points, svg, training_curves
from resight.views.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Report"]

_NUMBER = re.compile(r"[+\-−±]?\s?(\d[\d,. ]*|inf|nan)([eE][+\-]?\d+)?\s?(%|±.*)?")
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class _Block:
    """One piece of the page: the template draws it by its `kind` from its `parts`."""

    kind: str
    parts: Mapping[str, object]


class Report:
    """A page built from top to bottom, then saved.

    >>> report = Report("Re-identification on street", "euclidean distance")
    >>> report.heading("Figures")
    >>> report.table(("model", "mAP"), [("ours", 0.853)])
    >>> report.save("report.html")  # doctest: +SKIP

    Every text is shown as it is: markup within names from data stays inert. The page runs no scripts and
    loads nothing, which its Content-Security-Policy also enforces.
    """

    def __init__(
        self,
        title: str,
        subtitle: str = "",
        facts: Mapping[str, object] | None = None,
        missing: str = "They are missing from every figure above.",
    ) -> None:
        self.title = title
        self.subtitle = subtitle
        self.facts = facts or {}
        """Names with their values, which stand at the end."""
        self.missing = missing
        """What follows for images that could not be used."""
        self._blocks: list[_Block] = []
        self._headings: list[tuple[str, str]] = []

    def heading(self, text: str, note: str = "") -> None:
        """Begin a section; it also gets a line in the table of contents. `note` stands below it."""
        anchor = f"section-{len(self._headings) + 1}"
        self._headings.append((anchor, text))
        self._add("heading", text=text, note=note, anchor=anchor)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", note: str = ""
    ) -> None:
        """Add a table; columns of numbers after the first are set flush right. None and nan become a dash.

        Raises DataError when a row is not as long as the columns.
        """
        for row in rows:
            if len(row) != len(columns):
                raise DataError(f"a row of {len(row)} cells does not fit {len(columns)} columns: {list(row)}")
        cells = [[_shown(cell) for cell in row] for row in rows]
        flush = [place > 0 and _numeric([row[place] for row in cells]) for place in range(len(columns))]
        self._add(
            "table",
            columns=list(columns),
            rows=cells,
            flush=flush,
            caption=caption,
            note=note,
            long=len(cells) > 30,
        )

    def show(self, table: Table) -> None:
        """Add a table that a terminal shows as well."""
        self.table(table.columns, table.rows, note=table.note)

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a chart as inline SVG."""
        # Markup: the only text not escaped; it comes from matplotlib's writer, which escapes its labels.
        self._add("chart", svg=Markup(svg(figure, f"chart-{len(self._blocks)}")), caption=caption)

    def image(self, image: Image.Image, caption: str) -> None:
        """Add a picture, stored inside the page: PNG when it has few colours or is see-through, else JPEG."""
        self._add("image", uri=_data_uri(image), width=image.width, height=image.height, caption=caption)

    def text(self, paragraph: str) -> None:
        """Add a paragraph."""
        self._add("text", text=paragraph)

    def code(self, text: str) -> None:
        """Add lines to be copied, such as a command."""
        self._add("code", text=text)

    def training(self, curves: Mapping[str, Points]) -> None:
        """Add the section on a run's training: column of metrics.csv -> (epoch, value) points; nothing for no curve."""
        if curves:
            self.heading("Training")
            self.figure(training_curves(curves), "Per epoch, from metrics.csv of the run.")

    def finish(
        self,
        path: str | os.PathLike[str],
        *,
        command: str,
        failed: Sequence[str] = (),
        curves: Mapping[str, Points] | None = None,
    ) -> None:
        """Add what every page ends with, and write it: how the run was trained, how the page was made, what is missing.

        `command` is the line that made the page, `curves` are columns of the run's metrics.csv as `training` takes them,
        `failed` has a line for each image that could not be used. Raises OSError when the file cannot be written.
        """
        self.training(curves or {})
        self.ending(command, failed)
        self.save(path)

    def ending(self, command: str, failed: Sequence[str] = ()) -> None:
        """Add the last section: the command that made the page, its facts, the date, and the images that are missing."""
        from resight.version import __version__

        self.heading("How this was made")
        self.code(command)
        made = f"{datetime.datetime.now():%Y-%m-%d %H:%M} by resight {__version__}"
        self._add("facts", facts=[(name, _shown(value)) for name, value in {**self.facts, "Made": made}.items()])
        if failed:
            self.heading("Images that could not be used", self.missing)
            self.table(("image",), [(line,) for line in failed])

    def html(self) -> str:
        """The page as text."""
        page = _environment().get_template("report.html.j2")
        return page.render(title=self.title, subtitle=self.subtitle, headings=self._headings, blocks=self._blocks)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, whole or not at all. Raises OSError when the file cannot be written."""
        text = self.html()
        with written_whole(path) as partial:
            # File names may hold bytes that are no text; the page shows a question mark for them.
            partial.write_bytes(text.encode("utf-8", "replace"))

    def _add(self, kind: str, **parts: object) -> None:
        self._blocks.append(_Block(kind, parts))


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("resight.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> str:
    """Text of a cell: a number with four significant digits, a dash for None and nan."""
    if value is None:
        return _NOTHING
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        number = float(value)
        if math.isnan(number):
            return _NOTHING
        return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"
    return str(value)


def _numeric(cells: Sequence[str]) -> bool:
    """Whether all cells of a column that are not empty hold numbers."""
    filled = [text for cell in cells if (text := cell.replace(_NOTHING, "").strip()) not in ("", "-")]
    return bool(filled) and all(map(_NUMBER.fullmatch, filled))


def _data_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    drawn = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if drawn.mode == "RGBA" or drawn.getcolors(256) is not None:
        kind = "png"
        drawn.save(file, "PNG", optimize=True)
    else:
        kind = "jpeg"
        drawn.save(file, "JPEG", quality=90, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
