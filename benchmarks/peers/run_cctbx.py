"""cctbx: direct summation over the unique reflections, in C++."""
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from cctbx import crystal as crystals
from cctbx import sgtbx, xray
from cctbx.array_family import flex
from cctbx.eltbx import neutron
from measuring import (
    D_MAX,
    D_MIN,
    WAVELENGTH,
    Lines,
    Peer,
    each,
    lorentz,
    lorentz_polarisation,
    measure,
    options,
)


def prepare(crystal: Mapping[str, Any], radiation: str) -> xray.structure:
    """Makes a structure that knows its scattering factors."""
    symmetry = crystals.symmetry(
        unit_cell=crystal["cell"], space_group=sgtbx.space_group(crystal["hall"])
    )
    rows = zip(crystal["species"], crystal["positions"], crystal["occupancies"], strict=True)
    scatterers = [
        xray.scatterer(symbol, site=position, occupancy=occupancy, u=0.0)
        for symbol, position, occupancy in rows
    ]
    sites = flex.xray_scatterer(scatterers)
    structure = xray.structure(crystal_symmetry=symmetry, scatterers=sites)
    if radiation == "neutron":
        structure.switch_to_neutron_scattering_dictionary()
    else:
        structure.scattering_type_registry(table="it1992")
        structure.set_inelastic_form_factors(WAVELENGTH, "sasaki")
    return structure


def calculate(
    structure: xray.structure, anomalous: bool
) -> tuple[flex.double, flex.double, flex.int]:
    """Returns d, |F|² and multiplicity of unique reflections, of Friedel mates too if anomalous."""
    indices = structure.build_miller_set(anomalous_flag=anomalous, d_min=D_MIN, d_max=D_MAX)
    factors = indices.structure_factors_from_scatterers(structure, algorithm="direct").f_calc()
    squares = flex.norm(factors.data())
    return indices.d_spacings().data(), squares, indices.multiplicities().data()


def main() -> None:
    """Measures cctbx."""
    chosen = options()
    neutrons = chosen.radiation == "neutron"
    correction = lorentz if neutrons else lorentz_polarisation

    def lines(result: tuple[flex.double, flex.double, flex.int]) -> Lines:
        rows = zip(*result, strict=True)
        return list(result[0]), [
            square * multiplicity * correction(d) for d, square, multiplicity in rows
        ]

    def length(symbol: str) -> complex:
        return neutron.neutron_news_1992_table(symbol).bound_coh_scatt_length()

    peer = Peer(
        version=version("cctbx-base"),
        prepare=lambda crystal: prepare(crystal, chosen.radiation),
        calculate=each(lambda structure: calculate(structure, anomalous=not neutrons)),
        lines=lines,
        scattering_length=length if neutrons else None,
    )
    measure(peer, chosen)


if __name__ == "__main__":
    main()
