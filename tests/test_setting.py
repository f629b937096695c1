import gemmi
import numpy as np
import pytest

from data_gen.setting import prepare_setting
from data_gen.symmetry import group_operations

HALL_SYMBOLS = sorted({group.hall for group in gemmi.spacegroup_table()})


def test_the_primitive_cell_fits_every_tabulated_setting():
    for hall in HALL_SYMBOLS:
        prepared, operations = prepare_setting(hall), group_operations(hall)
        assert prepared.n_centring == len(operations.cen_ops)
        assert len(prepared.rotations) == len(operations.sym_ops)
        assert prepared.centric == operations.is_centrosymmetric()
        primitive = prepared.index_basis @ np.array(operations.cen_ops).T / 24
        np.testing.assert_array_equal(primitive, np.rint(primitive))


def test_the_laue_group_has_all_inverses():
    for hall in ("P 1", 'P 31 2"', "-F 4 2 3"):
        laue = prepare_setting(hall).laue
        elements = {rotation.tobytes() for rotation in laue}
        assert len(elements) == len(laue)
        assert elements == {(-rotation).tobytes() for rotation in laue}


@pytest.mark.parametrize("hall", ["-P 2ybc", '-R 3 2"c', "F 4d 2 3 -1d", "P 61 2 (0 0 -1)"])
def test_the_multiplication_table_multiplies(hall):
    prepared = prepare_setting(hall)
    for i, row in enumerate(prepared.products):
        for j, product in enumerate(row):
            shift = prepared.rotations[i] @ prepared.translations[j] + prepared.translations[i]
            difference = shift - prepared.translations[product]
            np.testing.assert_allclose(difference, np.rint(difference), atol=1e-12)


def test_an_inversion_centre_off_the_origin_is_found():
    prepared = prepare_setting("F 4d 2 3 -1d")
    conventional = prepared.axes @ prepared.centre
    offset = np.mod(conventional, 0.25)
    np.testing.assert_allclose(offset, 0.125)
