"""A page a test patient of a fusion: the image with its heatmap, P1, P2 and P3 side by side."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import replace

import pandas as pd

from covidx.fusion import CLINICAL_ARM, IMAGE, FusionPredictor
from covidx.fusion.arms import FloatArray
from covidx.imaging import BagCache
from covidx.pipelines.case import Known
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.fusion.results import P3
from covidx.pipelines.image.cases import make_cases
from covidx.pipelines.progress import Bar
from covidx.pipelines.run import TrainingRun
from covidx.report import CaseRow
from covidx.report.fusion import FusionResults
from covidx.report.viewer import Images, Result, Section

ARMS = {IMAGE: "P1, the image", CLINICAL_ARM: "P2, the clinical row", P3: "P3, both"}
TERMS = {"base": "base", "image": "image", "clinical": "clinical row"}


def fusion_cases(
    run: TrainingRun,
    predictor: FusionPredictor,
    cohort: Cohort,
    cache: BagCache,
    rows: pd.DataFrame,
    scores: Mapping[str, Mapping[str, float]],
    results: FusionResults,
    method: str,
    images: Images,
    bar: Bar,
) -> list[CaseRow]:
    """Write the pages of the test patients with images; P1's heatmaps, P3's decision.

    Parameters
    ----------
    run : TrainingRun
        Whose folder takes ``cases/``.
    predictor : FusionPredictor
        P3 as it was saved.
    cohort, cache : Cohort, BagCache
        Of the images.
    rows : DataFrame
        Manifest rows of the test images.
    scores : mapping
        As `scores_of_patients`.
    results : FusionResults
        With the contributions to each patient's score.
    method : str
        How they are computed, in a sentence.
    images : {"all", "thumbnails", "none"}
        What the pages show of the images.
    bar : callable
        Progress.
    """
    positive, point = predictor.bundle.positive, predictor.bundle.threshold.value
    moved = results.contributions.set_index("patient_id")[list(TERMS)].to_dict("index")

    def with_fusion(known: Known) -> Known:
        patient = str(known.row["patient_id"])
        result = Result(positive, scores[patient][P3], point, known.label)
        sections = _sections(scores[patient], moved[patient], method)
        return replace(known, result=result, sections=sections)

    return make_cases(
        predictor.image, cohort, cache, rows, results.metrics, run.path / "cases", bar,
        run=run.run_id, images=images, completed=with_fusion,
    )  # fmt: skip


def scores_of_patients(
    patients: pd.DataFrame, scored: Mapping[str, tuple[str, FloatArray]]
) -> dict[str, dict[str, float]]:
    """Patient -> P1's, P2's and P3's score; NaN without that arm.

    Parameters
    ----------
    patients : DataFrame
        patient_id, in the order of the scores.
    scored : mapping
        As `scores_by_arm`.
    """
    columns = [scored[name][1].tolist() for name in ARMS]
    return {
        str(patient): dict(zip(ARMS, row, strict=True))
        for patient, *row in zip(patients["patient_id"], *columns, strict=True)
    }


def _sections(
    scores: Mapping[str, float], moved: Mapping[Hashable, float], method: str
) -> list[Section]:
    arms = [
        (words, "not available" if math.isnan(scores[name]) else f"{scores[name]:.3f}")
        for name, words in ARMS.items()
    ]
    parts = [(words, f"{moved[name]:+.2f}") for name, words in TERMS.items()]
    return [Section("P1, P2 and P3", arms), Section("Log-odds of P3, by part", parts, [method])]
