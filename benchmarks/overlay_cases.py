"""Which structure and which instrument belong to each measured pattern."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from data_gen.crystal import Crystal
from data_gen.errors import InputError
from data_gen.instrument import Instrument, instrument
from data_gen.sources import open_sources

ITSELF = "file"
"""In place of a structure's id: the structure that the file of the measurement holds."""


@dataclass(frozen=True)
class Case:
    """A measured pattern and what it should be compared with.

    Attributes:
        file: Name of the file of the pattern.
        instrument: Wavelength and widths; the grid does not matter.
        structures: Id of each phase in its source.
        remark: What else is in the pattern, or is different in it.
        excluded: Ranges of 2θ in degrees where that is; they are drawn but not fitted.
    """

    file: str
    instrument: Instrument
    structures: tuple[str, ...]
    remark: str = ""
    excluded: tuple[tuple[float, float], ...] = ()


def _at(name: str, wavelength: float) -> Instrument:
    return replace(instrument(name), wavelength=wavelength)


# G4.1 at LLB; its widths are those that the file of the measurement states.
_G41 = replace(_at("d20", 2.4), name="g41", u=0.8971, v=-0.3054, w=0.0966)
# The named instrument has symmetric peaks; here the first one, at 9°, is drawn out visibly.
_DIVERGENT = replace(_at("bt1_ge311", 2.0785), s_l=0.03, h_l=0.03)

CASES = (
    Case("GSAS-II-tutorials__PBSO4.CWN", _at("d1a", 1.909), ("amcsd_0005558",)),
    Case("pycrysfml__Al2O3.dat", _at("bt1_cu311", 1.5403), ("amcsd_0015110",)),
    Case("pycrysfml__lamn_3t2.dat", _at("3t2", 1.2272), ("amcsd_0015289",)),
    Case(
        "GSAS-II-tutorials__LaMnO3_50k.gsas",
        _at("bt1_cu311", 1.5403),
        ("amcsd_0015289",),
        "antiferromagnetic at 50 K: peaks at 11.5, 25.2, 34.4 and 42.0° among others",
        ((10.5, 12.6), (24.6, 25.9), (34.0, 35.4), (41.6, 42.4)),
    ),
    Case(
        "GSAS-II-tutorials__Cr2WO6_T150K.dat",
        _at("hb2a", 2.4067),
        ("mp-19894",),
        "weak peaks of something else at 62.4, 66.5 and 73.3°; narrower than usual for HB-2A",
    ),
    Case(
        "GSAS-II-tutorials__Er2Ge2O7_op2112_Ge113_2K.gss",
        _at("hb2a", 2.4063),
        ("mp-13643",),
        "aluminium of the container at 61.9, 73.1 and 115.3°",
        ((61.0, 62.3), (71.6, 74.2), (111.5, 118.0)),
    ),
    Case(
        "pycrysfml__cuf1k.dat",
        _at("d1a", 1.9845),
        ("amcsd_0011773",),
        "antiferromagnetic at 1.5 K: peaks at 22.5 and 32.6°",
        ((21.5, 23.6), (32.0, 33.3)),
    ),
    Case(
        "pycrysfml__maghem.dat",
        _at("d1a", 1.8876),
        ("amcsd_0007781", "amcsd_0017806"),
        "both phases are magnetic: Fe3O4 at 22.2, 36.8, 45.6 and 58.5°, Fe2O3 at 23.7 and 26.1°",
        ((20.5, 27.5), (36.0, 37.8), (45.0, 46.4), (57.6, 59.4)),
    ),
    Case(
        "EasyDiffractionBeta__g41.cif",
        _G41,
        ("mp-772195",),
        "weak peaks of something else at 55, 68.5 and 81.5°; absorption by Dy looks like B < 0",
        ((54.5, 56.0), (67.8, 69.0), (80.8, 82.3)),
    ),
    Case(
        "xylib__1517474.cif",
        _DIVERGENT,
        (ITSELF,),
        "axial divergence with S/L = H/L = 0.03, found by trial; without it Rwp is 0.117 (0.062)",
    ),
)


def find_structures(wanted: set[str], sources: str) -> dict[str, Crystal]:
    """Returns those of the wanted structures that the sources hold.

    Raises:
        InputError: A source cannot be opened.
    """
    found: dict[str, Crystal] = {}
    for source in open_sources(sources):
        for record in source.records():
            if wanted <= found.keys():
                return found
            if record.id in wanted:
                found |= {
                    name: crystal
                    for name, crystal in record.parse(record.payload)
                    if isinstance(crystal, Crystal)
                }
    return found


def phases_of(case: Case, path: Path, known: dict[str, Crystal]) -> Iterator[Crystal]:
    """Yields the structures of a case.

    Raises:
        InputError: One of them is not known.
    """
    for name in case.structures:
        if name == ITSELF:
            yield Crystal.from_cif(path)
        elif name in known:
            yield known[name]
        else:
            raise InputError(f"{case.file}: structure {name} is in none of the --structures")
