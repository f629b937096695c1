"""The benchmark of training runs, with or without PyTorch, and judges goals and agreement."""

import json

import jax
import numpy as np
import pytest

from benchmarks import training, training_picture
from benchmarks.peers.weights import (
    below,
    flatten,
    from_torch,
    read_arrays,
    to_torch,
    torch_name,
    write_arrays,
)
from benchmarks.training_agreement import TOLERANCES, compare
from benchmarks.training_profile import REST, UNKNOWN, Event, own_seconds, part_of, write
from benchmarks.training_races import COMPILED, EAGER, EAGER_1D, OURS, Race, Result, races, turns
from configs.base import get_config
from sgan_jax.state import create_state


def result(entry, seconds, patterns=64):
    return Result(entry, version="1", batch=64, patterns=patterns, seconds=seconds)


# ---------------------------------------------------------------- exchange of weights


@pytest.fixture(scope="module")
def weights():
    config = get_config("sgan")
    config.model.generator = "paper"
    state = create_state(config, num_classes=14, grid_size=3041)
    tree = {"discriminator": state.params, "generator": state.generator.params}
    return flatten(tree)


def test_weights_come_back_as_they_went(weights):
    for path, array in weights.items():
        there = to_torch(path, array)
        image = there[:, :, None] if there.ndim == 3 else there  # of height 1
        for theirs in (there, image):
            np.testing.assert_array_equal(from_torch(path, theirs, array.shape), array)


def test_weights_have_the_shapes_of_torch(weights):
    shapes = {torch_name(path): to_torch(path, array).shape for path, array in weights.items()}
    assert len(shapes) == len(weights)
    assert shapes["discriminator.stem.weight"] == (32, 1, 13)
    assert shapes["discriminator.stage2_block1.conv1.weight"] == (64, 32, 7)
    assert shapes["discriminator.classes.weight"] == (14, 64)
    assert shapes["discriminator.stem_norm.bias"] == (32,)
    assert shapes["generator.up1.weight"] == (1, 32, 17)
    assert shapes["generator.pattern.weight"] == (32, 1, 7)


def test_running_statistics_have_other_names():
    assert torch_name("norm3/mean") == "norm3.running_mean"
    assert torch_name("norm3/var") == "norm3.running_var"


def test_arrays_survive_the_file(weights, tmp_path):
    write_arrays(tmp_path / "w.npz", weights)
    again = read_arrays(tmp_path / "w.npz")
    assert list(again) == list(weights)
    part = below(again, "generator/up1")
    np.testing.assert_array_equal(part["kernel"], weights["generator/up1/kernel"])


# ---------------------------------------------------------------- agreement


def some_results():
    rng = np.random.default_rng(0)
    names = ["logits", "losses/generator", "losses/supervised", "running statistics/norm1/var"]
    names += [f"{kind}/stem/kernel" for kind in TOLERANCES if kind.endswith("gradient")]
    return {name: rng.normal(size=(3, 2)) for name in names}


def test_same_results_agree():
    found = compare(some_results(), some_results())
    assert [one.kind for one in found] == list(TOLERANCES)
    assert all(one.within and one.largest == 0 for one in found)


@pytest.mark.parametrize("wrong", [lambda x: x * 1.01, lambda x: x * np.nan, lambda x: x[:1]])
def test_other_results_are_seen(wrong):
    theirs = some_results()
    theirs["losses/generator"] = wrong(theirs["losses/generator"])
    (other,) = (one for one in compare(some_results(), theirs) if not one.within)
    assert (other.kind, other.where) == ("losses", "generator")


# ---------------------------------------------------------------- goals and tables


def test_goals_are_judged_by_medians_and_least_times():
    race = Race("Race", (), per_second=1000, ratio=3)
    ours = result(OURS, [[0.05, 0.06, 0.07]])
    slow, fast = result(EAGER_1D, [[0.18, 0.19]]), result(EAGER, [[0.17, 0.17], [0.10]])
    rows = {id(one): training._row(race, one, ours) for one in (ours, slow, fast)}
    assert rows[id(ours)][6:11] == ("1,067", "", "", "≥ 1,000/s", "yes")
    assert rows[id(slow)][7:11] == ("3.08 ×", "3.60 ×", "≥ 3 ×", "yes")
    assert rows[id(fast)][5:11] == ("1.70", "376", "2.83 ×", "2.00 ×", "≥ 3 ×", "no")


def test_patterns_count_when_batches_differ():
    race = Race("Race", (), ratio=3)
    ours, theirs = result(OURS, [[0.1]], patterns=128), result(EAGER, [[0.1]], patterns=64)
    assert training._row(race, theirs, ours)[7] == "2.00 ×"


def test_compiled_torch_has_no_goal():
    race = Race("Race", (), ratio=3)
    ours = result(OURS, [[0.1]])
    assert training._row(race, result(COMPILED, [[1.0]]), ours)[9:11] == ("", "")


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_races_have_goals(device):
    for part in ("supervised", "sgan"):
        assert races(device)[part][0].ratio == 3
    assert all(race.entries[0] == OURS for part in races(device).values() for race in part)


def test_ours_follows_every_other():
    ours, eager, compiled = Result(OURS), Result(EAGER), Result(COMPILED)
    assert turns([ours, eager, compiled], 2) == [eager, ours, compiled, ours] * 2
    assert turns([ours], 2) == [ours, ours]


def test_picture(tmp_path):
    race = Race("Race", (), per_second=1000, ratio=3)
    results = [result(OURS, [[0.05]]), result(EAGER, [[0.2]]), Result(COMPILED)]
    assert training_picture.goals(race, results[:2]) == [1000, 960]
    training_picture.draw({race.title: {"race": race, "results": results}}, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------- profile


def test_time_within_is_not_counted_twice():
    events = [Event("a", 0, 10), Event("b", 1, 3), Event("c", 2, 1), Event("d", 5, 5)]
    assert dict(own_seconds([*events, Event("e", 10, 1)])) == {
        "a": 2,
        "b": 2,
        "c": 1,
        "d": 5,
        "e": 1,
    }


@pytest.mark.parametrize(
    ("layer", "part"),
    [
        ("jit(f)/jvp(ResNet)/stage2_block1/conv1/conv", "discriminator, stage 2, forward"),
        ("jit(f)/transpose(jvp(ResNet))/stem/conv", "discriminator, stem, backward"),
        ("jit(f)/jvp(ResNet)/classes/dot_general", "discriminator, head, forward"),
        ("jit(f)/transpose(jvp(Generator))/up3/conv", "generator, backward"),
        ("jit(f)/jvp(ResNet)/Dropout_0/jit(_bernoulli)/lt", "random numbers"),
        ("jit(f)/mul", REST),
        ("", UNKNOWN),
    ],
)
def test_parts_of_a_step(layer, part):
    assert part_of(layer) == part


def test_profile_of_a_small_step(tmp_path):
    def step(state, batch, root):
        return state + jax.numpy.sin(batch["pattern"]).sum(), jax.random.uniform(root)

    arguments = (
        jax.numpy.zeros(()),
        {"pattern": np.ones((8, 1000), np.float32)},
        jax.random.key(0),
    )
    write(tmp_path / "p.json", step, arguments)
    found = json.loads((tmp_path / "p.json").read_text())
    assert found["wall"] > 0
    assert found["parts"][REST] > 0


# ---------------------------------------------------------------- the command


def test_command_without_torch(capsys, tmp_path):
    places = [f"--environments={tmp_path / 'none'}", f"--out={tmp_path / 'out'}"]
    assert training.main(["--only=inference", "--quick", *places]) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert "PyTorch: not installed" in rows[2]
    assert rows[5].startswith("| ours ")
    assert all("not installed: --make_environments" in row for row in rows[6:])
    assert (tmp_path / "out" / "training.md").read_text().strip() == out.strip()
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    (measured,) = record["inference"].values()
    assert len(measured["results"][0]["seconds"]) == 1
    assert (tmp_path / "out" / "training.png").exists()


def test_wrong_options(capsys):
    assert training.main(["--repeats=0"]) == 2
    assert "--repeats" in capsys.readouterr().err
