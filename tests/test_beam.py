"""The same data set by way of Apache Beam, on several real worker processes."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

from data_gen.builder import PowderPatterns, build
from data_gen.errors import InputError, Reason
from data_gen.generate import Example, Rejection
from data_gen.shards import ShardFolder
from data_gen.spec import DatasetSpec

pytest.importorskip(
    "apache_beam",
    reason="Apache Beam is not installed here: pip install 'sgan_jax[beam]'",
    exc_type=ImportError,
)

from data_gen import beam

HERE = ["--runner=DirectRunner"]
TWO_PROCESSES = [*HERE, "--direct_num_workers=2", "--direct_running_mode=multi_processing"]
CIF = (Path(__file__).parent / "data" / "halite.cif").read_text()


@pytest.fixture
def sources(tmp_path) -> str:
    """Minerals, and folders with a repeated id, a CIF of several blocks and one that is none."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.cif").write_text(CIF.replace("5.6402", f"5.{ord(folder)}"))
    blocks = [CIF.replace("data_halite", f"data_{number}") for number in range(5)]
    (tmp_path / "a" / "many.cif").write_text("".join(blocks))
    (tmp_path / "b" / "noise.cif").write_text("nothing")
    return f"{tmp_path / 'a'},{tmp_path / 'b'},amcsd"


def content(builder: PowderPatterns) -> dict[str, Any]:
    """Everything that is to be the same whatever builds it, in one order."""
    folder = Path(builder.data_dir)
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "rejected.csv").open(newline="") as file:
        rejected = sorted(csv.reader(file))
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    examples = builder.as_data_source(split="all", deserialize_method=raw)
    counts = ("written", "rejected", "rejected_by_reason", "class_counts", "fingerprint")
    return {
        "examples": sorted(examples[index] for index in range(len(examples))),
        "rejected": rejected,
        **{name: summary[name] for name in counts},
    }


def check_same(spec: DatasetSpec, folder: Path, options: list[str]) -> PowderPatterns:
    local = build(spec, folder / "local", workers=1, progress=False)
    by_beam = build(spec, folder / "beam", progress=False, beam=options)
    assert content(by_beam) == content(local)
    assert [path.name for path in Path(by_beam.data_dir).parent.iterdir()] == ["1.0.0"]
    return by_beam


def test_several_processes_make_the_same_examples(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(beam, "EXAMPLES_PER_SHARD", 50)
    builder = check_same(DatasetSpec(sources, limit=300), tmp_path, TWO_PROCESSES)
    summary = json.loads((Path(builder.data_dir) / "summary.json").read_text())
    assert summary["beam"] == TWO_PROCESSES
    assert summary["rejected_by_reason"]["duplicate id"] == 1
    assert len(builder.info.splits["train"].shard_lengths) == 6


@pytest.mark.parametrize("limit", [1, 3, 7, 8, None])
def test_limit_means_the_same(tmp_path, sources, limit):
    folders = sources.removesuffix(",amcsd")
    check_same(DatasetSpec(folders, limit=limit), tmp_path, HERE)


def test_shards_can_be_handed_over_elsewhere(sources, tmp_path):
    spec = DatasetSpec(sources, limit=20)
    handover = tmp_path / "handover"
    check_same(spec, tmp_path, [*HERE, f"--temp_location={handover}"])
    assert list(handover.iterdir()) == []


def test_a_pipeline_that_fails_is_one_line_and_leaves_nothing(sources, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise ValueError("nothing works\ntoday")

    monkeypatch.setattr(beam, "_in_order", fail)
    with pytest.raises(InputError, match=r"^the Beam pipeline failed: .*$") as failure:
        build(DatasetSpec(sources, limit=3), tmp_path / "data", progress=False, beam=HERE)
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "data").exists()


def test_a_runner_that_does_not_exist_is_an_input_error(sources, tmp_path):
    with pytest.raises(InputError, match="NoSuchRunner"):
        build(
            DatasetSpec(sources, limit=3),
            tmp_path / "data",
            progress=False,
            beam=["--runner=NoSuchRunner"],
        )
    assert not (tmp_path / "data").exists()


def example(name: str, content: bytes) -> Example:
    return Example(name, "test", 225, content)


def test_the_first_of_an_id_stays_whatever_comes_first():
    outcomes = [
        ((1, 0, 0), example("a", b"second")),
        ((2, 0, 0), Rejection("a", "test", Reason.NO_CELL, "")),
        ((0, 0, 0), example("a", b"first")),
        ((0, 5, 0), example("b", b"other")),
        ((1, 1, 0), example("a", b"third")),
    ]
    for order in (outcomes, outcomes[::-1]):
        found = beam._in_order(order)
        assert [outcome.data for outcome in found if isinstance(outcome, Example)] == [
            b"first",
            b"other",
        ]
        reasons = [outcome.reason for outcome in found if isinstance(outcome, Rejection)]
        assert reasons == [Reason.DUPLICATE_ID, Reason.DUPLICATE_ID, Reason.NO_CELL]


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_attempts_that_broke_off_are_passed_over(tmp_path, whole):
    stage, shards = tmp_path / "stage", ShardFolder(tmp_path / "shards", "print")
    stage.mkdir()
    shards.open()
    for attempt in range(3):
        beam._write((7, [((0, 0, 0), example("a", b"content"))]), str(stage), "print")
        for path in list(stage.glob("000007-" + 32 * "?" + ".*")):  # the name is drawn by chance
            path.rename(stage / f"000007-{attempt}{path.suffix}")
    broken = [attempt for attempt in range(3) if attempt != whole]
    os.truncate(stage / f"000007-{broken[0]}.json", 30)
    os.truncate(stage / f"000007-{broken[1]}.shard", 30)
    beam._collect(str(stage), shards, started=0.0)
    (journal,) = shards.journals()
    assert journal.examples == [("a", 225)]


def test_no_whole_attempt_is_an_error(tmp_path):
    stage, shards = tmp_path / "stage", ShardFolder(tmp_path / "shards", "print")
    stage.mkdir()
    shards.open()
    (stage / "000007-0.json").write_text("{")
    with pytest.raises(InputError, match="not whole: start again"):
        beam._collect(str(stage), shards, started=0.0)
