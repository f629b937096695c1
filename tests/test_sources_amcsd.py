"""The packaged mineral database, all of it."""

from collections import Counter

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
