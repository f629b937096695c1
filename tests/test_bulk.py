import csv
import io
import os

import pytest

from data_gen.errors import InputError
from sgan_jax import bulk, trained
from sgan_jax.answers import Answer, LatticeCandidate, SpaceGroupCandidate
from sgan_jax.panel import Panel
from tests.fixed_classifier import pattern_text, write_classifiers

ANSWER = Answer(
    "a, b.xye",
    bravais_lattice=(LatticeCandidate("oP", 0.9),),
    space_group=(
        SpaceGroupCandidate(62, "Pnma", "orthorhombic", "Pna21", (33,), 0.7),
        SpaceGroupCandidate(14, "P21/c", "monoclinic", "P21/c", (), 0.3),
    ),
    wavelength=1.54,
    radiation="neutron",
    doubts=("one", "two"),
)
UNREAD = Answer("b.xye", error="b.xye, line 3: no number; correct it", mistake=True)
DECLINED = Answer("c.xye", wavelength=1.54, error="no clear peaks")


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return Panel(trained.load(trained.TASKS, write_classifiers(folder).split(",")))


def test_folders_and_patterns_are_searched(tmp_path):
    for name in ("b.xye", "a.dat", ".hidden", "inside/c.xye", ".git/d.xye"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    here = str(tmp_path)
    everything = [f"{here}/{name}" for name in ("a.dat", "b.xye", "inside/c.xye")]
    assert bulk.find_files([here]) == everything
    assert bulk.find_files([f"{here}/*.xye"]) == [everything[1]]
    assert bulk.find_files([f"{here}/**/*.xye"]) == [everything[1], everything[2]]
    assert bulk.find_files([everything[2], here, f"{here}/in*"]) == [
        everything[2],
        *everything[:2],
    ]
    assert bulk.find_files([f"{here}/no*.xye", "nothing"]) == [f"{here}/no*.xye", "nothing"]


def test_names_with_the_signs_of_patterns_are_names(tmp_path):
    (tmp_path / "scan[1].xye").touch()
    assert bulk.find_files([f"{tmp_path}/scan[1].xye"]) == [f"{tmp_path}/scan[1].xye"]


def test_a_thousand_files_fifty_of_them_broken(tmp_path, panel):
    good = pattern_text()
    broken = ("", "no numbers\n", good[:3000] + "1e", "a" * 5000, "5 x 7\n" * 90)
    for number in range(1000):
        text = broken[number // 20 % len(broken)] if number % 20 == 7 else good
        (tmp_path / f"{number:04d}.xye").write_text(text)
    files = bulk.find_files([str(tmp_path)])
    tally = bulk.Tally()
    terms = panel.terms(1.54, "neutron")
    for file, (presented, answer) in zip(files, bulk.answered(files, panel, terms), strict=True):
        assert answer.file == presented.file == file
        assert not presented.stages
        tally.add(answer)
    assert (tally.files, tally.answered, len(tally.mistakes)) == (1000, 950, 50)
    assert all(reason.startswith(str(tmp_path)) for reason in tally.mistakes)


def test_answers_do_not_depend_on_how_many_are_asked_for(tmp_path, panel):
    for number in range(bulk.ONE_BY_ONE + 3):
        (tmp_path / f"{number:02d}.xye").write_text(pattern_text(peaks=number + 3))
    files = bulk.find_files([str(tmp_path)])
    terms = panel.terms(1.54, "neutron")
    together = [answer for _, answer in bulk.answered(files, panel, terms)]
    one_by_one = [pair[1] for file in files for pair in bulk.answered([file], panel, terms)]
    assert together == one_by_one


def test_a_table_has_one_line_per_file():
    text = io.StringIO()
    table = bulk.Table(text, top=2)
    for answer in (ANSWER, UNREAD):
        table.add(answer)
    first, second = csv.DictReader(io.StringIO(text.getvalue()))
    assert first == {
        "file": "a, b.xye",
        "answered": "true",
        "bravais_1": "oP",
        "bravais_1_probability": "0.9",
        "bravais_2": "",
        "bravais_2_probability": "",
        "space_group_1": "62",
        "space_group_1_symbol": "Pnma",
        "space_group_1_probability": "0.7",
        "space_group_2": "14",
        "space_group_2_symbol": "P21/c",
        "space_group_2_probability": "0.3",
        "wavelength": "1.54",
        "radiation": "neutron",
        "warnings": "One. Two.",
        "error": "",
    }
    assert second["answered"] == "false"
    assert second["error"] == UNREAD.error


def test_a_table_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "answers.csv"
    with bulk.open_table(path, 1) as table:
        table.add(ANSWER)
        assert not path.exists()
    assert os.listdir(tmp_path) == ["answers.csv"]
    with pytest.raises(KeyboardInterrupt), bulk.open_table(tmp_path / "other.csv", 1):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["answers.csv"]
    with pytest.raises(BrokenPipeError), bulk.open_table(tmp_path / "other.csv", 1):
        raise BrokenPipeError
    with pytest.raises(InputError, match="give a place that can be written"):
        bulk.open_table(tmp_path / "no" / "folder.csv", 1).__enter__()


def test_bad_files_are_listed_at_the_end():
    tally = bulk.Tally()
    for answer in (ANSWER, UNREAD, DECLINED, Answer("d.xye", error="give more", mistake=True)):
        tally.add(answer)
    assert tally.line() == (
        "4 files: 1 answered, 1 without a confident answer, 2 not readable as they are"
    )
    with pytest.raises(InputError) as failure:
        tally.require_no_mistakes()
    assert str(failure.value) == (
        "2 of 4 files:\n  b.xye, line 3: no number; correct it\n  d.xye: give more"
    )


def test_nothing_is_raised_where_all_could_be_read():
    tally = bulk.Tally()
    for answer in (ANSWER, DECLINED):
        tally.add(answer)
    tally.require_no_mistakes()
    assert (tally.files, tally.mistakes) == (2, [])


def test_endless_lists_are_cut():
    tally = bulk.Tally()
    for _ in range(1500):
        tally.add(UNREAD)
    with pytest.raises(InputError, match="and 500 more"):
        tally.require_no_mistakes()
