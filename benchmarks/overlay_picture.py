"""Draws a simulated pattern over a measured one."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.overlay_cases import Case
from benchmarks.overlay_fit import Fit, Measurement
from data_gen.reflections import powder_lines

_FAINTEST = 1e-3  # of the strongest line: no mark for what is weaker


def picture(case: Case, measured: Measurement, found: Fit, moved: str) -> bytes:
    """Draws patterns, marks at the reflections, and differences, as PNG.

    Args:
        case: What is compared.
        measured: The measured pattern.
        found: The simulated one.
        moved: How the cells changed, in words.
    """
    figure = Figure(figsize=(14, 7.5), layout="constrained")
    heights = [6, 0.3 * len(found.sticks) + 0.2, 2]
    pattern, marks, difference = figure.subplots(3, sharex=True, height_ratios=heights)
    x, y, _ = measured
    pattern.plot(x, y, ".", color="black", markersize=2, label="measured")
    curves = (
        (found.plain, "tab:red", "simulated"),
        (found.adapted, "tab:blue", "with B and adapted widths"),
    )
    for curve, color, label in curves:
        pattern.plot(x, curve.values, color=color, linewidth=0.7, label=label)
        difference.plot(x, y - curve.values, color=color, linewidth=0.6)
    pattern.plot(x, found.background, color="tab:green", linewidth=0.6, label="background")
    pattern.set_yscale("function", functions=(_signed_root, _signed_square))
    pattern.set(ylabel="intensity (square-root scale)", xlim=(x[0], x[-1]))
    _draw_marks(marks, case, found)
    handles = [handle for axes in (pattern, marks) for handle in axes.get_lines()]
    pattern.legend(handles=handles, fontsize=8)
    difference.set(ylabel="measured − simulated", xlabel="2θ (degrees)")
    pattern.set_title(_title(case, found, moved), fontsize=9, parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _signed_root(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * values**2


def _draw_marks(axes: Axes, case: Case, found: Fit) -> None:
    """Marks the reflections of each phase in a row of its own."""
    for row, (crystal, sticks) in enumerate(zip(found.crystals, found.sticks, strict=True)):
        lines = powder_lines(sticks, crystal)
        seen = lines.two_theta[lines.intensity > _FAINTEST * lines.intensity.max()]
        label = f"{case.structures[row]}: {crystal.formula}"
        color = f"C{4 + row}"
        axes.plot(seen, np.full(len(seen), -row), "|", color=color, markersize=8, label=label)
    axes.set(yticks=[], ylim=(0.6 - len(found.sticks), 0.6))


def _title(case: Case, found: Fit, moved: str) -> str:
    name, wavelength = case.instrument.name, case.instrument.wavelength
    plain, adapted = found.plain, found.adapted
    widths = ", ".join(f"{factor:.2f}" for factor in found.widths)
    return (
        f"{case.file} over {' + '.join(case.structures)} at {wavelength:g} Å, widths of {name}; "
        f"cell moved by (%) {moved}; zero {found.zero:+.3f}°\n"
        f"Rwp {plain.weighted_residual:.3f} (of peaks {plain.peak_residual:.3f}); with "
        f"B = {found.displacement:.2f} Å2 and widths × {widths}: Rwp "
        f"{adapted.weighted_residual:.3f} ({adapted.peak_residual:.3f})\n{case.remark}"
    )
