"""How much of the phantom a model without any sense of place can tell.

A logistic regression on the HU histogram of the whole lungs, COVID-19 against the rest, must stay
at or below an AUROC of 0.80; on shuffled labels it must average 0.5. Run it as a script:

    python benchmarks/phantom_controls.py --patients 300 --seed 7
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from covidx.phantom import draw_patient, render

Array = npt.NDArray[Any]

BINS = np.linspace(-1050.0, 150.0, 41)
"""HU, 40 bins of 30 HU."""


@dataclass(frozen=True)
class Controls:
    """Histogram features and labels of a phantom cohort."""

    features: Array  # (patients, 40)
    labels: Array  # (patients,), 1 COVID-19
    seed: int


def histogram_features(hu: Array, lung_mask: Array) -> Array:
    """(40,): share of lung voxels in each HU bin; values outside count in the end bins."""
    values = np.clip(hu[lung_mask > 0], BINS[0], BINS[-1])
    counts = np.histogram(values, BINS)[0]
    shares: Array = counts / max(int(counts.sum()), 1)
    return shares


def _one(seed: int, index: int) -> tuple[Array, int]:
    patient = draw_patient(seed, index)
    scan = render(patient)
    return histogram_features(scan.hu, scan.lung), int(patient.label == "covid-19")


def render_controls(patients: int, seed: int) -> Controls:
    """Render a cohort in memory and keep its histograms."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        found = list(pool.map(partial(_one, seed), range(patients), chunksize=4))
    features, labels = zip(*found, strict=True)
    return Controls(np.stack(features), np.array(labels), seed)


def _out_of_fold(features: Array, labels: Array, seed: int) -> Array:
    """Out-of-fold scores of five folds."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    scores: Array = cross_val_predict(model, features, labels, cv=folds, method="decision_function")
    return scores


def histogram_auroc(controls: Controls, draws: int = 1000) -> dict[str, float | int | str]:
    """AUROC of the pooled out-of-fold scores with a bootstrap interval over patients."""
    labels = controls.labels
    scores = _out_of_fold(controls.features, labels, controls.seed)
    rng = np.random.default_rng(controls.seed)
    picks = rng.integers(0, len(labels), (draws, len(labels)))
    values = [roc_auc_score(labels[p], scores[p]) for p in picks if 0 < labels[p].sum() < len(p)]
    low, high = np.percentile(values, [2.5, 97.5])
    return {
        "value": float(roc_auc_score(labels, scores)),
        "low": float(low),
        "high": float(high),
        "n": len(labels),
        "method": f"five folds pooled, percentile bootstrap of {draws} over patients",
    }


def shuffled_auroc(controls: Controls, seeds: int = 20) -> dict[str, float | int | str]:
    """Mean AUROC over shuffles of the labels, with the interval of that mean."""
    values = []
    for seed in range(seeds):
        labels = np.random.default_rng(seed).permutation(controls.labels)
        scores = _out_of_fold(controls.features, labels, seed)
        # Folds are averaged: pooling them biases null scores below 0.5, since each fold's
        # intercept leans against the share of positives left in its test part.
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(labels, labels)
        values.append(np.mean([roc_auc_score(labels[t], scores[t]) for _, t in folds]))
    mean = float(np.mean(values))
    margin = float(stats.t.ppf(0.975, seeds - 1) * np.std(values, ddof=1) / np.sqrt(seeds))
    return {
        "value": mean,
        "low": mean - margin,
        "high": mean + margin,
        "n": seeds,
        "method": "mean over label shuffles of the mean over five folds, t interval",
    }


def main() -> None:
    """Print both controls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    controls = render_controls(arguments.patients, arguments.seed)
    for name, result in (
        ("phantom_histogram_auroc", histogram_auroc(controls)),
        ("phantom_shuffled_auroc", shuffled_auroc(controls)),
    ):
        shown = (f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in result.items())
        print(name, *shown)


if __name__ == "__main__":
    main()
