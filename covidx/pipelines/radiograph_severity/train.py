"""Learn the scores that readers gave radiographs (extent, opacity), from films to a report.

The method, in the order of a paper: cohort, scores, groups, the lungs' box, features, each patient
left out in turn, the model of all patients with its intervals.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from covidx.cards import card_digest
from covidx.evaluate import Estimate
from covidx.evaluate.scores import (
    conformal_half_width,
    coverage_without,
    mean_error,
    score_estimates,
)
from covidx.files import sha256_file, write_json
from covidx.ingest import Identities
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.radiograph_severity.look import Seen, look
from covidx.pipelines.radiograph_severity.source import (
    ScoredSource,
    TrainSeverity,
    drawn_boxes,
    frontal_films,
    source_digests,
    source_of_phantom,
)
from covidx.pipelines.remembered import remember
from covidx.pipelines.sources import read_source
from covidx.radiograph_severity import (
    Choice,
    FilmScore,
    Grader,
    LungFinder,
    OutOfFold,
    RadiographNetwork,
    SeverityBundle,
    choose,
    join_scores,
    leave_one_out,
    read_scores,
    save_bundle,
)
from covidx.radiograph_severity.bundle import Models
from covidx.radiograph_severity.linear import Linear
from covidx.report.severity import SeverityPage, write_severity_report
from covidx.runs import RunFolder, provenance
from covidx.tables import MANIFEST, write_table
from covidx.tracking import tracked

__all__ = ["TrainedSeverity", "train_severity"]

PARITY_CASES = 2


@dataclass(frozen=True, eq=False)
class TrainedSeverity:
    """Where the run lies, and what it found of each score on patients left out."""

    folder: Path
    metrics: dict[str, dict[str, Estimate]]
    patients: int
    warnings: list[str]


def train_severity(
    config: TrainSeverity,
    source: ScoredSource | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedSeverity:
    """Run the whole pipeline.

    Parameters
    ----------
    config : TrainSeverity
    source : ScoredSource, optional
        Films, scores and drawn lungs; the phantom's if not given.
    work, runs : Path
        Take the store; the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    run = RunFolder("train_severity", runs)
    with run.closing(), tracked("train_severity", run.run_id, runs) as tracker:
        said = config.model_dump(mode="json")
        run.record |= {"config": said, "mlflow_run_id": tracker.run_id}
        run.record["machine"]["threads"] = torch.get_num_threads()
        tracker.config(said)
        with run.step("cohort"):
            given = source or source_of_phantom(work, config.phantom, bars)
            table = read_scores(given.table, given.how)
        with run.step("ingest"):
            store, ingested = read_source(given.source, work, bars)
            remember(run, work, source)
            films, notes = frontal_films(ingested.manifest)
            write_table(films, run.path / "manifest.parquet", MANIFEST)
            identities = Identities.for_card(given.source.card)
            films, more = join_scores(films, ingested.sources, table, given.how, identities)
            boxes = {}
            if given.masks is not None:
                boxes = drawn_boxes(films, dict(ingested.sources), given.masks)
            run.record["data"] = source_digests(given, films, boxes)
        with run.step("look"), bars("look") as bar:
            seen = look(films, boxes, store, list(given.how.scores), bar)
        limits = np.array([one.high for one in given.how.scores.values()])
        names, rows = list(given.how.scores), seen.rows
        scores, groups = rows[names].to_numpy(float), rows["group_id"].to_numpy(str)
        with run.step("leave one out"), bars("leave one out") as bar:
            found = leave_one_out(seen.views, scores, groups, limits, bar)
        with run.step("evaluate"):
            metrics = {
                name: _metrics(config, scores[:, place], place, found, groups)
                for place, name in enumerate(names)
            }
            _out_of_fold(rows, names, found).to_csv(run.path / "predictions.csv", index=False)
            said_json = {n: {k: e.to_json() for k, e in m.items()} for n, m in metrics.items()}
            write_json(run.path / "metrics.json", said_json)
        with run.step("fit"):
            fitted = choose(seen.views, scores, groups, limits)
            facts = _facts(given, rows, seen, run.run_id, config)
            scored = [
                FilmScore(
                    name=name,
                    high=float(limits[place]),
                    view=fitted[place][0].view,
                    model=fitted[place][0].model,
                    half_width=conformal_half_width(
                        found.found[:, place] - scores[:, place], config.coverage
                    ),
                    mae=metrics[name]["mae"].value,
                )
                for place, name in enumerate(names)
            ]
            bundle = _save(run.path / "bundle", scored, fitted, seen.finder, facts)
            run.record["bundle_sha256"] = bundle.sha256
        warnings = [*notes, *more, *seen.notes, *_biases(given)]
        with run.step("report"):
            page = SeverityPage(
                title="train_severity: scores of radiographs",
                warnings=warnings,
                metrics=metrics,
                choices=_choices(found, names),
                facts=_told(bundle, provenance(run.record, bundle.sha256)),
                coverage=config.coverage,
            )
            write_severity_report(run.path, page, scores, found.found, limits)
        tracker.tags({"bundle_sha256": bundle.sha256, "run_folder": run.run_id})
        tracker.estimates({f"{n}_{k}": e for n, m in metrics.items() for k, e in m.items()})
        for name in ("report.html", "metrics.json"):
            tracker.file(run.path / name)
    return TrainedSeverity(run.path, metrics, bundle.patients, warnings)


def _metrics(
    config: TrainSeverity,
    truth: NDArray[np.float64],
    place: int,
    found: OutOfFold,
    groups: NDArray[np.str_],
) -> dict[str, Estimate]:
    """Of one score: the whole procedure, and with each view alone."""
    out, control = found.found[:, place], found.control[:, place]
    metrics = score_estimates(truth, out, control, groups, seed=config.seed)
    metrics["interval_coverage"] = coverage_without(
        out - truth, groups, config.coverage, config.seed
    )
    for view, values in found.by_view.items():
        metrics[f"mae_{view}_alone"] = mean_error(values[:, place] - truth, groups, config.seed)
    return metrics


def _out_of_fold(rows: pd.DataFrame, names: list[str], found: OutOfFold) -> pd.DataFrame:
    table = rows[["image_id", "patient_id", "group_id", *names]].copy()
    for place, name in enumerate(names):
        table[f"{name}_found"] = found.found[:, place].round(3)
        table[f"{name}_median"] = found.control[:, place]
    return table


def _facts(
    given: ScoredSource, rows: pd.DataFrame, seen: Seen, run_id: str, config: TrainSeverity
) -> dict[str, Any]:
    card, finder = given.source.card, seen.finder
    return {
        "coverage": config.coverage,
        "lung_sizes": None if finder is None else finder.sizes,
        "lung_films": 0 if finder is None else finder.films,
        "films": len(rows),
        "patients": int(rows["group_id"].nunique()),
        "dataset": given.source.name,
        "domain": "real" if card is None else card.domain,
        "card_sha256": "none" if card is None else card_digest(card),
        "table_sha256": sha256_file(given.table),
        "run_id": run_id,
    }


def _save(
    folder: Path,
    scored: list[FilmScore],
    fitted: list[tuple[Choice, Linear]],
    finder: LungFinder | None,
    facts: dict[str, Any],
) -> SeverityBundle:
    """Save, and read back, so that a bundle that does not give its scores is never left."""
    models = Models([model for _, model in fitted], finder)
    draft = SeverityBundle(scores=scored, parity=[], **facts)
    parity = Grader(draft, models, RadiographNetwork()).parity(PARITY_CASES)
    save_bundle(folder, draft.model_copy(update={"parity": parity}), models)
    return Grader.load(folder).bundle


def _choices(found: OutOfFold, names: list[str]) -> list[tuple[str, str, str, int]]:
    """Score, view, model, and in how many of the rounds inner folds chose them."""
    rounds = Counter((names[p], one.view, one.model) for _, p, one in found.choices)
    return [(score, view, model, n) for (score, view, model), n in rounds.most_common()]


def _biases(given: ScoredSource) -> list[str]:
    card = given.source.card
    simulated = card is not None and card.domain == "simulated"
    return ["simulated films: this proves plumbing, not medicine"] if simulated else []


def _told(bundle: SeverityBundle, facts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    lungs = f"box by a linear model of {bundle.lung_films} films of other patients"
    return [
        ("Data", f"{bundle.dataset}, {bundle.domain}"),
        ("Scored", f"{bundle.films} films of {bundle.patients} patients"),
        ("Lungs", lungs if bundle.lung_films else "not looked for: the whole film"),
        ("Features", f"{bundle.backbone}, ImageNet weights, frozen"),
        *facts,
    ]
