import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from benchmarks.faults import CONFIG, ROOT, Trials
from configs import quickstart
from data_gen.errors import InputError
from sgan_jax import metrics, workdir
from sgan_jax.checkpoint import Choice
from sgan_jax.classifier import load_classifier
from sgan_jax.export import _figures, export, largest_confusions
from sgan_jax.inference import make_predict
from sgan_jax.run import Run, open_run
from sgan_jax.scoring import predict_logits
from sgan_jax.state import averaged_params
from sgan_jax.trial import dataset_spec, try_classifier
from tests.fixed_classifier import FIRST

STEPS = 4


def command(*flags: object, env) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sgan_jax.export", *map(str, flags)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, environment) -> Path:
    """Folder of a run of the command, with a validation set."""
    compiled = Path(environment["JAX_COMPILATION_CACHE_DIR"])
    trials = Trials(tmp_path_factory.mktemp("export"), STEPS, compiled)
    done = trials.finish(trials.folder / "run", config=f"{CONFIG}:supervised")
    assert done.returncode == 0, done.stderr
    return trials.folder / "run"


@pytest.fixture(scope="module")
def exported(finished, environment) -> Path:
    """Folder of its classifier, written by the command."""
    out = finished.with_name("model")
    flags = (f"--workdir={finished}", f"--out={out}", "--data_licence=free")
    done = command(*flags, env=environment)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{out}: bravais_lattice, 14 classes, step ")
    assert "temperature " in last
    return out


def opened(folder: Path):
    return open_run(ConfigDict(workdir.read(folder).config), folder)


def own_logits(run: Run, rows: np.ndarray) -> np.ndarray:
    _, state = run.chosen_state()
    params = averaged_params(state, run.config.ema_decay)
    predict = make_predict(run.config, run.dataset.num_classes)
    return predict_logits(predict, params, run.dataset.patterns, rows, run.config.batch_size)


def test_the_classifier_answers_as_the_run_does(finished, exported):
    classifier = load_classifier(exported)
    with opened(finished) as run:
        rows = run.dataset.split.test
        expected = own_logits(run, rows)
        np.testing.assert_array_equal(
            [entry.name for entry in classifier.classes], run.dataset.class_list.names
        )
        logits = classifier.logits(run.dataset.patterns[rows])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_its_card_says_what_the_report_says(finished, exported):
    report = json.loads((finished / "report.json").read_text())
    text = (exported / "CARD.md").read_text()
    assert text.startswith(
        "# model\n\nA 1D ResNet-18 that tells 14 Bravais lattices apart in ideal"
    )
    assert f"| {100 * report['test']['top5']:.1f} % |" in text
    assert f"Trained on {report['dataset']['n_labelled']:,} labelled crystals" in text
    assert "of the data: free." in text


def test_its_trial_on_the_same_structures_gives_the_same_answers(finished, exported):
    classifier = load_classifier(exported)
    with opened(finished) as run:
        rows = run.dataset.split.test
        expected = own_logits(run, rows) / classifier.temperature
        spec = dataset_spec(classifier, run.config.data.sources, run.config.data.limit)
        found = try_classifier(classifier, spec, run.config.data.dir)
        assert found.fingerprint == run.dataset.fingerprint
        alone = try_classifier(classifier, spec, run.config.data.dir, held_out=True)
    for logits in (found.logits[rows], alone.logits):
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_the_temperature_is_that_of_the_validation_set(finished, exported):
    calibration = json.loads((exported / "model.json").read_text())["calibration"]
    with opened(finished) as run:
        rows = run.dataset.split.validation
        logits, labels = own_logits(run, rows), run.dataset.labels[rows]
    assert calibration["temperature"] == metrics.fit_temperature(logits, labels)
    assert calibration["n_validation"] == len(rows)
    assert calibration["nll_after"] <= calibration["nll_before"]


def test_the_description_tells_where_it_comes_from(finished, exported):
    text = (exported / "model.json").read_text()
    content = json.loads(text)
    report = json.loads((finished / "report.json").read_text())
    training = content["training"]
    assert training["test"] == report["test"]
    assert training["confusions"] == largest_confusions(report["per_class"])
    assert training["checkpoint"] == report["checkpoint"]
    assert training["checkpoint"]["validation_top1"] is not None
    assert training["dataset"] == report["dataset"]
    assert training["config"]["seed"] == 0
    assert training["steps"] == STEPS
    assert training["versions"]["sgan_jax"]
    assert content["licence"] == {"code": "Apache-2.0", "data_sources": ["amcsd"], "data": "free"}
    assert (
        sum(entry["n_labelled"] for entry in content["classes"]) == report["dataset"]["n_labelled"]
    )
    assert sorted(n for entry in content["classes"] for n in entry["space_groups"]) == [
        *range(1, 231)
    ]
    assert str(finished.parent) not in text


def test_a_run_starts_from_the_classifier_of_another(finished, exported, environment, tmp_path):
    begin = shutil.copytree(exported, tmp_path / "begin")
    description = json.loads((begin / "model.json").read_text())
    description["training"]["pretrained"] = FIRST  # as if that one had started from a third
    (begin / "model.json").write_text(json.dumps(description))
    sha256 = description["weights"]["sha256"]

    trials = Trials(finished.parent, STEPS, Path(environment["JAX_COMPILATION_CACHE_DIR"]))
    still = "--config.optimizer.supervised_learning_rate=1e-30"  # the weights stay as they are
    folder, config = tmp_path / "further", f"{CONFIG}:supervised"
    done = trials.finish(folder, f"--config.pretrained={begin}", still, config=config)
    assert done.returncode == 0, done.stderr
    report, before = (json.loads((run / "report.json").read_text()) for run in (folder, finished))
    assert report["test"]["top1"] == before["test"]["top1"]
    assert report["test"]["nll"] == pytest.approx(before["test"]["nll"], rel=1e-4)
    assert report["paper"] is None
    assert (report["pretrained"]["name"], report["pretrained"]["sha256"]) == ("begin", sha256)
    assert report["pretrained"]["pretrained"] == FIRST
    told = f"Training started from the weights of `begin` (`{sha256[:12]}`), which had learnt from"
    assert told in (folder / "report.md").read_text()

    refused = trials.finish(folder, still, config=config)
    assert refused.returncode == 2
    assert f"started from other weights (there {sha256[:12]}, now random ones)" in refused.stderr

    shutil.rmtree(begin)  # once there is a checkpoint they may go
    content = export(folder, tmp_path / "model")
    assert content["training"]["pretrained"] == report["pretrained"]
    assert content["licence"]["data_sources"] == ["amcsd", "theirs.zip"]
    card = (tmp_path / "model" / "CARD.md").read_text()
    assert told in card
    assert "from the test set, of amcsd; data set" in card
    assert str(tmp_path) not in json.dumps(content)


def test_the_largest_confusions_are_few_and_no_chance():
    counts = {"aP": {"aP": 90, "mP": 6, "mS": 4}, "mP": {"mP": 1, "aP": 9, "oP": 8, "tP": 7}}
    counts |= {"oP": {"mP": 30, "oP": 300, "oS": 5}, "hR": {}}
    per_class = [
        {"name": name, "n_test": sum(predicted.values()), "predicted": predicted}
        for name, predicted in counts.items()
    ]
    found = largest_confusions(per_class)
    assert [(entry["class"], entry["answer"]) for entry in found] == [
        ("oP", "mP"),
        ("mP", "aP"),
        ("mP", "oP"),
        ("mP", "tP"),
        ("aP", "mP"),
    ]
    assert found[0] == {"class": "oP", "answer": "mP", "n": 30, "n_test": 335}
    assert len(largest_confusions(per_class[:1])) == 1


@pytest.fixture
def untrained(finished, tmp_path) -> Path:
    """Folder of a run whose only checkpoint is its first state, without a validation set."""
    config = quickstart.get_config("supervised,released_code")
    config.update_from_flattened_dict(
        {"data.dir": str(finished.parent / "data"), "data.limit": 200, "data.workers": 1}
    )
    with open_run(config, tmp_path / "run") as run:
        run.checkpoints.save(run.new_state().replace(step=np.int32(1)), {}, None)
    return tmp_path / "run"


def test_without_a_validation_set_it_is_not_calibrated(untrained, tmp_path):
    content = export(untrained, tmp_path / "model")
    assert content["calibration"]["temperature"] is None
    assert "validation_fraction=0.0" in content["calibration"]["reason"]
    assert content["training"]["test"] is None
    assert content["training"]["confusions"] is None
    assert content["licence"]["data"] is None


def test_the_classifier_of_another_network_goes_without_its_real_fake_head(untrained, tmp_path):
    export(untrained, tmp_path / "model")
    classifier = load_classifier(tmp_path / "model")
    assert classifier.description["network"]["stem_pool"] is False
    assert classifier.logits(np.zeros((2, 3041))).shape == (2, 14)


def test_a_report_on_other_weights_is_not_passed_on(untrained, tmp_path):
    (untrained / "report.json").write_text('{"checkpoint": {"step": 0}, "test": {"top1": 1.0}}')
    assert export(untrained, tmp_path / "model")["training"]["test"] is None


CHOSEN = Choice(step=1, reason="the last", validation_top1=None)


@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"checkpoint": ', json.dumps({"checkpoint": CHOSEN._asdict()})]
)
def test_a_report_that_is_none_is_an_error_that_says_so(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"report\.json is damaged.*--mode=evaluate"):
        _figures(tmp_path, CHOSEN)


def test_what_cannot_be_exported(finished, exported, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        export(finished, exported)
    with pytest.raises(InputError, match=r"no network in .*; train first"):
        export(tmp_path, tmp_path / "model")
    with opened(finished) as run:
        identity = workdir.read(run.folder)
    workdir.bind(tmp_path, identity)
    with pytest.raises(InputError, match=r"no checkpoint in .* yet; train first"):
        export(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_mistakes_on_the_command_line_are_short_errors(environment, tmp_path):
    done = command(
        f"--workdir={tmp_path / 'nothing'}", f"--out={tmp_path / 'model'}", env=environment
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: no network in {tmp_path / 'nothing'}")
    done = command("--out=model", env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the following arguments are required: --workdir")
