"""How good a classifier is on structures of your own: `python -m sgan_jax.evaluate --model=NAME …`.

From Python:

    from sgan_jax.evaluate import evaluate

    report = evaluate("measured-bravais", "my_cifs.tar.gz", out="evaluations/mine")
    report["test"]["top1"], report["dataset"]["rejected_by_reason"]
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from data_gen.command_line import Parser, print_all
from data_gen.errors import InputError
from data_gen.pattern_files import save
from data_gen.sources import source_names
from data_gen.spec import DatasetSpec
from sgan_jax import (
    bulk,
    command_line,
    evaluation_page,
    metrics,
    report,
    report_figures,
    trained,
    workdir,
)
from sgan_jax.classifier import Classifier, load_classifier
from sgan_jax.scoring import score
from sgan_jax.trial import Trial, dataset_spec, try_classifier

_LONGEST_NAME = 100  # characters of a folder that is named by default


def evaluate(
    model: str,
    sources: str,
    out: Path | str,
    *,
    limit: int | None = None,
    held_out: bool = False,
    data_dir: Path | str = "data",
) -> dict[str, Any]:
    """Tries a classifier on the crystals of any sources; writes a report with figures.

    Args:
        model: Name of one that comes with the package, or its folder.
        sources: See `data_gen.sources.open_sources`.
        out: Folder for `report.json`, `report.md` and `figures/`; made if need be.
        limit: Read only the first so many structures.
        held_out: Try it only on what its own split keeps as test set. Where it was split at random,
            the sources must be those of its training, since there the ids decide.
        data_dir: Where data sets are; that of the sources is built if it is not there.

    Returns:
        The content of `report.json`.

    Raises:
        InputError: The model, the sources or a folder cannot be used, no structure can serve, or
            none is held out.
    """
    classifier = load_classifier(trained.find(model))
    try:
        described = _model(model, classifier)
        spec = dataset_spec(classifier, sources, limit)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"model {model} does not say how it was trained ({error} is missing); export it again"
        ) from error
    spec.fingerprint()  # opens the sources, before anything is written
    made = not Path(out).exists()
    _check_folder(Path(out), described["sha256"], spec, held_out)
    try:
        trial = try_classifier(classifier, spec, data_dir, held_out=held_out)
    except InputError:
        if made:
            Path(out).rmdir()  # it was made for nothing
        raise
    counts = _counts(classifier, trial)
    class_list, logits, labels = trial.class_list, trial.logits, trial.labels
    content = report.strict(
        {
            "task": classifier.task,
            "model": described,
            "test": score(logits, labels, class_list, counts["labelled"]),
            "dataset": {"held_out": held_out, **_dataset(classifier, spec, trial, counts)},
            "per_class": report.per_class(class_list, counts, metrics.confusion(logits, labels)),
            "environment": report.environment(),
        }
    )
    with bulk.writing(Path(out)):
        _draw(Path(out) / report.FIGURES_FOLDER, trial, counts)
        report.write(Path(out), content, evaluation_page.page)
    return content


def _check_folder(out: Path, sha256: str, spec: DatasetSpec, held_out: bool) -> None:
    """Checks that no report of something else would be overwritten."""
    if (out / workdir.CONFIG_FILE).exists():
        raise InputError(f"{out} has the report of a training run; name another --out=DIR")
    path = out / report.JSON_FILE
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        there = json.loads(path.read_text())
        data = there["dataset"]
        # Reports without the last of these are older than it.
        about = data["sources"], data["limit"], data.get("held_out", False)
        if (there["model"]["sha256"], *about) != (sha256, spec.sources, spec.limit, held_out):
            raise InputError(
                f"{out} has the report on another model, other sources or another limit, or "
                f"{'on more than was' if held_out else 'only on what was'} held out; name another "
                "--out=DIR"
            )
    bulk.check_writable(out)


def _counts(classifier: Classifier, trial: Trial) -> dict[str, Int[np.ndarray, " k"]]:
    """Patterns per class: labelled ones of the training, and those asked about."""
    return {
        "labelled": np.array([entry.n_labelled for entry in classifier.classes]),
        "test": np.bincount(trial.labels, minlength=len(classifier.classes)),
    }


def _model(name: str, classifier: Classifier) -> dict[str, Any]:
    """What the model says of itself."""
    description = classifier.description
    training = description["training"]
    return {
        "name": name,
        "sha256": description["weights"]["sha256"],
        "method": training["method"],
        "label_fraction": training["label_fraction"],
        "checkpoint": training["checkpoint"],
        "test": training["test"],
        "data_sources": description["licence"]["data_sources"],
        "pretrained": training.get("pretrained"),  # which older classifiers do not know
        "temperature": classifier.temperature,
        "instrument": classifier.instrument.name,
        "config": training["config"],
    }


def _dataset(
    classifier: Classifier,
    spec: DatasetSpec,
    trial: Trial,
    counts: Mapping[str, Int[np.ndarray, " k"]],
) -> dict[str, Any]:
    n_test, n_left_out = len(trial.rows), sum(trial.left_out.values())
    rejected, present = trial.rejected_by_reason, counts["test"] > 0
    unknown = np.flatnonzero(present & (counts["labelled"] == 0))
    return {
        "sources": spec.sources,
        "limit": spec.limit,
        "simulated": "measurements on neutron instruments of any kind"
        if classifier.takes_roots
        else f"ideal patterns of {spec.instrument}",
        "n_structures": n_test + trial.n_passed_over + n_left_out + sum(rejected.values()),
        "n_test": n_test,
        "n_passed_over": trial.n_passed_over,
        "n_left_out": n_left_out,
        "left_out_by_space_group": trial.left_out,
        "n_classes": len(present),
        "n_classes_present": present.sum(),
        "classes_without_label": [trial.class_list.names[index] for index in unknown],
        "name": trial.folder.parent.name,
        "fingerprint": trial.fingerprint,
        "rejected_by_reason": rejected,
    }


def _draw(folder: Path, trial: Trial, counts: Mapping[str, Int[np.ndarray, " k"]]) -> None:
    class_list = trial.class_list
    report_figures.draw_evaluation(folder, class_list, counts, trial.logits, trial.labels)
    chosen = report_figures.example_rows(class_list, trial.space_groups)
    report_figures.draw_examples(
        folder,
        trial.axis,
        trial.patterns[trial.rows[chosen]],
        trial.space_groups[chosen],
        trial.formulas[chosen],
        class_list,
    )


# ---------------------------------------------------------------- command line

_DESCRIPTION = """\
Simulates the powder patterns of crystal structures, asks a classifier about each, and says how
often it is right: a report to read, one for programs, and figures. Figures on crystals that it was
trained on say little: --held_out passes them over.
"""
_EPILOG = """\
A classifier of measured patterns is tried on simulated measurements (any neutron instrument, noise,
background, preferred orientation, a second phase out of the same sources, ...), any other on ideal
patterns of the instrument that it was trained for. Structures that cannot serve are counted by
reason, and crystals whose space group is in none of its classes are counted apart.

What --held_out passes over is decided as in training, by the formula or the id of a crystal and the
seed. Where ids decide (data.split_by=random), the sources must be those of the training: the same
crystal has another id elsewhere.

exit status: 0 if there is a report; 2 for an error, in one line that says what to do.

  python -m sgan_jax.evaluate --model=measured-bravais --sources=my_cifs.tar.gz --json=report.json
  python -m sgan_jax.evaluate --model=runs/model --sources=amcsd,my_cifs/ --limit=1000 --out=mine
  python -m sgan_jax.evaluate --model=bravais --sources=amcsd --held_out
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 1 if interrupted, or 2 for bad input."""
    options = _parser().parse_args(arguments)
    command_line.keep_compiled_programs()
    return command_line.exit_status(_run, options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m sgan_jax.evaluate",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = ", ".join(trained.packaged())
    add("--model", required=True, metavar="NAME|DIR", help=f"{names}, or the folder of an export")
    add(
        "--sources",
        required=True,
        metavar="PATH[,PATH]",
        help="structures: a CIF, a folder or archive of CIFs, a table with a cif column, amcsd",
    )
    add("--limit", type=int, metavar="N", help="read only the first N structures")
    add(
        "--held_out",
        action="store_true",
        help="try only crystals that the model's own split keeps as test set, a tenth of all",
    )
    add("--json", type=Path, metavar="FILE", help="write the report for programs here too")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for report.md, report.json and figures/, written anew; default: "
        "evaluations/MODEL-SOURCES, with -held_out if only these are tried",
    )
    add(
        "--data_dir",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="where the data set of the structures is built, or is already; default: data",
    )
    return parser


def _run(options: argparse.Namespace) -> None:
    out = options.out or _default_folder(options.model, options.sources, options.held_out)
    if options.json:
        bulk.check_file(options.json, "--json")
    content = evaluate(
        options.model,
        options.sources,
        out,
        limit=options.limit,
        held_out=options.held_out,
        data_dir=options.data_dir,
    )
    if options.json:
        save(options.json, report.as_json(content).encode())
    print_all(f"{_summary(content)}\nreport: {out / report.MARKDOWN_FILE}\n")


def _default_folder(model: str, sources: str, held_out: bool) -> Path:
    named = [Path(name).absolute().name for name in (model, *source_names(sources))]
    return Path("evaluations", "-".join(named)[:_LONGEST_NAME] + ("-held_out" if held_out else ""))


def _summary(content: Mapping[str, Any]) -> str:
    dataset = content["dataset"]
    reasons = dataset["rejected_by_reason"]
    listed = ", ".join(f"{reason} {n:,}" for reason, n in reasons.items())
    passed = f"{dataset['n_passed_over']:,} not held out, " if dataset["held_out"] else ""
    return (
        f"{dataset['n_structures']:,} structures: {dataset['n_test']:,} tried, {passed}"
        f"{dataset['n_left_out']:,} of space groups in no class of the model, "
        f"{sum(reasons.values()):,} rejected{f' ({listed})' if listed else ''}\n"
        f"{report.summary(content)}"
    )


if __name__ == "__main__":
    sys.exit(main())
