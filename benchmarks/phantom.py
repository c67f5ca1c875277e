"""A bundle on fresh phantom patients, beside what their HU histogram tells.

The patients are rendered in memory from a seed that no training uses. PCR-positive patients with a
normal CT count as positive. It proves that the plumbing carries a signal, not skill.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.phantom_controls import (
    Controls,
    histogram_auroc,
    histogram_features,
    shuffled_auroc,
)
from benchmarks.results import RESULTS, Result, commit_now, record, result_of
from covidx.config import load_config
from covidx.errors import InvalidInputError
from covidx.evaluate import Estimate, auroc_estimate
from covidx.files import read_json
from covidx.imaging import Bag, Preprocessing, prepare
from covidx.inference import ImagePredictor
from covidx.phantom import CLASSES, SCANNERS, draw_patient, render
from covidx.pipelines.fusion.config import TrainFusion
from covidx.pipelines.image.config import TRAIN_CT, TrainCT, TrainImage
from covidx.volume import Volume

COMMAND = "python -m benchmarks phantom"
PATIENTS, SEED = 300, 7
"""Fixed here; another seed than any training's (checked against train_ct.yaml)."""
POSITIVE = CLASSES[0]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Fresh:
    """A patient's truth, clinical row, histogram, and bag of slices."""

    patient_id: str
    label: str
    scanner: str
    normal_ct: bool
    clinical: dict[str, str | float | int | None]
    histogram: NDArray[np.float64]
    bag: Bag


def _one(how: Preprocessing, seed: int, index: int) -> Fresh:
    patient = draw_patient(seed, index)
    scan = render(patient)
    histogram = histogram_features(scan.hu, scan.lung)
    volume = Volume(scan.hu, "CT", "hu", "proven", scan.affine)
    return Fresh(
        patient.patient_id,
        patient.label,
        patient.scanner,
        patient.normal_ct,
        patient.clinical,
        histogram,
        prepare(volume, how),
    )


def _one_thread() -> None:
    torch.set_num_threads(1)


def fresh_patients(how: Preprocessing, patients: int, seed: int) -> list[Fresh]:
    """Render and prepare patients in memory, as a bundle's preprocessing says.

    Parameters
    ----------
    how : Preprocessing
    patients, seed : int
    """
    return in_processes(partial(_one, how, seed), patients)


def in_processes(one: Callable[[int], T], patients: int) -> list[T]:
    """What `one` gives for the patients 0, 1, ..., worked out on all cores."""
    found = []
    context = multiprocessing.get_context("spawn")
    workers = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        for result in pool.map(one, range(patients), chunksize=4):
            found.append(result)
            if len(found) % 50 == 0:
                print(f"{len(found)} of {patients} phantom patients", flush=True)
    return found


def phantom(
    bundle: Path, results: Path = RESULTS, *, patients: int = PATIENTS, seed: int = SEED
) -> pd.DataFrame:
    """Score fresh patients; record AUROC, the histogram's, and that on shuffled labels.

    Parameters
    ----------
    bundle : Path
        Trained on phantom patients of another seed.
    results : Path
    patients, seed : int

    Returns
    -------
    DataFrame
        One row a patient: label, scanner, normal_ct, score.
    """
    predictor = ImagePredictor.load(bundle)
    check_bundle(predictor, bundle, seed, (TRAIN_CT, TrainCT))
    fresh = fresh_patients(predictor.bundle.recipe.preprocessing, patients, seed)
    table = pd.DataFrame(
        {
            "label": [one.label for one in fresh],
            "scanner": [one.scanner for one in fresh],
            "normal_ct": [one.normal_ct for one in fresh],
            "score": [predictor.positive_score(predictor.score(one.bag)) for one in fresh],
        }
    )
    found = aurocs(table)
    for name, estimate in found.items():
        print(f"  {name:<32} {estimate}  n = {estimate.n}")
    labels = (table["label"] == POSITIVE).to_numpy()
    seen = Controls(np.stack([one.histogram for one in fresh]), labels.astype(int), seed)
    histogram = record_controls(seen, results)["phantom_histogram_auroc"].value
    against = f"at least 0.88; HU histogram on the same patients: {histogram:.3f}"
    own = f"; bundle {predictor.bundle.sha256[:12]}"
    record({"phantom_p1_auroc": result_of(found["all"], against + own, COMMAND)}, results)
    return table


def record_controls(seen: Controls, results: Path = RESULTS) -> dict[str, Result]:
    """Record what the HU histogram tells, of the true labels and of shuffled ones.

    Parameters
    ----------
    seen : Controls
        Histograms and labels of the patients.
    results : Path
    """
    found = {
        "phantom_histogram_auroc": plain(histogram_auroc(seen), "at most 0.80"),
        "phantom_shuffled_auroc": plain(shuffled_auroc(seen), "0.5, chance"),
    }
    record(found, results)
    return found


def aurocs(table: pd.DataFrame) -> dict[str, Estimate]:
    """AUROC with DeLong's interval: of all, and of the parts that explain it.

    Parameters
    ----------
    table : DataFrame
        label, scanner, normal_ct, score.
    """
    ill = table["label"] == POSITIVE
    others = [name for name in CLASSES if name != POSITIVE]
    parts = {"all": pd.Series(True, index=table.index)}
    parts["without positives of normal CT"] = ~(ill & table["normal_ct"])
    parts |= {f"against {name}": ill | (table["label"] == name) for name in others}
    parts |= {f"scanner {name}": table["scanner"] == name for name in sorted(SCANNERS)}
    return {
        name: auroc_estimate(
            table.loc[part, "score"].to_numpy(np.float64), ill[part].to_numpy(np.bool_)
        )
        for name, part in parts.items()
    }


def check_bundle(
    predictor: ImagePredictor,
    bundle: Path,
    seed: int,
    own: tuple[Path, type[TrainImage] | type[TrainFusion]],
) -> None:
    """Refuse a bundle that is not of the phantom, and the seed that it was trained on.

    Parameters
    ----------
    predictor : ImagePredictor
    bundle : Path
        Where it lies; a run's record beside it names the seed.
    seed : int
        Of the fresh patients.
    own : (Path, type)
        The pipeline's YAML and its model.
    """
    domain = predictor.bundle.trained_on.domain
    if domain != "simulated":
        raise InvalidInputError(
            "NOT_A_PHANTOM_BUNDLE",
            "This bundle was not trained on the phantom.",
            path=bundle,
            expected="simulated",
            actual=domain,
        )
    trained = {load_config(*own).phantom.seed}
    beside = bundle.parent / "run.json"
    if beside.is_file():
        trained.add(int(read_json(beside)["config"]["phantom"]["seed"]))
    if seed in trained:
        raise InvalidInputError(
            "SEED_OF_TRAINING", "Fresh patients need another seed than training's.", actual=seed
        )


def plain(found: dict[str, Any], against: str, command: str = COMMAND) -> Result:
    """A control's figure as a result."""
    return Result(
        **{name: round(float(found[name]), 4) for name in ("value", "low", "high")},
        n=int(found["n"]),
        against=f"{against}; {found['method']}",
        command=command,
        commit=commit_now(),
    )
