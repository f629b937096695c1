"""`CARD.md` of an exported classifier: what it is for, what it learnt from, how good it is."""

from collections.abc import Mapping
from typing import Any

from data_gen.symmetry import hermann_mauguin
from sgan_jax.augmentation.effects import WAVELENGTHS
from sgan_jax.grids import GRIDS
from sgan_jax.pretrained import further_sources, own_sources
from sgan_jax.wording import MERITS, METHODS, TASKS, beginning, percent, short

_FEW = 50
"""Labelled crystals below which a class is seldom named."""


def card(name: str, description: Mapping[str, Any]) -> str:
    """The whole card.

    Args:
        name: Of the classifier.
        description: What `model.json` says of it.
    """
    parts = [
        f"# {name}\n\n{_purpose(description)}",
        f"## Data\n\n{_data(description)}",
        f"## Instruments\n\n{_instruments(description)}",
        f"## Figures\n\n{_figures(description)}",
        f"## Known failures\n\n{_failures(description)}",
    ]
    return "\n\n".join(parts) + "\n"


def _is_for_measured(description: Mapping[str, Any]) -> bool:
    return description["training"]["config"]["augmentation"]["enabled"]


def _purpose(description: Mapping[str, Any]) -> str:
    count = len(description["classes"])
    patterns = (
        "measured powder patterns of neutrons of one wavelength"
        if _is_for_measured(description)
        else f"ideal powder patterns of the instrument `{description['instrument']['name']}`"
    )
    return f"A 1D ResNet-18 that tells {count} {TASKS[description['task']]}s apart in {patterns}."


def _data(description: Mapping[str, Any]) -> str:
    training, licence = description["training"], description["licence"]
    dataset, data = training["dataset"], training["config"]["data"]
    more = dataset["n_unlabelled"] if training["method"] == "sgan" else 0
    counts = f"{dataset['n_labelled']:,} labelled" + (f" and {more:,} unlabelled" if more else "")
    split = (
        "no formula of the test set among them"
        if data["split_by"] == "formula"
        else "split at random from the test set"
    )
    sources = ", ".join(own_sources(description))
    lines = [
        f"Trained on {counts} crystals, {split}, of {sources}; data set "
        f"`{short(dataset['fingerprint'])}`.",
        *([beginning(before)] if (before := training.get("pretrained")) else []),
        *_of_training_alone(description),
        *_learnt(description),
    ]
    if data["formulas_left_out"]:
        lines.append(f"Left out: {data['formulas_left_out'].replace(',', ', ')}.")
    lines.append(f"Licence: {licence['code']}; of the data: {licence['data'] or 'not told'}.")
    return " ".join(lines)


def _of_training_alone(description: Mapping[str, Any]) -> list[str]:
    """Which sources were never tested on, in a sentence."""
    names = further_sources(description)
    return [f"Those of {', '.join(names)} were only trained on, never tested on."] if names else []


def _learnt(description: Mapping[str, Any]) -> list[str]:
    """What was done with the patterns, in sentences; older classifiers do not say all of it."""
    training = description["training"]
    config, lines = training["config"], []
    if _is_for_measured(description):
        switches = config["augmentation"]
        off = [name for name, on in switches.items() if not on]
        lines.append(
            "Each was simulated as if measured, anew in every epoch"
            + (f", without the effects {', '.join(off)}." if off else ", with all effects.")
        )
    if config["data"].get("relatives"):
        lines.append(
            "Each labelled crystal was replaced by an imagined relative, another at every step: "
            "the same space group, another cell and other intensities."
        )
    if training["method"] == "sgan" and config["loss"].get("contrast"):
        lines.append(
            "Of each unlabelled pattern two imagined relatives were drawn, and the network learnt "
            "to tell which belong together."
        )
    if measured := training["dataset"].get("n_unlabelled_measured"):
        lines.append(f"Unlabelled as well: {measured:,} measured patterns.")
    return lines


def _instruments(description: Mapping[str, Any]) -> str:
    model, axis = description["instrument"], description["grid"]
    ideal = (
        f"{model['radiation'].capitalize()}s of {model['wavelength']} Å; 2θ from "
        f"{model['two_theta_min']}° to {model['two_theta_max']}° by {model['two_theta_step']}°."
    )
    if not _is_for_measured(description) or axis is None:
        return ideal
    edges = GRIDS[axis].edges
    return (
        f"Neutrons of one wavelength, {WAVELENGTHS[0]} to {WAVELENGTHS[1]} Å; 1/d from "
        f"{edges[0]:.2f} to {edges[-1]:.2f} Å⁻¹. No X-rays, no time of flight."
    )


def _figures(description: Mapping[str, Any]) -> str:
    training, calibration = description["training"], description["calibration"]
    config, test = training["config"], training["test"]
    trained = (
        f"{METHODS[training['method']]}, {training['steps']:,} steps of {config['batch_size']}, "
        f"weights of step {training['checkpoint']['step']:,} "
        f"({training['checkpoint']['reason']}), seed {config['seed']}."
    )
    elsewhere = "`python -m sgan_jax.evaluate` tries it on other structures."
    how = f"Trained: {trained} {_temperature(calibration)}"
    return "\n\n".join([_table(training["dataset"], test), how, elsewhere])


def _temperature(calibration: Mapping[str, Any]) -> str:
    """What calibration did; older classifiers say it of the crystals of the fit alone."""
    if calibration["temperature"] is None:
        return f"Not calibrated: {calibration['reason']}."
    tested = "test_ece_before" in calibration
    prefix, where = ("test_", "the test crystals") if tested else ("", "these")
    before, after = (percent(calibration[f"{prefix}ece_{when}"]) for when in ("before", "after"))
    return (
        f"Temperature {calibration['temperature']:.3f}, fitted on "
        f"{calibration['n_validation']:,} crystals that were held back; on {where} it takes the "
        f"calibration error from {before} to {after}."
    )


def _table(dataset: Mapping[str, Any], test: Mapping[str, Any] | None) -> str:
    if test is None:
        return "Not tested: the run left no report on these weights."
    low, high = test["top1_ci95"]
    asides = {"top1": f" [{percent(low)}, {percent(high)}]"}
    lines = [
        f"| {merit.name()} | {percent(test[merit.key])}{asides.get(merit.key, '')} "
        f"| {percent(test[f'prior_{merit.key}'])} |"
        for merit in MERITS
        if test[merit.key] is not None
    ]
    head = [f"{dataset['n_test']:,} test crystals, one seed:", "", "| | | prior |"]
    return "\n".join([*head, "| --- | ---: | ---: |", *lines])


def _failures(description: Mapping[str, Any]) -> str:
    counts = {entry["name"]: entry["n_labelled"] for entry in description["classes"]}
    never = [name for name, count in counts.items() if count == 0]
    few = [name for name, count in counts.items() if 0 < count < _FEW]
    lines = [
        "A second phase, magnetic peaks and superstructures are not recognised as such."
        if _is_for_measured(description)
        else "Measured patterns: noise, background and other peak shapes were never seen."
    ]
    last = " in the last training" if description["training"].get("pretrained") else ""
    if few:
        told = f"Fewer than {_FEW} labelled crystals{last}, so seldom named: {', '.join(few)}."
        lines.append(told)
    if never:
        told = f"No labelled crystal{last}, so {'hardly' if last else 'never'} named"
        lines.append(f"{told}: {', '.join(never)}.")
    if confusions := description["training"].get("confusions"):
        told = (_confusion(description["task"], confusion) for confusion in confusions)
        lines.append(f"Most frequent wrong answers, by number of test crystals: {', '.join(told)}.")
    return " ".join(lines)


def _confusion(task: str, confusion: Mapping[str, Any]) -> str:
    of_lattices = task == "bravais_lattice"
    true, answer = (
        name if of_lattices else f"{name} ({hermann_mauguin(int(name))})"
        for name in (confusion["class"], confusion["answer"])
    )
    n, n_test = confusion["n"], confusion["n_test"]
    return f"{true} is taken for {answer} ({100 * n / n_test:.0f} % of {n_test:,})"
