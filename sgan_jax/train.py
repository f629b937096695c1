"""Training and evaluation of one experiment in one folder."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from data_gen.errors import InputError
from data_gen.instrument import instrument
from sgan_jax import devices, input_pipeline, report, report_figures, tensorboard, workdir
from sgan_jax.checkpoint import Checkpoints, open_checkpoints
from sgan_jax.config import validate
from sgan_jax.evaluate import predict_logits
from sgan_jax.inference import Predict, generate, make_predict
from sgan_jax.input_pipeline import Dataset
from sgan_jax.monitor import PATTERNS_SHOWN, Monitor
from sgan_jax.progress import Clock, Meter, Throughput, all_finite
from sgan_jax.state import SganState, averaged_params, create_state
from sgan_jax.train_step import make_train_step

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
    """
    with _opened(config, folder) as (dataset, checkpoints):
        predict = make_predict(config, dataset.num_classes)
        state, throughput = _restore_or_create(config, dataset, checkpoints)
        if int(state.step) < config.num_steps:
            state = _train(config, folder, dataset, predict, checkpoints, state, throughput)
        _report(config, folder, dataset, predict, state, throughput)


def evaluate_only(config: ConfigDict, folder: Path) -> None:
    """Evaluates the last checkpoint of a run on the test set and writes the report anew.

    Raises:
        InputError: As `train_and_evaluate`; or the run has no checkpoint.
    """
    if not (folder / workdir.CONFIG_FILE).exists():
        raise InputError(_no_network(folder))
    with _opened(config, folder) as (dataset, checkpoints):
        if checkpoints.latest_step is None:
            raise InputError(_no_network(folder))
        predict = make_predict(config, dataset.num_classes)
        state, throughput = _restore_or_create(config, dataset, checkpoints)
        _report(config, folder, dataset, predict, state, throughput)


@contextlib.contextmanager
def _opened(config: ConfigDict, folder: Path) -> Iterator[tuple[Dataset, Checkpoints]]:
    """A run's data and checkpoints, after all checks that need no work."""
    validate(config)
    devices.check_divisible(config.batch_size)
    fingerprint = input_pipeline.dataset_spec(config).fingerprint()
    with workdir.lock(folder):
        workdir.check(folder, config, fingerprint)
        dataset = input_pipeline.load(config)
        workdir.bind(folder, config, fingerprint)
        with open_checkpoints(folder, config.checkpoints_to_keep) as checkpoints:
            yield dataset, checkpoints


def _restore_or_create(
    config: ConfigDict, dataset: Dataset, checkpoints: Checkpoints
) -> tuple[SganState, Throughput]:
    state = create_state(config, dataset.num_classes, dataset.grid_size)
    if checkpoints.latest_step is None:
        return state, Throughput()
    state, progress = checkpoints.restore(state)
    _log.info("step %d of %d is done already", state.step, config.num_steps)
    return state, Throughput(**progress)


def _train(
    config: ConfigDict,
    folder: Path,
    dataset: Dataset,
    predict: Predict,
    checkpoints: Checkpoints,
    state: SganState,
    throughput: Throughput,
) -> SganState:
    """Trains from `state` to the last step; adds to `throughput`."""
    start = int(state.step)
    train_step = devices.pmap_train_step(make_train_step(config, dataset.num_classes))
    root = jax.random.key(config.seed)
    monitor = Monitor(config, dataset, predict)
    meter = Meter(patterns_per_step=config.batch_size * (2 if config.method == "sgan" else 1))
    clock = Clock(config.num_steps)
    with (
        tensorboard.event_writer(folder, start) as events,
        contextlib.closing(input_pipeline.train_batches(dataset, config, start)) as batches,
    ):
        for step in range(start + 1, config.num_steps + 1):
            batch = meter.next_batch(batches)
            state, metrics = train_step(state, devices.shard(batch), root)
            meter.add(step, metrics)

            evaluating = _is_due(step, config.eval_every, config)
            saving = _is_due(step, config.checkpoint_every, config)
            if not (evaluating or saving or step == start + 1 or step % config.log_every == 0):
                continue
            means, bad_step, interval = meter.read()
            if bad_step is not None or not all_finite(state):
                raise InputError(_diverged(bad_step or step, checkpoints))
            if step == start + 1:
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
            if saving:
                events.flush()
                checkpoints.save(state, dataclasses.asdict(throughput))
    return state


def _report(
    config: ConfigDict,
    folder: Path,
    dataset: Dataset,
    predict: Predict,
    state: SganState,
    throughput: Throughput,
) -> None:
    """Evaluates on the whole test set, draws the figures and writes the report."""
    rows = dataset.split.test
    _log.info("evaluating on %d test patterns", len(rows))
    params = averaged_params(state, config.ema_decay)
    logits = predict_logits(predict, params, dataset.patterns[rows], config.batch_size)
    counts = {name: dataset.class_counts[name] for name in ("labelled", "unlabelled", "test")}
    content = report.assemble(
        config,
        dataset.class_list,
        dataset=dataset.summary(),
        counts=counts,
        logits=logits,
        labels=dataset.labels[rows],
        steps=int(state.step),
        throughput=throughput.report(),
    )
    figures = folder / report.FIGURES_FOLDER
    report_figures.draw_evaluation(
        figures, dataset.class_list, counts, logits, dataset.labels[rows]
    )
    history = tensorboard.read_history(folder)
    report_figures.draw_training(figures, history, content["test"]["prior_top1"])
    _draw_patterns(config, figures, dataset, state)
    report.write(folder, content)
    print(report.summary(content))
    print(f"report: {folder / report.MARKDOWN_FILE}")


def _draw_patterns(config: ConfigDict, figures: Path, dataset: Dataset, state: SganState) -> None:
    two_theta = instrument(config.data.instrument).two_theta
    report_figures.draw_examples(
        figures,
        two_theta,
        dataset.patterns,
        dataset.space_groups,
        dataset.formulas,
        dataset.class_list,
    )
    if state.generator is not None:
        real = dataset.patterns[dataset.split.test[:PATTERNS_SHOWN]]
        generated = np.asarray(generate(state.generator, jax.random.key(config.seed), len(real)))
        report_figures.draw_generated(figures, two_theta, generated, real)


def _is_due(step: int, every: int, config: ConfigDict) -> bool:
    return step % every == 0 or step == config.num_steps


def _diverged(step: int, checkpoints: Checkpoints) -> str:
    last = checkpoints.latest_step
    good = "there is no checkpoint yet" if last is None else f"the last good checkpoint is {last}"
    return (
        f"training diverged: values that are not finite at step {step}; {good}; try smaller "
        "config.optimizer.…_learning_rate, a larger config.optimizer.adam_eps or another "
        "config.seed, in a new --workdir=DIR"
    )


def _no_network(folder: Path) -> str:
    return f"no network in {folder}; train first with --mode=train_and_evaluate"
