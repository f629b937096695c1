"""The data set of powder patterns: built by TFDS as array_record files, without TensorFlow.

Example:
    spec = DatasetSpec(sources="amcsd,my_cifs.tar.gz")
    builder = build(spec, "data")
    examples = builder.as_data_source(split="all")
"""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core.constants import INCOMPLETE_PREFIX
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder
from tensorflow_datasets.core.splits import SplitDict, SplitInfo
from tqdm import tqdm

from data_gen.claim import claim
from data_gen.errors import InputError
from data_gen.examples import features
from data_gen.generate import Outcome, Settings, generate
from data_gen.limits import MAX_WORKERS_PER_CORE
from data_gen.parallel import available_cores
from data_gen.shards import ShardFolder
from data_gen.spec import LIBRARIES, DatasetSpec
from data_gen.summary import REJECTED_FILE, SUMMARY_FILE, Tally, closing_table

SPLIT = "train"  # TFDS keeps the name "all" for the sum of all splits


@dataclass(eq=False)
class PatternsConfig(tfds.core.BuilderConfig):
    """A TFDS config that carries what to build and, without effect on the content, how.

    Attributes:
        spec: What the data set is made of.
        fingerprint: That of the spec when the build began.
        workers: Number of processes that simulate it.
        beam: Options of the Beam pipeline that simulates it instead.
        progress: Whether to show a progress bar.
    """

    spec: DatasetSpec = field(kw_only=True)
    fingerprint: str = field(kw_only=True)
    workers: int = 1
    beam: tuple[str, ...] = ()
    progress: bool = True


class _OfflineInfo(tfds.core.DatasetInfo):
    """Looks for no ready-made information in TFDS's bucket (and leaves no folder for it)."""

    def initialize_from_bucket(self) -> None:
        """Does nothing."""


class PowderPatterns(FileReaderBuilder):
    """Simulated powder diffraction patterns of crystal structures, with their symmetry.

    TFDS's `GeneratorBasedBuilder` holds all examples in its shuffler, even when told not to
    shuffle: up to 1 GB in memory, then in temporary files that need TensorFlow. Here shards are
    written beforehand, in the order of the sources, and TFDS makes them a data set.
    Read with `as_data_source(split="all")`.
    """

    name = "powder_patterns"
    VERSION = tfds.core.Version("1.0.0")

    @property
    def _config(self) -> PatternsConfig:
        return cast(PatternsConfig, self.builder_config)

    def _info(self) -> tfds.core.DatasetInfo:
        return _OfflineInfo(
            builder=self,
            description="Powder diffraction patterns simulated from crystal structures.",
            features=features(len(self._config.spec.instrument_values.two_theta)),
            disable_shuffling=True,
        )

    def _log_download_bytes(self) -> None:
        """Says nothing: nothing is downloaded."""

    _log_download_done = _log_download_bytes

    def _make_download_manager(self, **_: object) -> SimpleNamespace:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Stands for TFDS's own, which makes folders and asks for packages that go unused here."""
        return SimpleNamespace(downloaded_size=0)

    @property
    def shards(self) -> ShardFolder:
        """Where its shards are before it is whole; those of a pipeline are in another order."""
        kind = "beam" if self._config.beam else "shards"
        path = Path(self.data_dir).parent / f"{INCOMPLETE_PREFIX}{kind}"
        return ShardFolder(path, self._config.fingerprint)

    def _download_and_prepare(self, dl_manager: object, download_config: object = None) -> None:
        """Puts the finished shards into the folder that TFDS renames when it is whole."""
        folder, shards = Path(self.data_dir), self.shards
        size, seconds = 0, 0.0
        with (folder / REJECTED_FILE).open("w", newline="", encoding="utf-8") as rejected:
            tally = Tally(rejected)
            for journal in shards.journals():
                tally.add(journal)
                size += journal.example_bytes
                seconds += journal.seconds
        tally.require_any()
        summary = tally.summary(seconds) | _provenance(self._config)
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n")
        template = self._get_filename_template(SPLIT)
        lengths = shards.move(
            lambda i, n: Path(template.sharded_filepath(shard_index=i, num_shards=n))
        )
        self.info.set_splits(SplitDict([SplitInfo(SPLIT, lengths, size, template)]))


def _provenance(config: PatternsConfig) -> dict[str, Any]:
    spec = config.spec
    return {
        "spec": asdict(spec),
        "instrument": asdict(spec.instrument_values),
        "fingerprint": config.fingerprint,
        **({"beam": config.beam} if config.beam else {"workers": config.workers}),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def build(
    spec: DatasetSpec,
    data_dir: str | Path,
    workers: int | None = None,
    progress: bool = True,
    beam: Sequence[str] = (),
) -> PowderPatterns:
    """Returns the data set of `spec`, ready to be read; builds it first if it is not there.

    A local build that was interrupted goes on behind the shards that it had finished.

    Args:
        spec: What it is made of.
        data_dir: Folder for data sets; each has a folder of its own in it, named by its content.
        workers: Number of processes; all cores by default. Does not change the result.
        progress: Whether to show a progress bar and a closing table.
        beam: Options of Apache Beam, such as ``["--runner=FlinkRunner", …]``: its workers simulate
            instead, with the same result in another order.

    Raises:
        InputError: A source, the instrument or `workers` is wrong, `data_dir` cannot be written,
            no structure can serve, or a worker process was killed. Nothing but finished shards is
            left behind then.
    """
    workers = _checked_workers(workers)
    fingerprint = spec.fingerprint()
    config = PatternsConfig(
        name=f"{spec.instrument}-{fingerprint[:12]}",
        spec=spec,
        fingerprint=fingerprint,
        workers=workers,
        beam=tuple(beam),
        progress=progress,
    )
    try:
        root = Path(data_dir).expanduser().absolute()
        builder = _open(config, root)
        folder = Path(builder.data_dir)
        found = folder.exists()
    except (OSError, RuntimeError) as error:  # the latter where ~name is nobody's home
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot use data directory {data_dir}: {reason}; name another") from None
    if found:
        if progress:
            print(f"already built: {folder}")
        return builder
    with _saying_what_is_kept(builder.shards), claim(folder.parent):
        builder = _open(config, root)  # another process may have built it in the meantime
        if not folder.exists():
            _write_shards(config, builder.shards)
            _finish(builder)
    if progress:
        print(closing_table(json.loads((folder / SUMMARY_FILE).read_text()), folder))
    return builder


@contextlib.contextmanager
def _saying_what_is_kept(shards: ShardFolder) -> Iterator[None]:
    """Adds to what ends a build early how much of it is not lost."""
    try:
        yield
    except (InputError, KeyboardInterrupt) as error:
        kept = sum(journal.structures for journal in shards.journals())
        if not kept:
            raise
        note = f"{kept:,} structures are kept: the same command goes on from there"
        raise type(error)("; ".join(filter(None, (str(error), note)))) from None


def _write_shards(config: PatternsConfig, shards: ShardFolder) -> None:
    """Simulates what is in no shard yet."""
    spec = config.spec
    settings = Settings(spec.instrument_values, spec.scattering_lengths, spec.check_symmetry)
    if config.beam:
        from data_gen.beam import write_shards  # only now: Beam is an extra, and slow to import

        write_shards(spec, settings, shards, config.beam)
        return
    done = shards.open()
    records = islice(spec.records(), done.records, None)
    left = None if spec.limit is None else spec.limit - done.structures
    with (
        contextlib.closing(generate(records, settings, config.workers)) as outcomes,
        tqdm(
            desc="simulating",
            total=spec.count() if config.progress else None,
            initial=done.structures,
            unit=" structures",
            smoothing=0.05,
            disable=not config.progress,
        ) as bar,
    ):
        shards.append(_shown(_limited(outcomes, left), bar), done)


def _limited(outcomes: Iterable[list[Outcome]], limit: int | None) -> Iterator[list[Outcome]]:
    """Cuts off what is beyond the limit: one record can hold several structures."""
    left = sys.maxsize if limit is None else limit
    for of_record in outcomes:
        if left <= 0:
            return
        yield of_record[:left]
        left -= len(of_record)


def _shown(outcomes: Iterable[list[Outcome]], bar: tqdm) -> Iterator[list[Outcome]]:
    for of_record in outcomes:
        yield of_record
        bar.update(len(of_record))


def _finish(builder: PowderPatterns) -> None:
    """Makes a data set of the finished shards, and leaves nothing else beside it."""
    try:
        builder.download_and_prepare()
    except InputError:  # no structure can serve: then neither can their journals
        shutil.rmtree(builder.shards.path)
        raise
    for remains in Path(builder.data_dir).parent.glob(f"{INCOMPLETE_PREFIX}*"):
        shutil.rmtree(remains)


def _checked_workers(workers: int | None) -> int:
    cores = available_cores()
    workers = cores if workers is None else workers
    most = MAX_WORKERS_PER_CORE * cores
    if not 1 <= workers <= most:
        raise InputError(f"workers is {workers}; with {cores} cores it must be from 1 to {most}")
    return workers


def _open(config: PatternsConfig, data_dir: Path) -> PowderPatterns:
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # else TFDS warns of a config that it does not know
    try:
        return PowderPatterns(config=config, data_dir=data_dir, file_format="array_record")
    finally:
        logging.set_verbosity(verbosity)
