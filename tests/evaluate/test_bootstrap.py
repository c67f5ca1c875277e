from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from covidx.evaluate import Clusters, bootstrap_estimate
from covidx.evaluate.bootstrap import Replicates, bca_interval, bootstrap
from covidx.evaluate.decisions import FUNCTIONS
from covidx.evaluate.weighted import (
    Ranking,
    auroc_statistic,
    average_precision_statistic,
    decision_cells,
    decision_statistic,
    difference_statistic,
    mean_statistic,
    ratio_statistic,
)
from tests.evaluate import reference as ref


def test_groups_are_drawn_whole_and_within_their_stratum() -> None:
    clusters = Clusters.of(["b", "a", "a", "c", "d"], strata=[0, 0, 0, 1, 1])
    assert clusters.codes.tolist() == [1, 0, 0, 2, 3]
    counts = np.concatenate(list(clusters.draws(seed=1, resamples=50)), axis=1)
    assert counts.shape == (4, 50)
    assert (counts[:2].sum(axis=0) == 2).all()
    assert (counts[2:].sum(axis=0) == 2).all()


def test_a_group_in_two_strata_gives_them_up() -> None:
    clusters = Clusters.of(["a", "a", "b"], strata=[0, 1, 1])
    assert clusters.strata.tolist() == [0, 0]


def test_the_jackknife_leaves_each_group_out_once() -> None:
    left = np.concatenate(list(Clusters.of(range(300)).without()), axis=1)
    assert left.shape == (300, 200)
    assert (left.sum(axis=1) == 199).all()


@pytest.mark.parametrize("scores", [ref.SCORES_A, ref.SCORES_B], ids=["no ties", "ties"])
def test_a_draw_equals_the_metric_on_repeated_rows(scores: np.ndarray) -> None:
    clusters = Clusters.of(ref.GROUPS)
    auroc = auroc_statistic(scores, ref.TRUTH, clusters)
    precision = average_precision_statistic(scores, ref.TRUTH, clusters)
    ranked = Ranking(scores, ref.TRUTH, clusters).auroc
    accuracy = ratio_statistic((scores > 0.5) == ref.TRUTH, np.ones(60), clusters)
    for counts in next(clusters.draws(seed=3, resamples=20)).T:
        rows = np.repeat(np.arange(60), counts[ref.GROUPS].astype(int))
        truth, drawn = ref.TRUTH[rows], scores[rows]
        assert auroc(counts[:, None])[0] == pytest.approx(roc_auc_score(truth, drawn))
        assert ranked(counts[:, None])[0] == pytest.approx(roc_auc_score(truth, drawn))
        expected = average_precision_score(truth, drawn)
        assert precision(counts[:, None])[0] == pytest.approx(expected)
        assert accuracy(counts[:, None])[0] == pytest.approx(np.mean((drawn > 0.5) == truth))


def test_statistics_that_share_work_give_what_they_give_alone() -> None:
    clusters = Clusters.of(ref.GROUPS)
    ranking = Ranking(ref.SCORES_B, ref.TRUTH, clusters)
    cells = decision_cells(ref.SCORES_B > 0.5, ref.TRUTH, clusters)
    together = {
        "auroc": ranking.auroc,
        "precision": ranking.average_precision,
        "mean": mean_statistic([ranking.auroc, ranking.average_precision]),
        "minus": difference_statistic(ranking.auroc, ranking.average_precision),
        "f1": decision_statistic(cells, FUNCTIONS["f1"]),
        "mcc": decision_statistic(cells, FUNCTIONS["mcc"]),
    }
    found = bootstrap(together, clusters, seed=2, resamples=50)
    for name, statistic in together.items():
        alone = bootstrap({name: statistic}, clusters, seed=2, resamples=50)[name]
        assert np.array_equal(found[name].draws, alone.draws, equal_nan=True), name
        assert np.array_equal(found[name].jackknife, alone.jackknife, equal_nan=True), name
    plain = auroc_statistic(ref.SCORES_B, ref.TRUTH, clusters)
    expected = bootstrap({"auroc": plain}, clusters, seed=2, resamples=50)["auroc"]
    assert found["auroc"].draws == pytest.approx(expected.draws, abs=1e-12)


def test_more_blocks_than_one_are_drawn_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed alone decides, not the size of the blocks nor the threads."""
    clusters = Clusters.of(ref.GROUPS)
    statistic = {"auroc": auroc_statistic(ref.SCORES_A, ref.TRUTH, clusters)}
    whole = bootstrap(statistic, clusters, seed=1, resamples=90)["auroc"]
    module = sys.modules["covidx.evaluate.clusters"]
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", 420)  # seven draws a block
    parts = bootstrap(statistic, clusters, seed=1, resamples=90)["auroc"]
    assert np.array_equal(whole.draws, parts.draws)
    assert np.array_equal(whole.jackknife, parts.jackknife)


def test_bca_as_scipy() -> None:
    sample = np.random.default_rng(0).lognormal(size=40)
    result = stats.bootstrap(
        (sample,), np.mean, method="BCa", n_resamples=999, random_state=1, vectorized=True
    )
    left_out = np.array([np.delete(sample, i).mean() for i in range(40)])
    draws = Replicates(sample.mean(), result.bootstrap_distribution, left_out)
    expected = (result.confidence_interval.low, result.confidence_interval.high)
    assert bca_interval(draws) == pytest.approx(expected, rel=1e-6)


def test_same_seed_same_interval() -> None:
    clusters = Clusters.of(ref.GROUPS)
    statistic = {"auroc": auroc_statistic(ref.SCORES_A, ref.TRUTH, clusters)}
    one, two, other = (
        bootstrap(statistic, clusters, seed=seed, resamples=200)["auroc"] for seed in (5, 5, 6)
    )
    assert np.array_equal(one.draws, two.draws)
    assert not np.array_equal(one.draws, other.draws)


def test_no_spread_falls_back_to_wilson() -> None:
    clusters = Clusters.of([0, 0, 1, 1, 2, 2])
    drawn = bootstrap(
        {"x": ratio_statistic(np.ones(6), np.ones(6), clusters)}, clusters, seed=0, resamples=100
    )["x"]
    estimate = bootstrap_estimate(drawn, clusters, 6, bound_n=3, empty="-")
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(3 / (3 + 1.959963984540054**2))
    unbounded = bootstrap_estimate(drawn, clusters, 6, bound_n=0, empty="-")
    assert math.isnan(unbounded.low)
    assert unbounded.reason is not None


def test_mostly_undefined_resamples_give_no_interval() -> None:
    draws = np.where(np.arange(100) < 60, np.nan, 0.5 + np.arange(100) / 1000)
    low, high = bca_interval(Replicates(0.55, draws, np.array([0.5, 0.6])))
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_interval_holds_a_value_below_all_draws() -> None:
    low, high = bca_interval(Replicates(0.1, np.linspace(0.2, 0.4, 500), np.full(9, 0.1)))
    assert low == 0.1
    assert high >= 0.2


def test_coverage_with_correlated_rows() -> None:
    """Nominal 95 % over 120 simulated studies: clusters keep it, rows alone fall far short."""
    rng = np.random.default_rng(7)
    inside = {"clusters": 0, "rows": 0}
    true_auroc = stats.norm.cdf(1.0 / math.sqrt(2))  # d' = 1
    for _ in range(120):
        group = np.repeat(np.arange(50), 6)
        truth = group % 2 == 0
        shared = rng.normal(size=50) * math.sqrt(0.8)
        scores = shared[group] + rng.normal(size=300) * math.sqrt(0.2) + truth
        for name, clusters in (("clusters", Clusters.of(group)), ("rows", Clusters.of(range(300)))):
            statistic = {"auroc": auroc_statistic(scores, truth, clusters)}
            drawn = bootstrap(statistic, clusters, seed=0, resamples=300)["auroc"]
            low, high = bca_interval(drawn)
            inside[name] += low <= true_auroc <= high
    assert inside["clusters"] >= 105  # 0.88; binomial 0.1 % quantile at 0.94 is 0.87
    assert inside["rows"] < 85
