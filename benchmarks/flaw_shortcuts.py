"""The audit of shortcuts on clean cohorts, and on films with a corner marker.

Nothing is trained here: the newest run on the phantom is asked about fresh patients, each scored
once under every condition. A cohort is `PATIENTS` of these `FRESH` at random, none twice, so that
cohorts share patients, and all share one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.flaw_cohorts import PATIENTS
from benchmarks.results import RESULTS, record, result_of
from benchmarks.segmentation import finished_run
from covidx.audit.shortcuts.maskers import make_masker
from covidx.audit.shortcuts.origin import origin_findings
from covidx.audit.shortcuts.ranking import ranking_findings
from covidx.audit.shortcuts.scoring import Scored, score_all
from covidx.cards import load_card
from covidx.config import load_config
from covidx.evaluate import wilson_estimate
from covidx.inference import ImagePredictor
from covidx.phantom import draw_patient, exams, generate_cohort
from covidx.pipelines.cohort import ingest_source, link_labels
from covidx.pipelines.image.config import TRAIN_CT, TRAIN_CXR, TrainCT, TrainCXR
from covidx.pipelines.progress import silent
from covidx.pipelines.source import Source

COMMAND = "python -m benchmarks flaws"
MARKER = "corner-marker"
FRESH = 300
CT_SEED, FILM_SEED = 91_001, 91_002
CLEAN = 100


@dataclass(frozen=True, eq=False)
class FreshFilms:
    """Patients scored without and with a corner marker, the same rows in both."""

    clean: Scored
    marked: Scored
    masker: bool
    positive: str

    def found(self, cohort: int, strength: float) -> bool:
        """Whether the border's own classifier tells a cohort of which so many are marked."""
        places = _places(cohort)
        names = self.clean.rows["patient_id"].iloc[places]
        struck = [_struck(name, strength) for name in names]
        mixed = _mixed(drawn(self.clean, places), drawn(self.marked, places), np.array(struck))
        return "border_trained" in faults_of(mixed, self.positive, self.masker)


def shortcut_alarms(runs: Path, work: Path, results: Path = RESULTS) -> None:
    """Of clean cohorts, how often does any finding say ``fail``? Skipped where there is no run.

    Parameters
    ----------
    runs : Path
        The newest run of `train_ct` on the phantom is asked.
    work : Path
        Keeps the fresh patients.
    results : Path
    """
    run = finished_run(runs, "phantom", "train_ct")
    if run is None:
        return
    predictor = ImagePredictor.load(run / "bundle")
    scored, masker = _scored(predictor, load_config(TRAIN_CT, TrainCT), work, CT_SEED, {})
    positive = predictor.bundle.positive
    raised = [faults_of(drawn(scored, _places(n)), positive, masker) for n in range(CLEAN)]
    names = pd.Series([name for one in raised for name in sorted(one)], dtype=str).value_counts()
    estimate = wilson_estimate(sum(map(bool, raised)), CLEAN, "no cohorts")
    against = (
        f"at most 0.05; cohorts of {PATIENTS} with any alarm, drawn from {FRESH} fresh patients, "
        f"one model; alarms: {', '.join(f'{name} {n}' for name, n in names.items()) or 'none'}"
    )
    record({"shortcut_clean_alarm_rate": result_of(estimate, against, COMMAND)}, results)


def fresh_films(runs: Path, work: Path) -> FreshFilms | None:
    """Fresh films scored for `FreshFilms.found`; None where no run on the phantom's films is."""
    run = finished_run(runs, "phantom", "train_cxr")
    if run is None:
        return None
    predictor, config = ImagePredictor.load(run / "bundle"), load_config(TRAIN_CXR, TrainCXR)
    clean, masker = _scored(predictor, config, work, FILM_SEED, {})
    marked, _ = _scored(predictor, config, work, FILM_SEED, {MARKER: 1.0})
    assert clean.rows["patient_id"].tolist() == marked.rows["patient_id"].tolist()
    return FreshFilms(clean, marked, masker, predictor.bundle.positive)


def _scored(
    predictor: ImagePredictor,
    config: TrainCT | TrainCXR,
    work: Path,
    seed: int,
    flaws: dict[str, float],
) -> tuple[Scored, bool]:
    """Fresh patients under every condition, and whether their lungs were looked for."""
    name = "-".join([config.phantom_cohort, str(FRESH), f"seed{seed}", *flaws])
    folder = work / "benchmarks" / "flaws" / name
    generate_cohort(folder, FRESH, seed, flaws=flaws, modality=config.phantom_cohort)
    card = load_card(Path("phantom"))
    source = Source(folder / "dicom", folder / "labels.csv", card, masks=folder / "masks")
    store, ingested = ingest_source(source, work, silent)
    rows = config.select(link_labels(source, store, ingested, "refuse").manifest)[0]
    rows = rows.sort_values("patient_id", ignore_index=True)
    truth = rows["label"] == predictor.bundle.positive
    rows = rows.assign(truth=truth, group_id=rows["patient_id"])
    masker, _ = make_masker(predictor.bundle.recipe.preprocessing.input, None, None)
    return score_all(predictor, rows, store, masker, _told), masker is not None


def _told(done: int, total: int) -> None:
    if done % 50 == 0:
        print(f"{done} of {total} fresh patients scored", flush=True)


def _places(cohort: int) -> NDArray[np.int64]:
    return np.random.default_rng([cohort, CT_SEED]).permutation(FRESH)[:PATIENTS]


def _struck(patient_id: str, strength: float) -> bool:
    """By the phantom's own draw: whom a strength strikes, a greater one strikes as well."""
    patient = draw_patient(FILM_SEED, int(patient_id.rpartition("-")[2]))
    return MARKER in exams(patient, {MARKER: strength})[0].flaws


def drawn(scored: Scored, places: NDArray[np.int64]) -> Scored:
    """Some of the rows."""
    rows = scored.rows.iloc[places].reset_index(drop=True)
    return Scored(rows, scored.features[places], scored.border[places], {})


def _mixed(clean: Scored, marked: Scored, struck: NDArray[np.bool_]) -> Scored:
    """The marked rows of those who are struck, the clean ones of the others."""
    return Scored(
        clean.rows.where(~pd.Series(struck), marked.rows),
        np.where(struck[:, None], marked.features, clean.features),
        np.where(struck[:, None], marked.border, clean.border),
        {},
    )


def faults_of(scored: Scored, positive: str, masker: bool) -> set[str]:
    """Names of the findings that say ``fail`` of one cohort."""
    findings = [*ranking_findings(scored, positive, masker), *origin_findings(scored)]
    return {one.name for one in findings if one.verdict == "fail"}
