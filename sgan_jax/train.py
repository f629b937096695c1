"""Training and evaluation of one experiment in one folder."""

import contextlib
import dataclasses
import logging
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from data_gen.errors import InputError
from sgan_jax import (
    devices,
    input_pipeline,
    preemption,
    processes,
    report,
    report_figures,
    report_page,
    tensorboard,
    workdir,
)
from sgan_jax.checkpoint import Checkpoints
from sgan_jax.config import patterns_per_step
from sgan_jax.inference import Predict, generate, make_predict
from sgan_jax.input_pipeline import Dataset
from sgan_jax.metrics import diversity
from sgan_jax.monitor import Monitor, Sample, sample
from sgan_jax.preemption import Preempted, Preemption
from sgan_jax.progress import Clock, Meter, Throughput, all_finite
from sgan_jax.run import Run, open_run
from sgan_jax.scoring import predict_logits
from sgan_jax.state import SganState, averaged_params
from sgan_jax.train_step import make_train_step

_OUTPUTS = {"real": "discriminator/real", "generated": "discriminator/fake"}
"""Scalars with the mean of D over the patterns of a step, by what they are patterns of."""

_log = logging.getLogger(__name__)


def train_and_evaluate(config: ConfigDict, folder: Path) -> None:
    """Trains a network, evaluates it on the test set and writes the report.

    Started again in the same folder it goes on from the last checkpoint, and ends with the same
    parameters as a run that was never interrupted. A finished run is only evaluated.

    Args:
        config: The experiment.
        folder: The run's own; made if need be.

    Raises:
        InputError: The config, data or folder cannot be used, or training diverged.
        Preempted: SIGTERM came; what was trained is saved.
    """
    with preemption.watch() as preempted, open_run(config, folder) as run:
        predict = make_predict(config, run.dataset.num_classes)
        if config.num_steps not in run.checkpoints.steps:
            _train(run, predict, preempted)
        _report(run, predict)


def evaluate_only(config: ConfigDict, folder: Path) -> None:
    """Evaluates a run's checkpoint on the test set and writes the report anew.

    Raises:
        InputError: As `train_and_evaluate`; or the run has no checkpoint.
    """
    workdir.read(folder)
    with open_run(config, folder) as run:
        _report(run, make_predict(config, run.dataset.num_classes))


def _train(run: Run, predict: Predict, preempted: Preemption) -> None:
    """Trains from the last checkpoint, or from the beginning, to the last step."""
    config, dataset, checkpoints = run.config, run.dataset, run.checkpoints
    state, throughput = _restore_or_create(run)
    start = int(state.step)
    train_step = devices.pmap_train_step(make_train_step(config, dataset.num_classes))
    root = jax.random.key(config.seed)
    monitor = Monitor(config, dataset, predict)
    meter = Meter(patterns_per_step(config))
    clock = Clock(config.num_steps)
    with (
        preempted.held(),
        tensorboard.event_writer(run.folder, start) as events,
        contextlib.closing(input_pipeline.train_batches(dataset, config, start)) as batches,
    ):
        for step in range(start + 1, config.num_steps + 1):
            batch = meter.next_batch(batches)
            state, metrics = train_step(state, devices.shard(batch), root)
            meter.add(step, metrics)

            ending = preempted.requested(step)
            evaluating = _is_due(step, config.eval_every, config)
            saving = _is_due(step, config.checkpoint_every, config)
            first = step == start + 1
            if not (first or ending or evaluating or saving or step % config.log_every == 0):
                continue
            means, bad_step, interval = meter.read()
            if bad_step is not None or not all_finite(state):
                raise InputError(_diverged(bad_step or step, checkpoints))
            if first:
                _log.info("first step, compilation included: %.1f s", interval.seconds)
                clock.start(step)
                events.scalars(step, means)
            else:
                throughput.add(interval)
                events.scalars(step, means | interval.scalars())
                _log.info(clock.line(step, means, interval))
            if evaluating:
                accuracies, pictures = monitor.look(state)
                events.scalars(step, accuracies)
                events.images(step, pictures)
            if saving or ending:
                events.flush()
                # Whether and where a run was interrupted has no say in which checkpoint is best.
                top1 = monitor.validation_top1(state) if saving else None
                checkpoints.save(state, dataclasses.asdict(throughput), top1)
            if ending:
                raise Preempted(f"stopped by SIGTERM; the same command goes on from step {step}")


def _restore_or_create(run: Run) -> tuple[SganState, Throughput]:
    if not run.checkpoints.steps:
        return run.new_state(), Throughput()
    last = run.checkpoints.steps[-1]
    state = run.checkpoints.restore(run.new_state(), last)
    _log.info("step %d of %d is done already", last, run.config.num_steps)
    return state, Throughput(**run.checkpoints.progress(last))


def _report(run: Run, predict: Predict) -> None:
    """Evaluates on the whole test set, draws the figures and writes the report."""
    config, dataset = run.config, run.dataset
    chosen, state = run.chosen_state()
    last = run.checkpoints.steps[-1]
    throughput = Throughput(**run.checkpoints.progress(last))
    rows = dataset.split.test
    _log.info("evaluating step %d on %d test patterns", chosen.step, len(rows))
    params = averaged_params(state, config.ema_decay)
    logits = predict_logits(predict, params, dataset.patterns, rows, config.batch_size)
    if not processes.is_main():  # from here on nothing concerns all processes
        return
    counts = {name: dataset.class_counts[name] for name in ("labelled", "unlabelled", "test")}
    made = sample(config, dataset, state)
    history = tensorboard.read_history(run.folder)
    content = report.assemble(
        config,
        dataset.class_list,
        dataset=dataset.summary(),
        counts=counts,
        logits=logits,
        labels=dataset.labels[rows],
        steps=last,
        checkpoint=chosen._asdict(),
        throughput=throughput.report(),
        game=_game(run, made, history),
        pretrained=run.identity.pretrained,
    )
    figures = run.folder / report.FIGURES_FOLDER
    report_figures.draw_evaluation(
        figures, dataset.class_list, counts, logits, dataset.labels[rows]
    )
    report_figures.draw_training(figures, history, content["test"]["prior_top1"])
    _draw_patterns(figures, dataset, made)
    report.write(run.folder, content, report_page.page)
    print(report.summary(content))
    print(f"report: {run.folder / report.MARKDOWN_FILE}")


def _game(
    run: Run, made: Sample | None, history: tensorboard.History
) -> dict[str, dict[str, float]] | None:
    """How the game between discriminator and generator stood at the end; see `report.assemble`."""
    beginning = run.new_state().generator if made else None
    if made is None or beginning is None:
        return None
    key, count = jax.random.key(run.config.seed), len(made.generated)
    untrained = np.asarray(generate(run.config, beginning, key, count, train=True))
    last = {name: history[tag][1][-1] for name, tag in _OUTPUTS.items() if tag in history}
    return {
        "diversity": made.diversity() | {"untrained": diversity(untrained)},
        "discriminator": last,
    }


def _draw_patterns(figures: Path, dataset: Dataset, made: Sample | None) -> None:
    rows = report_figures.example_rows(dataset.class_list, dataset.space_groups)
    report_figures.draw_examples(
        figures,
        dataset.axis,
        dataset.patterns[rows],
        dataset.space_groups[rows],
        dataset.formulas[rows],
        dataset.class_list,
    )
    if made:
        report_figures.draw_generated(figures, dataset.axis, *made.shown)


def _is_due(step: int, every: int, config: ConfigDict) -> bool:
    return step % every == 0 or step == config.num_steps


def _diverged(step: int, checkpoints: Checkpoints) -> str:
    steps = checkpoints.steps
    good = f"the last good checkpoint is {steps[-1]}" if steps else "there is no checkpoint yet"
    return (
        f"training diverged: values that are not finite at step {step}; {good}; try smaller "
        "config.optimizer.…_learning_rate, a larger config.optimizer.adam_eps or another "
        "config.seed, in a new --workdir=DIR"
    )
