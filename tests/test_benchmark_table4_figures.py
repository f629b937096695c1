"""The pictures of the paper's Table 4: their lines against the reports."""

import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from table4_reports import finish, settings_in

from benchmarks import table4_cells
from benchmarks.table4_cells import Cells, labels_needed
from benchmarks.table4_figures import accuracy_by_labels, label_efficiency
from benchmarks.table4_matrix import CONTRAST, reference, rows_of

SUPERVISED = {5: 0.30, 10: 0.40, 25: 0.48, 50: 0.55, 90: 0.62}
SGAN = {5: 0.35, 10: 0.42, 25: 0.50, 50: 0.60}


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Cells:
    """Lattices with two seeds that differ by 0.02, and of the space groups one run."""
    settings = settings_in(tmp_path_factory.mktemp("figures"))
    for experiment in rows_of("bravais"):
        share = int(experiment.config.removeprefix("bravais_").removesuffix("pct"))
        top1 = {"supervised": SUPERVISED, "sgan": SGAN}[experiment.method][share]
        for seed in range(2):
            finish(settings, experiment, seed, top1 + 0.02 * seed - 0.01)
    for experiment in rows_of("bravais", CONTRAST)[1:4:2]:
        for seed in range(2):
            finish(settings, experiment, seed, 0.45 + 0.02 * seed)
    finish(settings, reference("sg"), 0, 0.41)
    return table4_cells.read(settings)


LOOKS = (Line2D.get_color, Line2D.get_marker, Line2D.get_markerfacecolor)


def drawn(axes: Axes, label: str, *, faint: bool = False) -> dict[float, float]:
    """Ordinates by abscissa of the line that looks as the legend has it."""
    (shown,) = (line for line in axes.lines if line.get_label() == label)
    (points,) = (
        line.get_xydata()
        for line in axes.lines
        if all(look(line) == look(shown) for look in LOOKS)
        and (line.get_alpha() is not None) == faint
        and len(line.get_xydata())
    )
    return dict(points.tolist())


def markers(axes: Axes, marker: str) -> list[list[float]]:
    """Where each of a kind of single markers stands."""
    return [line.get_xydata().tolist()[0] for line in axes.lines if line.get_marker() == marker]


def test_the_curves_of_accuracy_are_those_of_the_reports(cells):
    (axes,) = accuracy_by_labels(cells).axes
    for name, top1 in (("supervised", SUPERVISED), ("SGAN", SGAN)):
        wanted = {share: 100 * value for share, value in top1.items()}
        assert drawn(axes, f"Bravais lattice, {name}") == pytest.approx(wanted)
    assert drawn(axes, "Bravais lattice, SGAN with contrast") == pytest.approx({5: 46, 10: 46})
    assert drawn(axes, "space group, supervised") == pytest.approx({90: 41})
    papers = {5: 60, 10: 65, 25: 72, 50: 78}
    assert drawn(axes, "space group, SGAN", faint=True) == pytest.approx(papers)


def test_bars_are_the_interval_of_one_seed_and_the_deviation_of_several(cells):
    (axes,) = accuracy_by_labels(cells).axes
    bars = [bar.lines[2][0].get_segments() for bar in axes.containers]
    (one_seed,) = (bar for bar in bars if len(bar) == 1)
    assert one_seed[0].tolist() == [pytest.approx([90, 39]), pytest.approx([90, 44])]
    for bar in bars:
        if len(bar) > 1:
            assert [top - bottom for (_, bottom), (_, top) in bar] == pytest.approx(
                [200 * 0.02 / 2**0.5] * len(bar)
            )


def test_the_curves_of_needed_labels_are_those_of_the_reports(cells):
    lattices, groups = label_efficiency(cells).axes
    needed = {share: labels_needed(SUPERVISED, top1).low for share, top1 in SGAN.items()}
    assert drawn(lattices, "here") == pytest.approx(needed)
    needed = labels_needed(SUPERVISED, 0.46).low
    assert drawn(lattices, "with contrast") == pytest.approx({5: needed, 10: needed})
    assert not markers(lattices, "^") + markers(lattices, "v")
    papers = {5: 0.54, 10: 0.61, 25: 0.68, 50: 0.75, 90: 0.806}
    needed = {
        share: labels_needed(papers, top1).low
        for share, top1 in ((5, 0.60), (10, 0.65), (25, 0.72), (50, 0.78))
    }
    assert drawn(groups, "the paper", faint=True) == pytest.approx(needed)


def test_needed_labels_beyond_the_curve_are_arrows(tmp_path):
    settings = settings_in(tmp_path)
    fewest, better, fewer, worse, *_ = rows_of("bravais")
    for experiment, top1 in ((fewest, 0.5), (better, 0.7), (fewer, 0.6), (worse, 0.4)):
        finish(settings, experiment, 0, top1)
    lattices, _ = label_efficiency(table4_cells.read(settings)).axes
    assert markers(lattices, "^") == [pytest.approx([5, 10])]
    assert markers(lattices, "v") == [pytest.approx([10, 5])]
