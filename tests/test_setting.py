import gemmi
import numpy as np

from data_gen.setting import prepare_setting
from data_gen.symmetry import group_operations

HALL_SYMBOLS = sorted({group.hall for group in gemmi.spacegroup_table()})


def test_the_primitive_cell_fits_every_tabulated_setting():
    for hall in HALL_SYMBOLS:
        prepared, operations = prepare_setting(hall), group_operations(hall)
        assert np.prod(np.diagonal(prepared.index_basis)) == len(operations.cen_ops)
        assert prepared.centric == operations.is_centrosymmetric()
        stands_for = 2 if prepared.centric else 1
        assert stands_for * len(prepared.rotations) == len(operations.sym_ops)


def test_the_laue_group_has_all_inverses():
    for hall in ("P 1", 'P 31 2"', "-F 4 2 3"):
        laue = prepare_setting(hall).laue
        elements = {rotation.tobytes() for rotation in laue}
        assert len(elements) == len(laue)
        assert elements == {(-rotation).tobytes() for rotation in laue}


def test_an_inversion_centre_off_the_origin_becomes_the_origin():
    prepared = prepare_setting("F 4d 2 3 -1d")
    (identity,) = np.flatnonzero((prepared.rotations == np.eye(3)).all(axis=(1, 2)))
    centre = prepared.axes @ -prepared.translations[identity]
    np.testing.assert_allclose(np.mod(centre, 0.25), 0.125)
