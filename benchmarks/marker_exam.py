"""Does the exam of heatmaps turn down models that read a marker, and let clean ones through?

Five small models learn from CTs of which a positive's have ED burnt into the upper left corner, cut
so wide that the networks see it. Five others learn from clean ones by the default recipe: one of
100 patients and 8 epochs had AUROC 0.70, and its maps failed as they should. Each explains fresh
patients that it calls positive and that are, with lesions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.explain import true_positives
from benchmarks.results import RESULTS, Result, record, result_of
from benchmarks.segmentation import finished_run
from covidx.cards import load_card
from covidx.config import load_config
from covidx.evaluate import wilson_estimate
from covidx.explain import heatmaps
from covidx.inference import ImagePredictor
from covidx.phantom import generate_cohort
from covidx.phantom.tampering import mark_scan
from covidx.pipelines.image.config import TRAIN_CT, TrainCT
from covidx.pipelines.image.train import train_image
from covidx.pipelines.source import Source

COMMAND = "python -m benchmarks marker-exam"
MARKER = {"corner-marker": 1.0}
MODELS, MAPS = 5, 20
SEED, FRESH_SEED = 4040, 9
SMALL, DEFAULT = 100, 240
"""Patients."""
MARKED = (
    "volume.learning.epochs=8",
    "volume.learning.patience=8",
    "volume.preprocessing.margin_mm=250",  # the whole slice, corners and all
)


def marker_exam(work: Path, results: Path = RESULTS) -> dict[str, Result]:
    """Train, explain, count verdicts; models that were trained before are taken up again.

    Parameters
    ----------
    work : Path
        Takes cohorts, stores and runs.
    results : Path
    """
    place = work / "benchmarks" / "marker-exam"
    marked = _verdicts(place / "marked", SMALL, MARKER, MARKED)
    rejects = _result(marked, SMALL, "failed", "at least 0.95 failed")
    made = {"exam_rejects_marker_model": rejects}
    record(made, results)
    clean = _verdicts(place / f"clean-{DEFAULT}", DEFAULT, {}, ())
    made["exam_passes_clean_model"] = _result(clean, DEFAULT, "passed", "at least 0.80 passed")
    record(made, results)
    return made


def _verdicts(
    place: Path, patients: int, flaws: Mapping[str, float], changes: tuple[str, ...]
) -> list[Counter[str]]:
    """Verdicts of the top maps of each model's fresh true positives."""
    cohort = place / "cohort"
    generate_cohort(cohort, patients, SEED, flaws=flaws)
    card = load_card(Path("phantom"))
    source = Source(cohort / "dicom", cohort / "labels.csv", card, masks=cohort / "masks")
    found = []
    for seed in range(MODELS):
        config = load_config(TRAIN_CT, TrainCT, (f"seed={seed}", "images=none", *changes))
        runs = place / f"runs-{seed}"
        run = finished_run(runs, "phantom", config.pipeline)
        if run is None:
            run = train_image(config, source, work=place / "work", runs=runs).folder
        predictor = ImagePredictor.load(run / "bundle")
        fresh = true_positives(predictor, FRESH_SEED, mark_scan if flaws else None)
        maps = [heatmaps(predictor, one.bag, one.scores)[0] for one in islice(fresh, MAPS)]
        found.append(Counter(one.verdict for one in maps))
        shares = [one.exam.hot_in_lungs for one in maps if one.exam.hot_in_lungs is not None]
        middle = f"{np.median(shares):.2f}" if shares else "unknown"
        print(f"{place.name} {seed}: {dict(found[-1])}; hot part in lungs {middle}", flush=True)
    return found


def _result(found: list[Counter[str]], patients: int, verdict: str, wanted: str) -> Result:
    counts = sum(found, Counter[str]())
    each = ", ".join(f"{one[verdict] / one.total():.2f}" for one in found)
    others = ", ".join(f"{name} {n}" for name, n in counts.most_common() if name != verdict)
    estimate = wilson_estimate(counts[verdict], counts.total(), "no maps")
    against = f"{wanted}; top maps of {MAPS} fresh true positives of each of {MODELS} models of "
    against += f"{patients} patients: {each}; others: {others or 'none'}"
    return result_of(estimate, against, COMMAND)
