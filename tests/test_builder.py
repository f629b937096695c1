"""Building and reading data sets: content, identity, interruption."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tensorflow_datasets as tfds

from data_gen.builder import PowderPatterns, build
from data_gen.errors import InputError
from data_gen.examples import crystal_features, crystal_from_features
from data_gen.shards import ShardFolder, _OpenShard
from data_gen.simulate import simulate
from data_gen.spec import DatasetSpec

HALITE = """data_{name}
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
X1 {anion} 0.5 0.5 0.5
"""


@pytest.fixture
def cif_folder(tmp_path):
    """Four CIFs: two that can serve, one of an element without scattering length, one of noise."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name, anion in [("chloride", "Cl"), ("fluoride", "F"), ("astatide", "At")]:
        (folder / f"{name}.cif").write_text(HALITE.format(name=name, anion=anion))
    (folder / "noise.cif").write_text("this is not a CIF")
    return folder


@pytest.fixture(scope="module")
def minerals(tmp_path_factory):
    """A small real data set, built in this process."""
    spec = DatasetSpec(sources="amcsd", limit=60)
    return build(spec, tmp_path_factory.mktemp("minerals"), workers=1, progress=False)


def examples(builder: tfds.core.DatasetBuilder, **options: Any):
    return list(builder.as_data_source(**{"split": "all", **options}))


def summary(builder: PowderPatterns):
    return json.loads((Path(builder.data_dir) / "summary.json").read_text())


def rejected(builder: PowderPatterns):
    with (Path(builder.data_dir) / "rejected.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_examples_hold_patterns_and_labels(minerals):
    source = examples(minerals)
    labels = minerals.info.features
    assert len(source) == summary(minerals)["written"] > 30
    for example in source:
        pattern = example["pattern"]
        assert (pattern.shape, pattern.dtype) == ((3041,), np.float32)
        assert (pattern.min(), pattern.max()) == (0.0, 1.0)
        lattice = labels["bravais_lattice"].int2str(example["bravais_lattice"])
        system = labels["crystal_system"].int2str(example["crystal_system"])
        assert 1 <= example["space_group"] <= 230
        assert lattice[0] == {"trigonal": "h", "triclinic": "a"}.get(system, system[0])
        assert example["source"] == b"amcsd"


def test_stored_crystals_give_the_stored_patterns(minerals):
    config = minerals.builder_config
    for example in examples(minerals)[:20]:
        crystal = crystal_from_features(example["crystal"])
        pattern = simulate(crystal, config.spec.instrument_values)
        np.testing.assert_allclose(pattern, example["pattern"], atol=1e-4)
        assert crystal.space_group == example["space_group"]
        assert crystal.formula == example["formula"].decode()


def test_stored_crystals_are_small(minerals):
    for example in examples(minerals):
        stored = example["crystal"]
        size = sum(
            len(value) if isinstance(value, bytes) else value.nbytes for value in stored.values()
        )
        assert size < 1024 or len(stored["occupancies"]) > 40


def test_crystal_features_round_trip(minerals):
    first = crystal_from_features(examples(minerals)[0]["crystal"])
    second = crystal_from_features(crystal_features(first))
    for name in ("cell", "occupancies", "positions"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.setting, first.species) == (second.setting, second.species)


def test_class_counts_sum_to_the_examples(minerals):
    counts = summary(minerals)
    assert counts["written"] + counts["rejected"] == 60
    assert (
        sum(counts["rejected_by_reason"].values()) == counts["rejected"] == len(rejected(minerals))
    )
    for classes in counts["class_counts"].values():
        assert sum(classes.values()) == counts["written"]


def test_number_of_workers_changes_nothing(minerals, tmp_path):
    spec = minerals.builder_config.spec
    other = build(spec, tmp_path, workers=3, progress=False)
    for name in ("rejected.csv", "features.json"):
        mine, theirs = Path(minerals.data_dir) / name, Path(other.data_dir) / name
        assert mine.read_bytes() == theirs.read_bytes()
    for mine, theirs in zip(raw_records(minerals), raw_records(other), strict=True):
        assert mine == theirs


def raw_records(builder: tfds.core.DatasetBuilder):
    return examples(builder, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)


def test_any_tfds_reader_reads_it(minerals):
    reader = tfds.builder_from_directory(minerals.data_dir)
    assert reader.info.full_name == f"powder_patterns/{minerals.builder_config.name}/1.0.0"
    assert raw_records(reader) == raw_records(minerals)


def test_shards_are_filled_in_order(cif_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.shards.EXAMPLES_PER_SHARD", 1)
    builder = build(DatasetSpec(str(cif_folder)), tmp_path / "data", workers=1, progress=False)
    assert builder.info.splits["train"].shard_lengths == [1, 1]
    assert [example["formula"] for example in examples(builder)] == [b"ClNa", b"FNa"]


def test_rejected_structures_are_listed_with_reasons(cif_folder, tmp_path):
    builder = build(DatasetSpec(str(cif_folder)), tmp_path / "data", workers=1, progress=False)
    rows = {Path(row["id"]).stem: row for row in rejected(builder)}
    assert rows["astatide"]["reason"] == "no scattering length"
    assert "At" in rows["astatide"]["detail"]
    assert rows["noise"]["reason"] == "unreadable"
    assert len(rows) == 2


def test_second_structure_of_an_id_is_rejected(cif_folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "chloride.cif").write_bytes((cif_folder / "chloride.cif").read_bytes())
    spec = DatasetSpec(f"{cif_folder},{other}")
    builder = build(spec, tmp_path / "data", workers=1, progress=False)
    assert summary(builder)["rejected_by_reason"]["duplicate id"] == 1
    assert summary(builder)["written"] == 2


def test_fingerprint_covers_what_decides_the_content(cif_folder):
    spec = DatasetSpec(str(cif_folder))
    others = [
        DatasetSpec(str(cif_folder), instrument="d1a"),
        DatasetSpec(str(cif_folder), scattering_lengths="sears1992"),
        DatasetSpec(str(cif_folder), limit=3),
    ]
    before = spec.fingerprint()
    assert before == DatasetSpec(str(cif_folder)).fingerprint()
    with (cif_folder / "chloride.cif").open("a") as file:
        file.write("# changed\n")
    others.append(DatasetSpec(str(cif_folder)))
    assert len({before, *(other.fingerprint() for other in others)}) == 5


def test_changed_setting_is_a_data_set_of_its_own(cif_folder, tmp_path):
    first = build(DatasetSpec(str(cif_folder)), tmp_path / "data", workers=1, progress=False)
    narrow = DatasetSpec(str(cif_folder), instrument="d20")
    second = build(narrow, tmp_path / "data", workers=1, progress=False)
    assert first.data_dir != second.data_dir
    assert len(examples(second)[0]["pattern"]) == 1401
    assert len(examples(first)[0]["pattern"]) == 3041


def test_finished_data_set_is_not_built_again(minerals):
    path = Path(minerals.data_dir)
    before = (path / "summary.json").stat().st_mtime_ns
    again = build(minerals.builder_config.spec, path.parents[2], progress=False)
    assert (path / "summary.json").stat().st_mtime_ns == before
    assert raw_records(again) == raw_records(minerals)


def test_no_usable_structure_is_an_error_that_leaves_nothing(cif_folder, tmp_path):
    for name in ("chloride", "fluoride"):
        (cif_folder / f"{name}.cif").write_text("nothing here")
    with pytest.raises(
        InputError, match=r"all 4 structures were rejected, 3 of them.*unreadable .the first is "
    ):
        build(DatasetSpec(str(cif_folder)), tmp_path / "data", workers=1, progress=False)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("values", [{"instrument": "no_such"}, {"limit": 0}, {"limit": 10**30}])
def test_impossible_spec_is_an_error(values):
    with pytest.raises(InputError):
        DatasetSpec("amcsd", **values)


@pytest.mark.parametrize("workers", [0, 10_000])
def test_impossible_number_of_workers_is_an_error(cif_folder, tmp_path, workers):
    with pytest.raises(InputError, match="workers"):
        build(DatasetSpec(str(cif_folder)), tmp_path / "data", workers=workers)


@pytest.mark.parametrize("name", ["~no_one_of_that_name/data", "x" * 300])
def test_data_directory_that_cannot_be_is_an_error(cif_folder, name):
    with pytest.raises(InputError, match="cannot use data directory"):
        build(DatasetSpec(str(cif_folder)), name, workers=1)


def test_data_directory_that_cannot_be_made_is_an_error(cif_folder, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(InputError, match=r"cannot write to .*file"):
        build(DatasetSpec(str(cif_folder)), in_the_way / "data", workers=1, progress=False)


SCRIPT_WITH_LITTLE_SPACE = """
import resource, sys
from data_gen.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
sys.exit(main(["--sources=amcsd", "--limit=60", "--workers=1", "--data_dir=" + sys.argv[1]]))
"""


@pytest.mark.usefixtures("minerals")  # so that compiled code is in its cache, which needs space
def test_no_space_left_is_an_error_that_leaves_nothing(tmp_path):
    data_dir = tmp_path / "data"
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT_WITH_LITTLE_SPACE, str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert f"error: cannot write to {data_dir}" in result.stderr
    assert "Traceback" not in result.stderr
    assert not data_dir.exists()


INTERRUPTED_LIMIT = 5000  # of which the first shards are finished well before the last


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the builds that are interrupted below must become."""
    spec = DatasetSpec("amcsd", limit=INTERRUPTED_LIMIT)
    return build(spec, tmp_path_factory.mktemp("uninterrupted"), progress=False)


# A suite that was started in the background ignores interruptions, and its children inherit that.
HEED_INTERRUPTIONS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def start_build(data_dir: Path, until: str) -> subprocess.Popen:
    """A build in a process of its own, returned when its workers run and a file `until` is there.

    It is stopped, so that it cannot be finished before it is interrupted.
    """
    command = [sys.executable, "-c", HEED_INTERRUPTIONS, "-m", "data_gen", "--sources=amcsd"]
    command += [f"--data_dir={data_dir}", f"--limit={INTERRUPTED_LIMIT}", "--workers=2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (list(data_dir.rglob(until)) and len(workers_of(process)) == 2):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    return process


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(process.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]


def kept_shards(data_dir: Path) -> dict[str, int]:
    """Finished shards and when each was written."""
    journals = data_dir.rglob("incomplete.*/*.json")
    return {path.stem: path.stat().st_mtime_ns for path in journals}


def files_of(builder: PowderPatterns) -> dict[str, bytes]:
    """The content of everything but the summary."""
    files = Path(builder.data_dir).iterdir()
    return {path.name: path.read_bytes() for path in files if path.name != "summary.json"}


def check_resumed(data_dir: Path, uninterrupted: PowderPatterns) -> None:
    builder = build(uninterrupted.builder_config.spec, data_dir, progress=False)
    assert files_of(builder) == files_of(uninterrupted)
    counts = ("written", "rejected", "rejected_by_reason", "class_counts")
    assert [summary(builder)[key] for key in counts] == [
        summary(uninterrupted)[key] for key in counts
    ]
    assert [path.name for path in Path(builder.data_dir).parent.iterdir()] == ["1.0.0"]


def test_killed_build_is_never_taken_for_whole_and_goes_on(uninterrupted, tmp_path, monkeypatch):
    process = start_build(tmp_path, until="000001.json")
    workers = workers_of(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "workers outlived their parent"
    assert not list(tmp_path.rglob("dataset_info.json"))
    kept = len(kept_shards(tmp_path))
    assert 2 <= kept < len(uninterrupted.info.splits["train"].shard_lengths)
    written = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (written.append(Path(b).name), replace(a, b)))
    check_resumed(tmp_path, uninterrupted)
    assert f"{kept - 1:06d}.json" not in written
    assert f"{kept:06d}.json" in written


def test_killed_worker_is_reported_and_loses_nothing(uninterrupted, tmp_path):
    process = start_build(tmp_path, until="000000.json")
    workers_of(process)[0].kill()
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "error: a worker process was killed (SIGKILL)" in errors
    assert re.search(r"[\d,]{5,} structures are kept: the same command goes on from there", errors)
    assert "Traceback" not in errors
    check_resumed(tmp_path, uninterrupted)


def test_interrupted_build_goes_on(uninterrupted, tmp_path):
    process = start_build(tmp_path, until="000000.json")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"interrupted: [\d,]{5,} structures are kept", errors)
    assert "Traceback" not in errors
    check_resumed(tmp_path, uninterrupted)


def test_build_interrupted_before_its_first_shard_leaves_nothing(tmp_path):
    process = start_build(tmp_path / "data", until="*.part")
    os.killpg(process.pid, signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: nothing is kept" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "data").exists()


def build_interrupted(spec: DatasetSpec, data_dir: Path, shards: int) -> str:
    """Builds until so many shards are there, then is interrupted; returns what it says."""
    write = ShardFolder.write

    def write_or_stop(self, index, groups, ids):
        if index == shards:
            raise KeyboardInterrupt
        return write(self, index, groups, ids)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ShardFolder, "write", write_or_stop)
        with pytest.raises(KeyboardInterrupt) as interruption:
            build(spec, data_dir, workers=1, progress=False)
    return str(interruption.value)


DAMAGES = {
    "shard cut short": lambda folder: os.truncate(folder / "000002.shard", 100),
    "shard gone": lambda folder: (folder / "000002.shard").unlink(),
    "journal cut short": lambda folder: os.truncate(folder / "000002.json", 100),
    "journal of another data set": lambda folder: (folder / "000002.json").write_text(
        (folder / "000002.json").read_text().replace('"fingerprint": "', '"fingerprint": "0')
    ),
    "half-written shard": lambda folder: (folder / "000004.part").write_bytes(b"half"),
    "nothing": lambda folder: None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_whole_shards_are_kept(tmp_path, monkeypatch, damage):
    monkeypatch.setattr("data_gen.shards.EXAMPLES_PER_SHARD", 10)
    spec = DatasetSpec("amcsd", limit=65)
    whole = build(spec, tmp_path / "whole", workers=1, progress=False)
    assert "structures are kept" in build_interrupted(spec, tmp_path / "broken", shards=4)
    (folder,) = (tmp_path / "broken").rglob("incomplete.shards")
    DAMAGES[damage](folder)
    check_resumed(tmp_path / "broken", whole)


def test_limit_counts_the_structures_before_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.shards.EXAMPLES_PER_SHARD", 3)
    path = tmp_path / "many.cif"
    path.write_text("".join(HALITE.format(name=f"b{i}", anion="Cl") for i in range(4)))
    (tmp_path / "more.cif").write_text(path.read_text())
    spec = DatasetSpec(f"{path},{tmp_path / 'more.cif'}", limit=6)
    assert "4 structures are kept" in build_interrupted(spec, tmp_path / "data", shards=1)
    builder = build(spec, tmp_path / "data", workers=1, progress=False)
    ids = [example["id"].decode() for example in examples(builder)]
    assert ids == ["many_b0", "many_b1", "many_b2", "many_b3", "more_b0", "more_b1"]


def test_full_disk_keeps_the_finished_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.shards.EXAMPLES_PER_SHARD", 10)
    spec = DatasetSpec("amcsd", limit=50)

    def no_space(self, outcome, ids, add=_OpenShard.add):
        add(self, outcome, ids)
        if self._path.name == "000002.part":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(_OpenShard, "add", no_space)
        with pytest.raises(InputError, match=r"No space left on device; make room.* are kept"):
            build(spec, tmp_path / "data", workers=1, progress=False)
    assert len(kept_shards(tmp_path)) == 2
    assert not list(tmp_path.rglob("*.part"))
    assert len(examples(build(spec, tmp_path / "data", workers=1, progress=False))) > 30


SCRIPT_WITHOUT_GUARD = """
import sys
from data_gen import DatasetSpec, build
print("started")
build(DatasetSpec({sources!r}), {data_dir!r}, workers=2)
assert not {{"tensorflow", "jax"}} & set(sys.modules)
"""


def test_build_in_a_plain_script_needs_no_guard_and_no_tensorflow(cif_folder, tmp_path):
    script = tmp_path / "script.py"
    data_dir = str(tmp_path / "data")
    script.write_text(SCRIPT_WITHOUT_GUARD.format(sources=str(cif_folder), data_dir=data_dir))
    result = subprocess.run(
        [sys.executable, "-W", "error", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("started") == 1


def test_stated_symmetry_is_checked_on_request(tmp_path):
    """Halite stated as P1 with all its atoms is a wrong label, which only a check finds."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    (folder / "right.cif").write_text(HALITE.format(name="right", anion="Cl"))
    corners = [(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    atoms = [f"Na{i} Na {x} {y} {z}" for i, (x, y, z) in enumerate(corners)]
    atoms += [f"Cl{i} Cl {0.5 + x} {y} {z}" for i, (x, y, z) in enumerate(corners)]
    head = HALITE.format(name="low", anion="Cl").split("Na1 Na")[0].replace("F m -3 m", "P 1")
    (folder / "low.cif").write_text(head + "\n".join(atoms))
    spec = DatasetSpec(sources=str(folder), check_symmetry=True)
    checked = build(spec, tmp_path / "data", workers=1, progress=False)
    assert [row["id"] for row in rejected(checked)] == ["low"]
    assert rejected(checked)[0]["reason"] == "symmetry other than stated"
    assert summary(checked)["written"] == 1
    trusting = build(DatasetSpec(str(folder)), tmp_path / "data", workers=1, progress=False)
    assert summary(trusting)["written"] == 2
