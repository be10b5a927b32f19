"""Charts: what is drawn equals what was given, names are shown as they are, files are whole or absent."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from resight.errors import DataError
from resight.views import charts

SVG = "{http://www.w3.org/2000/svg}"


def heights(figure: Figure) -> list[float]:
    return [patch.get_height() for axes in figure.axes for patch in axes.patches]


def words(figure: Figure) -> str:
    return " ".join(node.text or "" for node in ElementTree.fromstring(charts.svg(figure)).iter(f"{SVG}text"))


def test_attribute_imbalance_draws_a_bar_for_every_class() -> None:
    counts = {"gender": {"male": 30, "female": 10}, "hat": {"no": 39, "yes": 1}, "top": {"a": 5, "b": 6, "c": 7}}
    figure = charts.attribute_imbalance(counts)
    assert sorted(heights(figure)) == [1, 5, 6, 7, 10, 30, 39]
    shown = words(figure)
    assert all(name in shown for name in ("gender", "hat", "top", "male", "female", "no", "yes"))


def test_images_per_identity_counts_every_identity_once() -> None:
    axes = charts.images_per_identity_chart([2, 2, 3, 7]).axes[0]
    counted = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in axes.patches}
    assert counted == {1: 0, 2: 2, 3: 1, 4: 0, 5: 0, 6: 0, 7: 1}
    wide = charts.images_per_identity_chart([1, 5000, *range(10, 900)])
    assert sum(heights(wide)) == 892
    assert len(heights(wide)) <= 61


def test_cmc_curve_is_the_input_in_per_cent() -> None:
    curve = np.linspace(0.4, 0.9, 50)
    axes = charts.cmc_curve({"ours": curve, "short": np.array([0.5, 0.75])}).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(1, 51))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 100 * curve)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [50, 75])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ours (40.0)", "short (50.0)"]


def test_training_curves_have_a_panel_for_each_quantity_and_gaps_for_nan() -> None:
    figure = charts.training_curves({"loss": [(1, 3.0), (2, float("nan")), (3, 1.0)], "mAP": [(3, 0.5)]})
    assert [axes.get_title("left") for axes in figure.axes] == ["loss", "mAP"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [3, np.nan, 1])


def test_compared_curves_name_each_run_once_and_tell_them_apart() -> None:
    runs = {f"row {number}": [[(1, number), (2, number + 1)]] * 2 for number in range(10)}
    figure = charts.compared_curves({"loss": runs, "mAP": {"row 1": [[(2, 0.5)]]}})
    assert [axes.get_title("left") for axes in figure.axes] == ["loss", "mAP"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(runs)
    looks = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines]
    assert len(looks) == 20
    assert len(set(looks)) == 10
    assert looks[0] == looks[1], "repetitions look alike"
    assert figure.axes[1].lines[0].get_color() == looks[2][0], "a run has its look in every panel"


def test_curves_that_lie_on_one_another_share_the_line_in_dashes() -> None:
    points = [(1, 0.0), (2, 1.0), (3, 0.5)]
    runs = {
        "a": [points],
        "b": [points, points],
        "c": [[(x, y + 0.001) for x, y in points]],
        "d": [[(1, 1.0), (3, 0.0)]],
    }
    figure = charts.compared_curves({"loss": runs, "mAP": {"a": [points]}})
    a, b, again, c, d = figure.axes[0].lines
    assert [line.get_linestyle() for line in (a, d, figure.axes[1].lines[0])] == ["-"] * 3
    # Three of a period of 12: c in the first 4, b in the first 8, below it, a everywhere, below both.
    assert [line._unscaled_dash_pattern for line in (b, again, c)] == [(0, (8, 4)), (0, (8, 4)), (0, (4, 8))]
    image = np.asarray(charts.raster(figure))
    for line in (a, b, c):
        ink = np.array([int(line.get_color()[place : place + 2], 16) for place in (1, 3, 5)])
        panel = image[: int(image.shape[0] * 0.8)]  # without the legend
        assert (np.abs(panel.astype(int) - ink).max(2) < 8).sum() > 20, "each colour is seen"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c", "d"]
    assert [line.get_linestyle() for line in figure.legends[0].get_lines()] == ["-"] * 4


def test_compared_curves_stay_readable_with_many_panels_and_runs() -> None:
    runs = {f"run {number}": [[(1, number), (2, number)]] for number in range(20)}
    figure = charts.compared_curves({f"series {number}": runs for number in range(10)})
    full = [axes for axes in figure.axes if axes.lines]
    assert len(full) == 10
    assert len({axes.get_subplotspec().colspan.start for axes in full}) == 4
    assert {len(axes.lines) for axes in full} == {charts.MOST_COMPARED}
    assert len({(line.get_color(), line.get_linestyle()) for line in full[0].lines}) == charts.MOST_COMPARED
    assert len(figure.legends) == 1
    assert "the first 16 of 20" in words(figure)


def test_confusion_matrices_show_every_count() -> None:
    counts = np.array([[90, 10], [3, 7]])
    figure = charts.confusion_matrices({"hat": (("no", "yes"), counts), "age": (("a", "b", "c"), np.eye(3, dtype=int))})
    shades = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shades, [[0.9, 0.1], [0.3, 0.7]])
    shown = words(figure).split()
    assert all(text in shown for text in ("90", "10", "3", "7", "hat", "age", "yes"))
    assert (figure.get_supylabel(), figure.get_supxlabel()) == ("annotated", "recognised")


def test_score_histogram_draws_two_densities_of_area_one() -> None:
    random = np.random.default_rng(0)
    axes = charts.score_histogram(random.normal(0.3, 0.1, 500), random.normal(0.9, 0.1, 4000), "cosine").axes[0]
    assert axes.get_xlabel() == "cosine distance"
    assert sum(patch.get_height() * patch.get_width() for patch in axes.patches) == pytest.approx(2)


def test_histograms_share_their_bins_and_take_the_colours_given() -> None:
    values = {"a": np.array([0.0, 0.1, 0.2]), "b": np.array([0.9, 1.0])}
    axes = charts.histograms(values, "score", colours=["#111111", "#222222"]).axes[0]
    edges = [{round(patch.get_x(), 6) for patch in bars} for bars in axes.containers]
    assert edges[0] == edges[1]
    assert [mpl.colors.to_hex(bars[0].get_facecolor()) for bars in axes.containers] == ["#111111", "#222222"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


# Four images: 0 and 1 merge at 1, 2 and 3 at 2, all at 5.
MERGES = np.array([[0, 1, 1.0, 2], [2, 3, 2.0, 2], [4, 5, 5.0, 4]])


def test_a_dendrogram_shows_its_merges_and_its_cut() -> None:
    axes = charts.dendrogram(MERGES, threshold=3.5).axes[0]
    tops = sorted(float(max(y for _, y in branch)) for lines in axes.collections for branch in lines.get_segments())
    assert tops == [1, 2, 5]
    assert axes.lines[0].get_ydata()[0] == 3.5
    assert [text.get_text() for text in axes.texts] == ["cut at 3.5"]
    assert axes.get_ylim() == (0, pytest.approx(5.25))


def test_a_cut_above_all_merges_is_not_drawn_and_a_large_hierarchy_is_cut_short() -> None:
    assert not charts.dendrogram(MERGES, threshold=99).axes[0].lines
    rows = [[0 if step == 0 else 100 + step - 1, step + 1, float(step + 1), step + 2] for step in range(99)]
    axes = charts.dendrogram(np.array(rows), threshold=50, leaves=10).axes[0]
    assert sum(len(lines.get_segments()) for lines in axes.collections) == 9, "ten branches, nine merges"


def test_cluster_sizes_are_ranked() -> None:
    axes = charts.cluster_sizes([3, 10, 1, 5]).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [10, 5, 3, 1])
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")


@pytest.mark.parametrize("sizes", [[161, 140], [3, 10, 1, 5], [7] * 40, [1]])
def test_cluster_sizes_have_numbers_at_both_axes(sizes: list[int]) -> None:
    figure = charts.cluster_sizes(sizes)
    charts.raster(figure)
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        low, high = sorted(axis.get_view_interval())
        shown = [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        assert any(shown)
        assert len(set(shown)) == len(shown)


def test_a_cut_curve_marks_the_threshold_that_was_chosen() -> None:
    tried = [(0.2, 40, 0.5), (0.4, 20, 0.9), (0.8, 5, 0.3)]
    axes = charts.cut_curve(tried, 0.4, "adjusted-rand").axes[0]
    curve, chosen = axes.lines
    np.testing.assert_array_equal(curve.get_xdata(), [40, 20, 5])
    np.testing.assert_array_equal(curve.get_ydata(), [0.5, 0.9, 0.3])
    assert (list(chosen.get_xdata()), list(chosen.get_ydata())) == ([20], [0.9])
    assert [text.get_text() for text in axes.texts] == ["cut at 0.4: 20 clusters"]
    assert axes.get_ylabel() == "adjusted-rand"


@pytest.mark.parametrize("chosen", [0.2, 0.4, 0.8])
def test_what_a_cut_curve_says_of_the_cut_stays_beside_its_axis(chosen: float) -> None:
    figure = charts.cut_curve([(0.2, 400, 0.5), (0.4, 20, 0.9), (0.8, 1, 0.3)], chosen, "mAP")
    charts.raster(figure)
    axes = figure.axes[0]
    word, frame = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert frame.x0 <= word.x0
    assert word.x1 <= frame.x1


def test_curves_that_hardly_move_have_whole_numbers_at_their_axis() -> None:
    figure = charts.compared_curves({"norm": {"run": [[(1, 10.3368), (2, 10.337)]]}})
    charts.raster(figure)
    axis = figure.axes[0].yaxis
    assert not axis.get_offset_text().get_text()
    assert all(tick.label1.get_text().startswith("10.33") for tick in axis.get_major_ticks())


def test_a_score_threshold_stands_among_the_counts() -> None:
    axes = charts.score_threshold(np.array([0.1, 0.1, 0.9]), 0.5, "reconstruction error").axes[0]
    assert sum(heights(axes.figure)) == 3
    assert axes.lines[0].get_xdata()[0] == 0.5
    assert axes.get_xlabel() == "reconstruction error"


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_scores_that_hardly_differ_still_make_a_chart(kind: type) -> None:
    least = np.nextafter(kind(0.1), kind(1))
    axes = charts.score_threshold(np.array([0.1, least], kind), 0.1, "score").axes[0]
    assert sum(heights(axes.figure)) == 2


def test_a_raster_is_the_figure_in_pixels() -> None:
    picture = charts.raster(charts.images_per_identity_chart([1, 2]))
    assert picture.mode == "RGB"
    assert picture.size == (7 * 110, round(3.2 * 110))
    assert len(picture.getcolors(2**20)) > 3, "axes and bars"


@pytest.mark.parametrize("name", ["$unbalanced", r"$\frac$", "$x^2$", "<b>&amp;", "a_b"])
def test_awkward_names_are_shown_as_they_are(name: str) -> None:
    assert name in words(charts.cmc_curve({name: np.array([0.5])}))
    assert name in words(charts.attribute_imbalance({name: {name: 1, "other": 2}}))


@pytest.mark.parametrize(
    "figure",
    [
        lambda: charts.attribute_imbalance({}),
        lambda: charts.attribute_imbalance({"a": {"x": 0}}),
        lambda: charts.images_per_identity_chart([]),
        lambda: charts.images_per_identity_chart([4]),
        lambda: charts.cmc_curve({"a": np.array([np.nan])}),
        lambda: charts.training_curves({}),
        lambda: charts.confusion_matrices({}),
        lambda: charts.score_histogram(np.array([0.5]), np.ones(4), "cosine"),
        lambda: charts.compared_curves({}),
        lambda: charts.dendrogram(np.array([[0, 1, 0.5, 2]]), 0.25),
        lambda: charts.cluster_sizes([1]),
        lambda: charts.cut_curve([(0.1, 1, float("nan"))], 0.1, "mAP"),
        lambda: charts.score_threshold(np.array([0.5]), 0.5, "score"),
    ],
)
def test_little_or_no_data_still_makes_a_chart(figure) -> None:
    assert charts.svg(figure()).startswith("<svg ")


def test_svgs_repeat_themselves_and_share_no_id_on_a_page() -> None:
    def curve() -> Figure:
        return charts.cmc_curve({"ours": np.linspace(0.5, 1, 50)})

    assert charts.svg(curve(), "1") == charts.svg(curve(), "1")
    texts = [charts.svg(curve(), "1"), charts.svg(curve(), "2")]
    found = [set(re.findall(r'\bid="([^"]+)"', text)) for text in texts]
    assert not found[0] & found[1]
    for text, ids in zip(texts, found, strict=True):
        references = re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
        assert references
        assert set(references) <= ids


def test_a_reliability_diagram_shows_the_share_that_is_true_where_each_tenth_was_told() -> None:
    told, true = np.array([0.05, 0.05, 0.35, 0.95, 0.95, 1.0]), np.array([0, 1, 0, 1, 1, 1], bool)
    upper, lower = charts.reliability(told, true).axes
    assert upper.lines[1].get_xydata() == pytest.approx(np.array([[0.05, 0.5], [0.35, 0], [2.9 / 3, 1]]))
    assert [patch.get_height() for patch in lower.patches] == [2, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    low, high = zip(*(segment[:, 1] for segment in upper.collections[0].get_segments()), strict=True)
    # Wilson's intervals of 1 of 2, 0 of 1 and 3 of 3.
    assert low == pytest.approx((0.0945, 0, 0.4385), abs=1e-3)
    assert high == pytest.approx((0.9055, 0.7935, 1), abs=1e-3)


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figure = charts.cmc_curve({"ours": np.array([0.5, 1])})
    charts.svg(figure)
    charts.save(figure, tmp_path / "a.svg")
    assert dict(mpl.rcParams) == before


def test_save_writes_the_format_of_the_ending_and_refuses_others(tmp_path: Path) -> None:
    figure = charts.images_per_identity_chart([1, 2, 2])
    for name, beginning in {"a.png": b"\x89PNG", "b.svg": b"<?xml", "c.PDF": b"%PDF"}.items():
        charts.save(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    with pytest.raises(DataError, match=r"chart\.gif.*\.png, \.svg or \.pdf"):
        charts.save(figure, tmp_path / "chart.gif")
    assert len(list(tmp_path.iterdir())) == 3


def test_an_error_curve_has_plain_decades_and_takes_a_single_point() -> None:
    rates = np.array([0.0, 1e-4, 1e-2, 0.5])
    figure = charts.error_curve(rates, np.array([0.1, 0.2, 0.6, 1.0]), ("FPR", "TPR (%)"))
    (axes,) = figure.axes
    assert axes.get_xlim() == (pytest.approx(1e-4), 1)
    assert "$" not in charts.svg(figure)
    (line,) = axes.get_lines()
    assert line.get_ydata().tolist() == pytest.approx([10, 20, 60, 100])
    assert charts.error_curve(np.array([1.0]), np.array([1.0]), ("FPR", "TPR (%)")).axes[0].get_xlim()[0] == 0.1


def test_a_camera_matrix_writes_the_cells_that_count() -> None:
    shares = np.array([[np.nan, 0.5], [1.0, np.nan]])
    figure = charts.camera_matrix(shares, np.array([[0, 4], [2, 0]]), [1, 2], [1, 2], "mAP, %")
    assert [text.get_text() for text in figure.axes[0].texts] == ["50", "100"]
