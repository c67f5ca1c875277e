"""A radiograph bundle on fresh phantom patients, beside what their grey histogram tells.

As for the CT: rendered in memory from a seed that no training uses, and PCR-positive patients whose
image is normal count as positive.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.controls import histogram_features
from benchmarks.phantom import PATIENTS, SEED, check_bundle, in_processes, plain
from benchmarks.phantom_controls import Controls, histogram_auroc
from benchmarks.results import RESULTS, record, result_of
from covidx.evaluate import Metrics, evaluate
from covidx.imaging import Bag, Preprocessing, prepare
from covidx.inference import ImagePredictor
from covidx.phantom import draw_patient, render_radiograph
from covidx.pipelines.image.config import TRAIN_CXR, TrainCXR
from covidx.tables import PROBABILITY_PREFIX
from covidx.volume import Volume

COMMAND = "python -m benchmarks phantom-cxr"


def phantom_cxr(
    bundle: Path, results: Path = RESULTS, *, patients: int = PATIENTS, seed: int = SEED
) -> Metrics:
    """Score fresh patients; record the macro AUROC, COVID-19 against the rest, and the control's.

    Parameters
    ----------
    bundle : Path
        Trained on phantom radiographs of another seed.
    results : Path
    patients, seed : int
    """
    predictor = ImagePredictor.load(bundle)
    check_bundle(predictor, bundle, seed, (TRAIN_CXR, TrainCXR))
    table, histograms = score_fresh(predictor, patients, seed)
    positive = predictor.bundle.positive
    metrics = evaluate(table, positive, predictor.bundle.threshold.operating_point)
    for name, estimate in metrics.estimates.items():
        if name.startswith("auroc"):
            print(f"  {name:<24} {estimate}  n = {estimate.n}")
    truth = (table["label"] == positive).to_numpy().astype(int)
    control = plain(histogram_auroc(Controls(histograms, truth, seed)), "at most 0.80", COMMAND)
    beside = f"grey histogram, COVID-19 against the rest: {control.value:.3f}"
    own = f"; bundle {predictor.bundle.sha256[:12]}"
    record(
        {
            "phantom_cxr_histogram_auroc": control,
            "phantom_cxr_auroc": result_of(metrics["auroc"], beside + own, COMMAND),
            "phantom_cxr_macro_auroc": result_of(
                metrics["auroc_macro"], f"at least 0.85{own}", COMMAND
            ),
        },
        results,
    )
    return metrics


def score_fresh(
    predictor: ImagePredictor, patients: int, seed: int
) -> tuple[pd.DataFrame, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """A predictions table of fresh patients, and the grey histogram of each."""
    found = in_processes(partial(_one, predictor.bundle.recipe.preprocessing, seed), patients)
    names = predictor.bundle.classes
    rows = []
    for number, (label, bag) in enumerate(found):
        shares = predictor.score(bag).probabilities
        said = {f"{PROBABILITY_PREFIX}{n}": float(v) for n, v in zip(names, shares, strict=True)}
        rows.append({"unit_id": f"fresh-{number}", "label": label, **said})
    same = {"run_id": "fresh", "arm": "p1", "level": "patient", "fold": 0, "role": "test"}
    table = pd.DataFrame(rows).assign(**same, split_sha256=None, bundle_sha256=None, arms_used="p1")
    table["patient_id"] = table["group_id"] = table["unit_id"]
    return table, np.stack([histogram_features(bag.pixels[0]) for _, bag in found])


def _one(how: Preprocessing, seed: int, index: int) -> tuple[str, Bag]:
    patient = draw_patient(seed, index)
    image = render_radiograph(patient)
    volume = Volume(image.greys[None], image.detector.modality, "display", "none")
    return patient.label, prepare(volume, how)
