import importlib
from pathlib import Path

import ml_collections
import pytest

from configs import base
from data_gen.errors import InputError
from sgan_jax.config import METHODS, PRESETS, has_game, name_of_classes, validate

FOLDER = Path(base.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
FRACTIONS = {"5pct": 0.05, "10pct": 0.1, "25pct": 0.25, "50pct": 0.5, "90pct": 0.9}


def load(name: str, *arg: str) -> ml_collections.ConfigDict:
    return importlib.import_module(f"configs.{name}").get_config(*arg)


def test_every_experiment_of_the_paper_has_a_config():
    wanted = {f"{task}_{share}" for task in ("bravais", "sg") for share in FRACTIONS}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_config_is_valid_and_named_by_what_it_is(name):
    config = load(name)
    validate(config)
    task, _, share = name.partition("_")
    if share in FRACTIONS:
        assert config.label_fraction == FRACTIONS[share]
        assert config.task == {"bravais": "bravais_lattice", "sg": "space_group"}[task]
        assert config.method == ("supervised" if share == "90pct" else "sgan")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"base"}))
def test_config_file_is_short_and_says_what_to_expect(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 30
    for word in ("Paper: ", "Expected: ", "Command: "):
        assert f"\n{word}" in text
    assert f"--config=configs/{name}.py" in text


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", METHODS)
def test_methods_and_presets(method, preset):
    config = load("sg_10pct", f"{method},{preset}")
    validate(config)
    assert (config.method, config.preset) == (method, preset)


def test_presets_hold_the_published_hyper_parameters():
    paper = load("bravais_10pct", "sgan,paper")
    assert paper.optimizer.supervised_learning_rate == 1e-4
    assert paper.optimizer.unsupervised_learning_rate == 5e-6
    assert paper.optimizer.generator_learning_rate == 1e-6
    assert (paper.model.dropout, paper.model.stem_pool, paper.batch_size) == (0.1, True, 32)
    assert load("bravais_10pct", "supervised,paper").batch_size == 64
    released = load("bravais_10pct", "sgan,released_code")
    assert released.optimizer.supervised_learning_rate == 1e-3
    assert released.optimizer.unsupervised_learning_rate == 1e-4
    assert released.optimizer.generator_learning_rate == 1e-4
    assert released.optimizer.adam_eps == 1e-4
    assert (released.model.dropout, released.model.stem_pool) == (0.05, False)
    assert released.model.real_fake_head
    assert released.loss.target_noise == 0.2


@pytest.mark.parametrize("task", ["bravais", "sg"])
def test_contrast_weighs_less_the_more_labels_there_are(task):
    weights = [load(f"{task}_{share}pct").loss.contrast for share in (5, 10, 25, 50)]
    assert weights == pytest.approx([0.5, 0.25, 0.1, 0.05])
    others = ("supervised", "sgan,paper", "sgan,released_code")
    assert not any(load(f"{task}_10pct", arg).loss.contrast for arg in others)


@pytest.mark.parametrize("arg", ["gan", "sgan,fast", "sgan,paper,more", "SGAN"])
def test_unknown_argument_is_refused(arg):
    with pytest.raises(InputError, match=r"choose from|too many parts"):
        load("quickstart", arg)


def test_empty_parts_of_the_argument_are_defaults():
    config = load("quickstart", ",paper")
    assert (config.method, config.preset) == ("sgan", "paper")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "phase"),
        ("method", "gan"),
        ("classes", "paper230"),
        ("label_fraction", 0.0),
        ("label_fraction", 0.95),
        ("label_fraction", float("nan")),
        ("label_fraction", 0.9),
        ("validation_fraction", 1.0),
        ("seed", -1),
        ("num_steps", 0),
        ("batch_size", 0),
        ("log_every", 0),
        ("data.split_by", "colour"),
        ("data.instrument", "hubble"),
        ("data.limit", 0),
        ("data.scattering_lengths", "guess"),
        ("model.dropout", 1.0),
        ("optimizer.schedule", "linear"),
        ("optimizer.supervised_learning_rate", 0.0),
        ("optimizer.warmup_steps", -1),
        ("optimizer.supervised_learning_rate", float("inf")),
        ("optimizer.clip_norm", float("inf")),
        ("num_steps", 2**31),
    ],
)
def test_impossible_value_is_refused(field, value):
    config = load("quickstart")
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=field.rpartition(".")[2]) as refusal:
        validate(config)
    assert str(value) in str(refusal.value)


def test_classes_follow_the_task():
    config = load("quickstart")
    assert name_of_classes(config) == "bravais14"
    config.task = "space_group"
    validate(config)
    assert name_of_classes(config) == "paper144"
    for classes in ("at_least_50", "most_frequent_230"):
        config.classes = classes
        validate(config)
    config.classes = "most_frequent_231"
    with pytest.raises(InputError, match="most_frequent_231"):
        validate(config)
    config.classes = "bravais14"
    with pytest.raises(InputError, match="bravais14"):
        validate(config)


@pytest.mark.parametrize(
    ("name", "arg", "field", "value", "words"),
    [
        ("quickstart", "", "data.grid", "log_d", "needs simulated measurements"),
        ("quickstart", "", "data.unlabelled_measured", "folder", "needs simulated measurements"),
        ("quickstart", "", "augmentation.enabled", True, "coverage_channel=True"),
        ("quickstart", "", "model.coverage_channel", True, "augmentation.enabled=True"),
        ("measured", "space_group", "data.relatives", True, "change stored patterns"),
        ("measured", "space_group", "loss.contrast", 0.5, "change stored patterns"),
        ("measured", "space_group", "data.instrument", "hrpt", "leave it at bt1_ge311"),
        ("measured", "space_group", "data.grid", "q", "two_theta, inverse_d, log_d"),
        ("measured", "space_group", "data.unlabelled_measured", "folder", "only an SGAN"),
        ("measured", "space_group,sgan", "batch_size", 8, "leaves no unlabelled patterns"),
    ],
)
def test_measurements_need_what_belongs_to_them(name, arg, field, value, words):
    config = load(name, *([arg] if arg else []))
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=words):
        validate(config)


@pytest.mark.parametrize("generator_rate", [0.0, 1e-6])
def test_an_sgan_learns_from_unlabelled_patterns_by_its_game_or_the_contrast(generator_rate):
    config = load("quickstart", "sgan")
    config.optimizer.generator_learning_rate = generator_rate
    config.loss.contrast = 0.0
    validate(config)
    config.optimizer.unsupervised_learning_rate = 0.0
    with pytest.raises(InputError, match="nothing to learn from unlabelled patterns; raise"):
        validate(config)
    config.loss.contrast = 0.5
    validate(config)
    assert has_game(config) == bool(generator_rate)


def test_only_a_game_binds_to_the_instrument_of_its_generator():
    config = load("quickstart", "sgan")
    config.data.instrument = "hrpt"
    config.loss.contrast = 0.5
    with pytest.raises(InputError, match="the generator of an SGAN makes 3041"):
        validate(config)
    config.optimizer.update(unsupervised_learning_rate=0.0, generator_learning_rate=0.0)
    validate(config)


def test_measured_patterns_alone_may_be_the_unlabelled_ones():
    config = load("measured", "bravais_lattice,sgan")
    config.data.unlabelled_measured = "folder"
    validate(config)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("data.labelled_sources", "amcsd", "amcsd is named by config.data.sources as well"),
        ("data.labelled_sources", "b.zip,a/", "a is named by config.data.sources as well"),
        ("data.unlabelled_sources", "c.zip", "c.zip is named by config.data.labelled_sources"),
        ("data.labelled_sources", ",", "no sources given"),
    ],
)
def test_each_source_is_named_once(field, value, words):
    config = load("quickstart")
    config.data.sources = "amcsd, a"
    config.data.labelled_sources = "c.zip"
    validate(config)
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=words):
        validate(config)


def test_unknown_task_of_measured_patterns():
    with pytest.raises(InputError, match="unknown task 'sgan'; choose from bravais_lattice"):
        load("measured", "sgan")


def test_sgan_needs_the_grid_of_its_generator():
    config = load("quickstart")
    config.data.instrument = "hrpt"
    with pytest.raises(InputError, match="hrpt has patterns of 3201 points"):
        validate(config)
    config = load("quickstart", "supervised")
    config.data.instrument = "hrpt"
    validate(config)
