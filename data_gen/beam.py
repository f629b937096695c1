"""Simulates the structures of a data set on many machines, with Apache Beam.

A worker reads each source into records; these are spread over all workers, simulated, and grouped
by a hash of their ids into shards, written as those of a local build are. The examples are the
same, byte for byte on processors of one kind; only their order differs. A runner may work on a part
of the pipeline several times, at once even: each attempt writes files of its own, and one whole
pair per shard is taken.

The workers import this package and open the sources, so they need both, the files of the sources
at the same paths as where the pipeline is launched. They write into the data directory, if they
share it with the launcher, else into the `temp_location` of Beam's options, such as a bucket.
"""

import contextlib
import hashlib
import math
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import cast

from data_gen.errors import InputError
from data_gen.generate import Example, Outcome, Rejection, Settings, outcomes_of_chunk
from data_gen.shards import (
    EXAMPLES_PER_SHARD,
    JOURNAL_SUFFIX,
    SHARD_SUFFIX,
    Ids,
    ShardFolder,
    repeated,
)
from data_gen.sources import Record, open_sources, source_names
from data_gen.spec import DatasetSpec

try:
    import apache_beam as beam
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
    from apache_beam.pvalue import AsSingleton, PCollection
except ImportError:
    raise InputError(
        "--runner needs Apache Beam, which is not installed: pip install 'sgan_jax[beam]'"
    ) from None

Order = tuple[int, ...]
"""Number of the source, of the record in it, and of the structure in that."""


def write_shards(
    spec: DatasetSpec, settings: Settings, shards: ShardFolder, options: Sequence[str]
) -> None:
    """Simulates a data set anew, into an empty folder of shards.

    Args:
        spec: What the data set is made of.
        settings: How each structure is checked and simulated.
        shards: Where the shards go; what is there is removed.
        options: Beam's, the runner among them: ``["--runner=FlinkRunner", …]``.

    Raises:
        InputError: The pipeline failed.
    """
    started = time.monotonic()
    shutil.rmtree(shards.path, ignore_errors=True)
    shards.open()
    pipeline_options = PipelineOptions(list(options))
    try:
        with _stage(pipeline_options, shards) as stage:
            _run(spec, settings, pipeline_options, stage, shards.fingerprint)
            _collect(stage, shards, started)
    except BaseException:
        shutil.rmtree(shards.path, ignore_errors=True)
        raise


@contextlib.contextmanager
def _stage(options: PipelineOptions, shards: ShardFolder) -> Iterator[str]:
    """Gives a folder that all workers can write to; removes it in the end."""
    temporary = options.view_as(GoogleCloudOptions).temp_location or str(shards.path)
    stage = FileSystems.join(temporary, f"shards-{uuid.uuid4().hex}")
    FileSystems.mkdirs(stage)
    try:
        yield stage
    finally:
        FileSystems.delete([stage])


def _run(
    spec: DatasetSpec,
    settings: Settings,
    options: PipelineOptions,
    stage: str,
    fingerprint: str,
) -> None:
    structures = spec.count() or sum(1 for _ in spec.records())
    number_of_shards = max(1, math.ceil(structures / EXAMPLES_PER_SHARD))
    try:
        with beam.Pipeline(options=options) as pipeline:
            outcomes = (
                pipeline
                | "sources" >> beam.Create(list(enumerate(source_names(spec.sources))))
                | "read" >> beam.FlatMap(_read, spec.limit)
                | "spread" >> beam.Reshuffle()
                | "simulate" >> beam.FlatMap(_simulate, settings)
            )
            if spec.limit is not None:
                outcomes = _first(outcomes, spec.limit)
            _ = (
                outcomes
                | "key" >> beam.Map(_keyed, number_of_shards)
                | "group" >> beam.GroupByKey()
                | "write" >> beam.Map(_write, stage, fingerprint)
            )
    except Exception as error:  # runners raise what they like
        detail = (str(error).strip() or repr(error)).splitlines()[-1]
        raise InputError(
            f"the Beam pipeline failed: {detail}; see its log, then start again"
        ) from error


def _read(source: tuple[int, str], limit: int | None) -> Iterator[tuple[Order, Record]]:
    number, name = source
    for opened in open_sources(name):
        for index, record in enumerate(islice(opened.records(), limit)):
            yield (number, index), record


def _simulate(element: tuple[Order, Record], settings: Settings) -> Iterator[tuple[Order, Outcome]]:
    order, record = element
    for of_record in outcomes_of_chunk([record], settings):
        for index, outcome in enumerate(of_record):
            yield (*order, index), outcome


def _first(outcomes: PCollection, limit: int) -> PCollection:
    """Returns the first outcomes in the order of the sources, as many as the limit allows."""
    orders = outcomes | "orders" >> beam.Keys()
    first = cast(PCollection, orders | "first" >> beam.combiners.Top.Smallest(limit))
    among = beam.Filter(_is_among, AsSingleton(first))
    return cast(PCollection, outcomes | "limit" >> among)


def _is_among(element: tuple[Order, Outcome], first: Sequence[Order]) -> bool:
    return element[0] <= first[-1]


def _keyed(element: tuple[Order, Outcome], shards: int) -> tuple[int, tuple[Order, Outcome]]:
    digest = hashlib.blake2b(element[1].id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % shards, element


# ---------------------------------------------------------------- files


def _write(
    shard: tuple[int, Iterable[tuple[Order, Outcome]]], stage: str, fingerprint: str
) -> None:
    """Writes one shard and then its journal, under names that no other attempt has."""
    index, outcomes = shard
    with tempfile.TemporaryDirectory() as folder:
        local = ShardFolder(Path(folder), fingerprint)
        local.write(index, iter([_in_order(outcomes)]), Ids())
        attempt = uuid.uuid4().hex
        for path in filter(Path.exists, (local.shard(index), local.journal(index))):
            name = FileSystems.join(stage, f"{path.stem}-{attempt}{path.suffix}")
            with path.open("rb") as file, FileSystems.create(name) as copy:
                shutil.copyfileobj(file, copy)


def _in_order(outcomes: Iterable[tuple[Order, Outcome]]) -> list[Outcome]:
    """Returns outcomes in the order of the sources, with one example per id: the first."""
    examples: dict[str, tuple[Order, Example]] = {}
    rejections: list[tuple[Order, Rejection]] = []
    for order, outcome in outcomes:
        if isinstance(outcome, Rejection):
            rejections.append((order, outcome))
            continue
        pair = sorted(filter(None, (examples.get(outcome.id), (order, outcome))), key=itemgetter(0))
        examples[outcome.id] = pair[0]
        rejections += [(later, repeated(example)) for later, example in pair[1:]]
    ordered = sorted(chain(examples.values(), rejections), key=itemgetter(0))
    return [outcome for _, outcome in ordered]


def _collect(stage: str, shards: ShardFolder, started: float) -> None:
    """Brings one whole attempt at every shard into the folder, numbered without gaps."""
    attempts: dict[str, list[str]] = {}
    for name in sorted(filter(_is_journal, _names(stage))):
        attempts.setdefault(name.partition("-")[0], []).append(FileSystems.join(stage, name))
    seconds = (time.monotonic() - started) / max(len(attempts), 1)
    for index, journals in enumerate(attempts.values()):
        if not any(_take(journal, shards, index, seconds) for journal in journals):
            raise InputError(f"a shard in {stage} is not whole: start again")


def _take(journal: str, shards: ShardFolder, index: int, seconds: float) -> bool:
    """Moves an attempt into the folder; returns whether it was whole."""
    _move(journal, shards.journal(index))
    examples = journal.removesuffix(JOURNAL_SUFFIX) + SHARD_SUFFIX
    if FileSystems.exists(examples):
        _move(examples, shards.shard(index))
    found = shards.finished(index)
    if found is None:
        return False
    replace(found, seconds=seconds).write(shards.journal(index))
    return True


def _is_journal(name: str) -> bool:
    return name.endswith(JOURNAL_SUFFIX)


def _names(folder: str) -> list[str]:
    """Returns the names of the files in a folder, wherever it is."""
    if FileSystems.get_scheme(folder) is None:
        return os.listdir(folder)
    (found,) = FileSystems.match([FileSystems.join(folder, "*")])
    return [metadata.path.rpartition("/")[2] for metadata in found.metadata_list]


def _move(source: str, target: Path) -> None:
    """Moves a file, from wherever it is, to this machine."""
    if FileSystems.get_scheme(source) is None:
        shutil.move(source, target)
        return
    with FileSystems.open(source) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy)
