"""Sources of crystal structures behind one interface; see `open_sources`."""

from collections.abc import Callable
from pathlib import Path

from data_gen.errors import InputError
from data_gen.sources.amcsd import AmcsdSource
from data_gen.sources.base import Parsed, Record, Source, unreadable
from data_gen.sources.files import (
    TAR_SUFFIXES,
    ZIP_SUFFIXES,
    CifFileSource,
    FolderSource,
    TarSource,
    ZipSource,
)
from data_gen.sources.pymatgen import PymatgenSource
from data_gen.sources.table import TABLE_SUFFIXES, TableSource

__all__ = ["Parsed", "PymatgenSource", "Record", "Source", "open_sources", "source_names"]

_MATERIALS_PROJECT = "materials_project"

_KINDS: tuple[tuple[tuple[str, ...], Callable[[Path], Source]], ...] = (
    (TAR_SUFFIXES, TarSource),
    (ZIP_SUFFIXES, ZipSource),
    (TABLE_SUFFIXES, TableSource),
    ((".cif",), CifFileSource),
)


def open_sources(spec: str) -> tuple[Source, ...]:
    """Opens the sources that a text names.

    Args:
        spec: Comma-separated: ``amcsd``, ``materials_project`` (with an API key), or paths of
            folders with CIFs, tar or zip archives of CIFs, CSV or JSONL tables with a column
            ``cif``, or single CIFs.

    Raises:
        InputError: A path does not exist, is of no such kind, or holds no structures.
    """
    return tuple(_open(name) for name in source_names(spec))


def source_names(spec: str) -> list[str]:
    """Returns the names of the sources that a text names.

    Raises:
        InputError: It names none.
    """
    names = [name.strip() for name in spec.split(",") if name.strip()]
    if not names:
        raise InputError("no sources given: name amcsd, a folder, an archive or a table")
    return names


def _open(name: str) -> Source:
    if name == AmcsdSource.name:
        return AmcsdSource()
    if name == _MATERIALS_PROJECT:
        # Imported late, since the module is run as a program too.
        from data_gen.sources.materials_project import MaterialsProjectSource

        return MaterialsProjectSource()
    try:
        path = Path(name).expanduser()
        source = FolderSource(path) if path.is_dir() else _open_file(path)
        empty = next(source.records(), None) is None
    except (OSError, RuntimeError) as error:  # the latter where ~name is nobody's home
        raise unreadable(name, error) from None
    if empty:
        lack = "row" if isinstance(source, TableSource) else "file ending in .cif"
        raise InputError(f"source {name!r} holds no structures: there is no {lack} in it")
    return source


def _open_file(path: Path) -> Source:
    if not path.is_file():
        raise InputError(
            f"source {str(path)!r} does not exist: give a folder, an archive or a table, or amcsd; "
            "a comma separates sources"
        )
    for suffixes, source in _KINDS:
        if path.name.lower().endswith(suffixes):
            return source(path)
    known = ", ".join(suffix for suffixes, _ in _KINDS for suffix in suffixes)
    raise InputError(f"source {str(path)!r} is of no known kind: known are folders and {known}")
