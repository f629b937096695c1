"""Measured patterns as unlabelled examples."""

import logging

import numpy as np
import pytest

from data_gen.errors import InputError
from sgan_jax.grids import GRIDS
from sgan_jax.unlabelled import prepared_patterns

GRID = GRIDS["log_d"]


def write(path, header="# wavelength = 1.54 A, neutron\n"):
    angles = 5 + 0.1 * np.arange(1200)
    counts = 50 + 1000 * np.exp(-(((angles % 17) - 8) ** 2))
    path.parent.mkdir(exist_ok=True)
    lines = (f"{x:.2f} {y:.1f}\n" for x, y in zip(angles, counts, strict=True))
    path.write_text(header + "".join(lines))


def test_a_folder_gives_a_row_for_each_pattern(tmp_path, caplog):
    write(tmp_path / "one.xy")
    write(tmp_path / "deeper" / "two.xy", header="")
    write(tmp_path / "unknown.xy", header="")
    (tmp_path / "notes.txt").write_text("measured on a Sunday")
    (tmp_path / "manifest.csv").write_text("file,wavelength_A\ndeeper/two.xy,1.54\n")
    with caplog.at_level(logging.WARNING):
        rows = prepared_patterns(tmp_path, GRID)
    assert rows.shape == (2, 3041)
    np.testing.assert_array_equal(rows[0], rows[1])
    assert "unknown.xy does not say its wavelength; add it to manifest.csv" in caplog.text
    assert "notes.txt" in caplog.text


def test_a_folder_without_patterns_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no measured pattern that can serve"):
        prepared_patterns(tmp_path, GRID)


def test_a_manifest_without_its_columns_is_refused(tmp_path):
    write(tmp_path / "one.xy")
    (tmp_path / "manifest.csv").write_text("name,lambda\none.xy,1.5\n")
    with pytest.raises(InputError, match="give columns file and wavelength_A"):
        prepared_patterns(tmp_path, GRID)
