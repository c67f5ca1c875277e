"""Where heatmaps point: fresh true positives of the phantom, whose lesions are known.

The patients are rendered in memory from a seed that no training uses. A map that does not pass its
exam is withheld, and counts as a miss.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.phantom import POSITIVE, check_bundle
from benchmarks.results import RESULTS, Result, record, result_of, result_of_runs
from covidx.explain import TopMap, heatmaps, run_figures
from covidx.explain.pointing import MARGIN_MM, pointing
from covidx.imaging import Bag
from covidx.inference import ImagePredictor, Scores
from covidx.phantom import draw_patient, render
from covidx.phantom.patient import PhantomScan
from covidx.pipelines.image.config import TRAIN_CT, TrainCT
from covidx.volume import Volume

COMMAND = "python -m benchmarks explain"
PATIENTS = 100
"""True positives with a lesion."""
SEED = 8
"""Of patients that nobody looked at before: those of 7 were seen while the exam was being made."""


@dataclass(frozen=True, eq=False)
class Found:
    """A true positive: its image, its bag and scores, and the truth on its canonical grid."""

    volume: Volume
    bag: Bag
    scores: Scores
    lesions: NDArray[np.bool_]
    lungs: NDArray[np.bool_]


def true_positives(
    predictor: ImagePredictor,
    seed: int,
    tamper: Callable[[PhantomScan], PhantomScan] | None = None,
) -> Iterator[Found]:
    """Render positives of a cohort one by one, and give those that the bundle finds, for ever.

    Parameters
    ----------
    predictor : ImagePredictor
    seed : int
        Of the cohort.
    tamper : callable, optional
        What is done to each scan.
    """
    threshold, index = predictor.bundle.threshold.value, -1
    while True:
        index += 1
        patient = draw_patient(seed, index)
        if patient.label != POSITIVE:
            continue
        scan = render(patient) if tamper is None else tamper(render(patient))
        volume = Volume(scan.hu, "CT", "hu", "proven", scan.affine)
        lesions, lungs = (
            replace(volume, array=mask.astype(np.uint8)).canonical().array > 0
            for mask in (scan.lesion, scan.lung)
        )
        bag, scores = predictor.score_volume(volume)
        if lesions.any() and predictor.positive_score(scores) >= threshold:
            yield Found(volume, bag, scores, lesions, lungs)


def explain(
    bundle: Path, results: Path = RESULTS, *, patients: int = PATIENTS, seed: int = SEED
) -> dict[str, Result]:
    """Map fresh true positives; record how the maps point, their cells, and the time they take.

    Parameters
    ----------
    bundle : Path
        Trained on phantom patients of another seed.
    results : Path
    patients, seed : int
    """
    predictor = ImagePredictor.load(bundle)
    check_bundle(predictor, bundle, seed, (TRAIN_CT, TrainCT))
    tops: list[TopMap] = []
    seconds, cells = [], []
    for found in true_positives(predictor, seed):
        start = time.perf_counter()
        (top, *_) = heatmaps(predictor, found.bag, found.scores)
        seconds.append(time.perf_counter() - start)
        cells.append(max(top.cell_mm or (0.0, 0.0)))
        evident = top.heat.max() > 0
        pointed = pointing(top, found.bag, found.lesions, found.lungs) if evident else None
        tops.append(TopMap(top, pointed, may_point=True))
        if len(tops) % 10 == 0:
            print(f"{len(tops)} of {patients} true positives", flush=True)
        if len(tops) == patients:
            break
    figures = run_figures(tops)
    for name, estimate in figures.items():
        print(f"  {name:<26} {estimate}  n = {estimate.n}")
    made_by = f"{tops[0].heatmap.method}; bundle {predictor.bundle.sha256[:12]}"
    chance, margin = figures["pointing_by_chance"], figures["pointing_within_15_mm"]
    area, segmented = figures["area_of_lungs"], figures["attention_in_lungs"]
    against = {
        "pointing_game": (
            "pointing_game",
            f"at least 0.85; a random point of the lungs {chance}; within {MARGIN_MM:g} mm "
            f"{margin}",
        ),
        "pointing_distance_mm": ("pointing_distance_mm", "median of maps that passed, 0 inside"),
        "attention_in_lung": (
            "attention_in_true_lungs",
            f"at least 0.8, of maps that are not cut to the lungs; in the lungs as segmented "
            f"{segmented}, which are {area} of the area",
        ),
    }
    made = {
        name: result_of(figures[figure], f"{text}; {made_by}", COMMAND)
        for name, (figure, text) in against.items()
        if figures[figure].reason is None  # a median of few maps has no interval
    }
    made["map_cell_mm"] = result_of_runs(cells, f"at most 12; {made_by}", COMMAND, digits=1)
    made["explain_seconds_a_patient"] = result_of_runs(
        seconds, f"at most 3 on 2 cores; lungs, maps and exam; {made_by}", COMMAND, digits=2
    )
    record(made, results)
    return made
