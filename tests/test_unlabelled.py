"""Measured patterns as unlabelled examples."""

import logging

import numpy as np
import pytest

from data_gen.errors import InputError
from sgan_jax.grids import GRIDS
from sgan_jax.measured import read_pattern
from sgan_jax.preparation import prepare
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


def test_the_manifest_goes_before_the_file(tmp_path):
    write(tmp_path / "one.xy")
    write(tmp_path / "two.xy")
    table = "\ufefffile,wavelength_A,note\none.xy,1.8\ntwo.xy,,\nother.xy, ,blank\n"
    (tmp_path / "manifest.csv").write_text(table, encoding="utf-8")
    pattern = read_pattern(tmp_path / "one.xy")
    for row, wavelength in zip(prepared_patterns(tmp_path, GRID), (1.8, 1.54), strict=True):
        np.testing.assert_array_equal(row, prepare(pattern, wavelength, GRID).network_input)


def test_what_gets_no_answer_is_left_out(tmp_path, caplog):
    write(tmp_path / "one.xy")
    noise = np.random.default_rng(0).poisson(100, 1200)
    rows = "".join(f"{5 + 0.1 * i:.2f} {y}\n" for i, y in enumerate(noise))
    (tmp_path / "noise.xy").write_text(f"# wavelength = 1.54 A\n{rows}")
    write(tmp_path / "rays.xy", header="# wavelength = 1.54 A, X-rays\n")
    with caplog.at_level(logging.WARNING):
        assert len(prepared_patterns(tmp_path, GRID)) == 1
    assert "noise.xy: no clear peaks" in caplog.text
    assert "rays.xy: no model trained for X-rays" in caplog.text


def test_blocks_of_a_file_are_judged_each_for_itself(tmp_path, caplog):
    angles = 5 + 0.1 * np.arange(1200)
    counts = 50 + 1000 * np.exp(-(((angles % 17) - 8) ** 2))
    rows = "".join(f"{x:.2f} {y:.1f}\n" for x, y in zip(angles, counts, strict=True))
    columns = "loop_\n_pd_meas_2theta_scan\n_pd_meas_intensity_total\n"
    text = "".join(
        f"data_{probe}\n_diffrn_radiation_probe {probe}\n_diffrn_radiation_wavelength 1.54\n"
        f"{columns}{rows}\n"
        for probe in ("x-ray", "neutron")
    )
    (tmp_path / "both.cif").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert len(prepared_patterns(tmp_path, GRID)) == 1
    assert "both.cif, x-ray: no model trained for X-rays" in caplog.text


@pytest.mark.parametrize("value", ["about 1.5", "1,5 A"])
def test_a_wavelength_that_is_no_number_is_refused(tmp_path, value):
    write(tmp_path / "one.xy")
    (tmp_path / "manifest.csv").write_text(f'file,wavelength_A\none.xy,"{value}"\n')
    with pytest.raises(InputError, match="give wavelength_A in Å"):
        prepared_patterns(tmp_path, GRID)


def test_a_folder_without_patterns_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no measured pattern that can serve"):
        prepared_patterns(tmp_path, GRID)


def test_a_manifest_without_its_columns_is_refused(tmp_path):
    write(tmp_path / "one.xy")
    (tmp_path / "manifest.csv").write_text("name,lambda\none.xy,1.5\n")
    with pytest.raises(
        InputError, match="no column file and wavelength_A; give file, wavelength_A"
    ):
        prepared_patterns(tmp_path, GRID)
