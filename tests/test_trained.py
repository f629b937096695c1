import pytest

from data_gen.errors import InputError
from sgan_jax import trained
from tests.fixed_classifier import GROUPS, LATTICES, write_classifier


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [
        str(write_classifier(folder / "lattices", LATTICES)),
        str(write_classifier(folder / "groups", GROUPS)),
    ]


def test_the_packages_own_classifiers_answer_their_tasks():
    assert set(trained.DEFAULTS.values()) <= trained.packaged().keys()
    classifiers = trained.load(trained.TASKS)
    assert [each.task for each in classifiers] == [*trained.DEFAULTS]
    assert all(each.grid is not None and each.energy_threshold for each in classifiers)


def test_a_folder_is_found(folders):
    assert str(trained.find(folders[0])) == folders[0]


def test_a_name_of_nothing(tmp_path):
    with pytest.raises(InputError, match="no model 'nothing': it is neither a folder nor one of"):
        trained.find("nothing")


def test_named_classifiers_take_the_place_of_their_task(folders):
    lattices, groups = trained.load(trained.TASKS, reversed(folders))
    assert [entry.name for entry in lattices.classes] == [*LATTICES]
    assert [entry.name for entry in groups.classes] == [*GROUPS]


@pytest.mark.parametrize(
    ("tasks", "chosen", "words"),
    [
        (("space_group",), [0], "answers bravais_lattice, but space_group is asked for"),
        (trained.TASKS, [0, 0], "answers bravais_lattice, but space_group is asked for"),
        (("space_group",), [1, 1], "but nothing more is asked for"),
    ],
)
def test_classifiers_that_nobody_asked_for(folders, tasks, chosen, words):
    with pytest.raises(InputError, match=words):
        trained.load(tasks, [folders[index] for index in chosen])
