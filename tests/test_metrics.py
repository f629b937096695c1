import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import top_k_accuracy_score

from sgan_jax import metrics

LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [5.0, 1.0, 2.0], [0.0, 3.0, 1.0]])
LABELS = np.array([0, 1, 2, 1])


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n, k = draw(st.integers(1, 30)), draw(st.integers(2, 12))
    values = st.floats(-30, 30, width=32)
    labels = draw(arrays(np.int64, n, elements=st.integers(0, k - 1)))
    return draw(arrays(np.float32, (n, k), elements=values)), labels


def test_top_k_counts_the_true_class_among_the_k_highest():
    assert metrics.in_top_k(LOGITS, LABELS, 1).tolist() == [True, False, False, True]
    assert metrics.top_k_accuracy(LOGITS, LABELS, 2) == 1.0
    assert metrics.top_k_accuracy(LOGITS, LABELS, 5) == 1.0  # more guesses than classes


def test_a_network_that_says_nothing_scores_no_better_than_its_first_answer():
    assert metrics.top_k_accuracy(np.zeros((4, 3)), LABELS, 1) == 0.25


@given(scored(), st.integers(1, 12))
def test_top_k_agrees_with_scikit_learn_where_no_scores_tie(case, k):
    logits, labels = case
    distinct = logits + np.arange(logits.shape[1]) * 1e-3
    classes = logits.shape[1]
    if k >= classes or classes == 2 or any(len(set(row)) < classes for row in distinct):
        return
    expected = top_k_accuracy_score(labels, distinct, k=k, labels=np.arange(classes))
    assert metrics.top_k_accuracy(distinct, labels, k) == pytest.approx(expected)


def test_negative_log_likelihood_is_in_nats_and_does_not_overflow():
    uniform = np.zeros((5, 14), np.float32)
    assert metrics.negative_log_likelihood(uniform, np.arange(5)) == pytest.approx(np.log(14))
    extreme = np.array([[1e4, 0.0]], np.float32)
    assert metrics.negative_log_likelihood(extreme, np.array([1])) == pytest.approx(1e4)


def test_prior_takes_its_order_from_the_labels_alone():
    labelled_counts = np.array([1, 5, 3])
    test_labels = np.array([0, 0, 0, 1, 2])
    assert metrics.prior_top_k(labelled_counts, test_labels, 1) == pytest.approx(0.2)
    assert metrics.prior_top_k(labelled_counts, test_labels, 2) == pytest.approx(0.4)
    assert metrics.prior_top_k(labelled_counts, test_labels, 5) == 1.0


def test_groups_sum_the_probabilities_of_their_classes():
    logits = np.log(np.array([[0.4, 0.3, 0.3], [0.5, 0.3, 0.2]]))
    groups = np.array([0, 1, 1])
    # The most probable class of the first pattern is 0, its most probable group 1.
    assert metrics.grouped_top1(logits, np.array([1, 1]), groups) == 0.5
    assert metrics.grouped_top1(logits, np.array([0, 0]), groups) == 0.5


@given(scored())
def test_one_group_per_class_is_top_1_and_one_group_is_always_right(case):
    logits, labels = case
    classes = np.arange(logits.shape[1])
    probabilities = np.exp(metrics.log_probabilities(logits))
    alone = metrics.grouped_top1(logits, labels, classes)
    assert alone == metrics.top_k_accuracy(probabilities, labels, 1)
    assert metrics.grouped_top1(logits, labels, np.zeros_like(classes)) == 1.0


def test_calibration_error_of_known_confidences():
    # Ten answers given with 80 % confidence, of which five are right.
    logits = np.log(np.tile([0.8, 0.2], (10, 1)))
    labels = np.array([0, 1] * 5)
    assert metrics.expected_calibration_error(logits, labels) == pytest.approx(0.3)
    certain = np.array([[500.0, 0.0]])
    assert metrics.expected_calibration_error(certain, np.array([0])) == pytest.approx(0)
    assert metrics.expected_calibration_error(certain, np.array([1])) == pytest.approx(1)


@given(scored())
def test_reliability_accounts_for_every_pattern(case):
    logits, labels = case
    table = metrics.reliability(logits, labels)
    right = np.exp(metrics.log_probabilities(logits)).argmax(axis=1) == labels
    assert table.n_patterns.sum() == len(labels)
    assert (table.n_patterns * table.accuracy).sum() == pytest.approx(right.sum())
    edges = np.arange(metrics.CALIBRATION_BINS + 1) / metrics.CALIBRATION_BINS
    filled = table.n_patterns > 0
    assert (table.confidence[filled] <= edges[1:][filled] + 1e-12).all()
    assert (table.confidence[filled] >= edges[:-1][filled] - 1e-12).all()


def test_the_interval_of_many_answers_is_that_of_the_normal_distribution():
    right = np.arange(10_000) % 10 < 7
    half = 1.96 * np.sqrt(0.7 * 0.3 / 10_000)
    assert metrics.accuracy_interval(right) == pytest.approx((0.7 - half, 0.7 + half), abs=1e-4)


@pytest.mark.parametrize("n", [1, 5, 144])
def test_the_interval_of_a_unanimous_result_is_no_point(n):
    squared = 1.959964**2  # in standard deviations: Wilson's bounds are n/(n + z²) and z²/(n + z²)
    every, none = np.ones(n, bool), np.zeros(n, bool)
    assert metrics.accuracy_interval(every) == pytest.approx((n / (n + squared), 1.0))
    assert metrics.accuracy_interval(none) == pytest.approx((0.0, squared / (n + squared)))


def test_confusion_and_recall_keep_absent_classes():
    matrix = metrics.confusion(np.pad(LOGITS, ((0, 0), (0, 1)), constant_values=-9), LABELS)
    assert matrix.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    recall = metrics.per_class_recall(matrix)
    assert recall[:3].tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(recall[3])
    assert np.isnan(metrics.row_normalised(matrix)[3]).all()


@given(st.floats(0.2, 5), st.integers(0, 100))
def test_temperature_undoes_a_scale(scale, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (500, 4))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # calibrated at T = 1
    temperature = metrics.fit_temperature(logits, labels)
    assert temperature == pytest.approx(1, rel=0.35)
    assert metrics.fit_temperature(scale * logits, labels) == pytest.approx(
        scale * temperature, rel=1e-3
    )


def test_temperature_lies_within_its_limits():
    low, high = metrics.TEMPERATURES
    logits = np.array([[0.5, 0.0], [0.0, 0.5]])
    right = metrics.fit_temperature(logits, np.array([0, 1]))
    wrong = metrics.fit_temperature(logits, np.array([1, 0]))
    assert right == pytest.approx(low, rel=0.01)
    assert wrong == pytest.approx(high, rel=0.01)


def test_diversity_is_the_mean_over_all_pairs_whatever_the_heights():
    patterns = np.random.default_rng(0).random((5, 40))
    lengths = np.linalg.norm(patterns, axis=1)
    pairs = [(i, j) for i in range(5) for j in range(i)]
    expected = np.mean([1 - patterns[i] @ patterns[j] / lengths[i] / lengths[j] for i, j in pairs])
    heights = np.array([[1.0], [0.2], [7.0], [1.0], [3.0]])
    assert metrics.diversity(heights * patterns) == pytest.approx(expected)


def test_diversity_of_a_collapsed_generator_is_nothing_and_of_strangers_one():
    one = np.random.default_rng(0).random(40)
    assert metrics.diversity(np.stack([one, one, 2 * one])) == pytest.approx(0)
    assert metrics.diversity(np.eye(6)) == pytest.approx(1)


def test_what_was_not_measured_does_not_make_patterns_alike():
    patterns = np.eye(3, 8)
    patterns[:, 5:] = -1
    assert metrics.diversity(patterns) == pytest.approx(1)
    assert np.isnan(metrics.diversity(patterns[:1]))
