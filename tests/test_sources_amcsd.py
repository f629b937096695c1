"""The packaged mineral database, all of it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.sources import amcsd
from data_gen.sources.amcsd import AmcsdSource


@pytest.fixture(scope="module")
def parsed() -> dict[str, Crystal | StructureError]:
    source = AmcsdSource()
    return {name: crystal for r in source.records() for name, crystal in r.parse(r.payload)}


def test_every_entry_is_a_crystal_or_has_a_reason(
    parsed: dict[str, Crystal | StructureError],
) -> None:
    assert len(parsed) == AmcsdSource().count()
    crystals = [crystal for crystal in parsed.values() if isinstance(crystal, Crystal)]
    reasons = Counter(
        crystal.reason for crystal in parsed.values() if not isinstance(crystal, Crystal)
    )
    assert len(parsed) > 9000
    assert len(crystals) > 0.93 * len(parsed)
    assert reasons.most_common(1)[0][0] is Reason.MISSING_HYDROGEN
    assert reasons.total() - reasons[Reason.MISSING_HYDROGEN] < 50
    assert all(1 <= crystal.space_group <= 230 for crystal in crystals)


def test_records_that_are_not_read_to_the_end_can_be_dropped_in_another_thread() -> None:
    records = AmcsdSource().records()
    next(records)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(records.close).result()


@pytest.mark.parametrize(
    ("name", "space_group", "formula"),
    [
        ("amcsd_0000003", 225, "PbS"),  # galena
        ("amcsd_0001059", 55, "Al3.839O7.694Si"),  # mullite, disordered
    ],
)
def test_known_minerals(
    parsed: dict[str, Crystal | StructureError], name: str, space_group: int, formula: str
) -> None:
    crystal = parsed[name]
    assert isinstance(crystal, Crystal)
    assert crystal.space_group == space_group
    assert crystal.formula == formula


def test_a_name_that_contradicts_the_operations_is_found(
    parsed: dict[str, Crystal | StructureError],
) -> None:
    detail = "named 'F 4/m m m', with the operations of Cmca"
    found = [c.detail for c in parsed.values() if isinstance(c, StructureError)]
    assert found.count(detail) == 2
    assert sum("with the operations of" in text for text in found) == 5


def test_the_database_is_opened_for_reading_only() -> None:
    source = AmcsdSource()
    before = source.fingerprint()
    connection = source._connect()
    with pytest.raises(Exception, match="readonly"):
        connection.execute("DELETE FROM cif")
    connection.close()
    assert source.fingerprint() == before


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amcsd, "_FILE", "no_such_file.db")
    with pytest.raises(InputError, match="pip install larixite"):
        AmcsdSource()


def test_displacement_parameters_of_quartz(parsed: dict[str, Crystal | StructureError]) -> None:
    """K. Kihara, Eur. J. Mineral. 2 (1990) 63, at 298 K; U12 and U13 of Si obey its symmetry."""
    quartz = parsed["amcsd_0006212"]
    assert isinstance(quartz, Crystal)
    silicon = [0.00733, 0.0059, 0.00535, 0.00055, 0.00027, 0.00294]
    oxygen = [0.012, 0.0105, 0.0118, -0.004, -0.0029, 0.0065]
    np.testing.assert_allclose(quartz.displacements, [silicon, oxygen], atol=1e-8)


def test_isotropic_displacement_parameters_of_halite(
    parsed: dict[str, Crystal | StructureError],
) -> None:
    halite = parsed["amcsd_0000641"]
    assert isinstance(halite, Crystal)
    expected = [[u, u, u, 0, 0, 0] for u in (0.01849, 0.01494)]
    np.testing.assert_allclose(halite.displacements, expected, atol=1e-8)


def test_a_third_of_the_entries_have_all_their_displacement_parameters(
    parsed: dict[str, Crystal | StructureError],
) -> None:
    crystals = [crystal for crystal in parsed.values() if isinstance(crystal, Crystal)]
    complete = [c for c in crystals if np.isfinite(c.displacements).all()]
    assert 0.35 < len(complete) / len(crystals) < 0.5
    largest = np.concatenate([c.displacements for c in complete])
    assert np.abs(largest).max() <= 1.0
    assert np.median(largest[:, :3]) < 0.02
