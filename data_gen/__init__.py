"""Crystal structures in, simulated powder diffraction patterns out.

Example:
    from data_gen import Crystal, DatasetSpec, build
    from data_gen.instrument import instrument
    from data_gen.simulate import simulate

    pattern = simulate(Crystal.from_cif("NaCl.cif"), instrument("bt1_ge311"))
    builder = build(DatasetSpec(sources="amcsd"), data_dir="data")

Names are imported on first use, so that a program that needs one pays for that one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_gen.builder import build as build
    from data_gen.crystal import Crystal as Crystal
    from data_gen.errors import InputError as InputError
    from data_gen.errors import StructureError as StructureError
    from data_gen.examples import crystal_from_features as crystal_from_features
    from data_gen.instrument import Instrument as Instrument
    from data_gen.sources import open_sources as open_sources
    from data_gen.spec import DatasetSpec as DatasetSpec

_HOMES = {
    "Crystal": "crystal",
    "DatasetSpec": "spec",
    "InputError": "errors",
    "Instrument": "instrument",
    "StructureError": "errors",
    "build": "builder",
    "crystal_from_features": "examples",
    "open_sources": "sources",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
