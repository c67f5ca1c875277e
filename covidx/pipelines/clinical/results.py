"""What the clinical pipeline leaves behind: models side by side, figures, warnings, facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.cards import Column
from covidx.clinical import (
    NO_CONTROL,
    ClinicalBundle,
    ClinicalRows,
    Fitted,
    Week,
    auroc_by_group,
    missingness_warning,
    predictions_of,
    score_by_role,
)
from covidx.clinical.fit import FloatArray
from covidx.errors import ConfigError
from covidx.evaluate import Estimate, Metrics, Rows, paired_difference
from covidx.files import write_json
from covidx.pipelines.handovers import source_warnings
from covidx.pipelines.run import TrainingRun
from covidx.pipelines.source import Source
from covidx.report import confusion_figure, reliability_figure, roc_figure, save_all, score_figure
from covidx.report.clinical import (
    ModelLine,
    dependence_figure,
    drift_figure,
    importance_figure,
)
from covidx.runs import RunRecord, provenance
from covidx.tables import PREDICTIONS, ROLES, write_table
from covidx.wording import counted


def require(rows: ClinicalRows, columns: Sequence[str]) -> ClinicalRows:
    """The `rows` in which all of `columns` are known; their notes count those left out.

    Raises
    ------
    ConfigError
        ``FEATURE_UNKNOWN``.
    """
    strange = [name for name in columns if name not in rows.names]
    if strange:
        raise ConfigError(
            "FEATURE_UNKNOWN",
            "A required column is not among the features.",
            expected=", ".join(rows.names),
            actual=", ".join(strange),
            hint="Add it to features, or remove it from require.",
        )
    known = rows.table[list(columns)].notna().all(axis=1)
    n = int((~known).sum())
    note = f"{counted(n, 'row')} left out: {', '.join(columns)} unknown" if n else None
    return rows.only(known, note)


def compare_models(
    run: TrainingRun,
    scored_best: tuple[Fitted, FloatArray],
    others: Sequence[Fitted],
    rows: ClinicalRows,
    split_sha256: str,
    how: Mapping[str, int],
) -> list[ModelLine]:
    """Every model on the same test rows, P2 first; writes ``models.json`` and ``.parquet``.

    The table has the out-of-fold or validation rows too, so that each arm can be given a threshold
    of its own.

    Parameters
    ----------
    run : TrainingRun
        Whose folder takes both files.
    scored_best : (Fitted, ndarray of shape (rows,))
        P2, and its scores of `rows`.
    others : sequence of Fitted
        The recipes that were not chosen, and the control on the pattern of missing values alone.
    rows : ClinicalRows
        The divided rows, with role.
    split_sha256 : str
        Digest of the split, for the table.
    how : mapping
        Seed and folds of out-of-fold scores.

    Returns
    -------
    list of ModelLine
        Each on the test rows that both it and P2 have a score of.
    """
    best, chosen = scored_best
    test = (rows.table["role"] == "test").to_numpy()
    lines, tables = [], []
    for one in [best, *others]:
        known_rows, scores = (rows, chosen) if one is best else score_by_role(one, rows, **how)
        known = test & ~np.isnan(scores) & ~np.isnan(chosen)
        truth, groups = rows.truth[known], rows.table["group_id"].to_numpy()[known]
        difference = (
            None
            if one is best
            else paired_difference(chosen[known], scores[known], truth, groups, resamples=1000)
        )
        lines.append(
            ModelLine(
                one.recipe.name,
                what_it_is(one),
                one.inner_auroc,
                auroc_by_group(rows.only(known), scores[known]),
                difference,
                int(known.sum()),
            )
        )
        if one is not best:
            scored = predictions_of(
                known_rows,
                scores,
                run_id=run.run_id,
                arm=f"p2-{one.recipe.name}",
                split_sha256=split_sha256,
            )
            tables.append(scored[scored["role"] != "train"])
    if tables:
        joined = pd.concat(tables, ignore_index=True)
        write_table(joined, run.path / "models.parquet", PREDICTIONS)
    write_json(run.path / "models.json", [_plain(line) for line in lines])
    return lines


def what_it_is(one: Fitted) -> str:
    """The model `one` in a few words: its kind, penalty, gaps, calibration and hyper-parameters."""
    recipe = one.recipe
    if recipe.kind == "menni":
        return "fixed formula of Menni et al., where all of its inputs are known"
    parts: list[str] = [recipe.kind]
    parts += [recipe.penalty] if recipe.kind == "logistic" else []
    parts += ["sees missingness alone"] if recipe.missing == "only" else [f"gaps: {recipe.missing}"]
    parts += [f"calibration: {recipe.calibration}"] if recipe.calibration != "none" else []
    parts += [f"{counted(recipe.select, 'column')} selected"] if recipe.select else []
    parts += [f"{name} = {value}" for name, value in one.chosen.items()]
    return ", ".join(parts)


def _plain(line: ModelLine) -> dict[str, Any]:
    inner = None if np.isnan(line.inner_auroc) else round(line.inner_auroc, 4)
    return {
        "name": line.name,
        "what": line.what,
        "inner_auroc": inner,
        "auroc": line.auroc.to_json(),
        "p2_minus_it": line.difference and line.difference.to_json(),
    }


def draw_clinical_figures(
    folder: Path,
    test: pd.DataFrame,
    metrics: Metrics,
    importance: Mapping[str, Estimate],
    curves: Mapping[str, pd.DataFrame],
    weeks: Sequence[Week],
    features: Sequence[Column],
) -> list[tuple[str, str]]:
    """Draw all figures of a run; returns each one's file name and a text for it.

    Parameters
    ----------
    folder : Path
        Takes the PNG files.
    test : DataFrame
        Predictions of the test rows, as `tables.PREDICTIONS`.
    metrics : Metrics
        Of those rows, with the operating point.
    importance, curves, weeks
        As `write_explanations` takes them; without weeks there is no drift figure.
    features : sequence of Column
        Columns of the model, for the units of the axes.
    """
    seen = Rows.of(test, metrics.positive)
    units = {c.name: f" ({c.unit})" for c in features if c.unit}
    drawn = {
        "roc.png": ("ROC curve with the operating point", roc_figure(seen, metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(seen, metrics)),
        "scores.png": ("Scores by true class", score_figure(seen, metrics)),
        "confusion.png": ("Confusion matrices", confusion_figure(metrics)),
        "importance.png": ("Loss of AUROC by shuffled column", importance_figure(importance)),
        "dependence.png": ("Mean score by value", dependence_figure(curves, units)),
    }
    if weeks:
        drawn["drift.png"] = ("AUROC and columns by week", drift_figure(weeks))
    return save_all(drawn, folder)


def warnings_of(
    source: Source,
    rows: ClinicalRows,
    lines: Sequence[ModelLine],
    complete: bool,
    skipped: Sequence[str],
) -> list[str]:
    """What a reader must know before any figure; the control on missing values leads.

    Parameters
    ----------
    source : Source
        What the user named; its card, if any, lists known biases.
    rows : ClinicalRows
        With role.
    lines : sequence of ModelLine
        P2 first.
    complete : bool
        Whether no value is missing, so that there is no control.
    skipped : sequence of str
        Recipes that were left out.
    """
    warnings = []
    for line in lines:
        if line.name.startswith("missingness") and line.difference is not None:
            warning = missingness_warning(lines[0].auroc, line.auroc, line.difference)
            warnings += [warning] if warning else []
    if complete:
        warnings.append(NO_CONTROL)
    tested = int((rows.table["role"] == "test").sum())
    return [*warnings, *source_warnings(source, tested, [*rows.notes, *skipped])]


def facts_of(
    record: RunRecord,
    source: Source,
    rows: ClinicalRows,
    best: Fitted,
    bundle: ClinicalBundle,
) -> list[tuple[str, str]]:
    """The method section of the report.

    Parameters
    ----------
    record : RunRecord
        Of the run, with its configuration.
    source : Source
        Must have a card.
    rows : ClinicalRows
        The divided rows, with role.
    best, bundle : Fitted, ClinicalBundle
        P2 as it was saved and read back.

    Returns
    -------
    list of (str, str)
        Name and text of each fact, in the order of the page.
    """
    roles = rows.table["role"].value_counts()
    counts = ", ".join(f"{roles[role]} {role}" for role in ROLES if role in roles)
    labels = ", ".join(f"{n} {name}" for name, n in rows.table["label"].value_counts().items())
    gaps = rows.table[rows.names].isna().mean()
    assert source.card is not None
    how = record.config["division"]
    windows = f" (train {how['train']}, test {how['test']})" if how["by"] == "date" else ""
    return [
        ("Data set", f"{source.card.identifier} ({source.card.domain})"),
        ("Rows", f"{len(rows.table)}: {labels}"),
        ("Division", f"by {how['by']}{windows}, seed {record.config['seed']}: {counts} rows"),
        ("Features", ", ".join(f"{name} ({gaps[name]:.0%} missing)" for name in rows.names)),
        ("P2", f"{best.recipe.name}: {what_it_is(best)}"),
        (
            "Choice",
            f"of {len(record.config['recipes'])} recipes, by mean AUROC of "
            f"{record.config['inner_folds']} folds of the training rows",
        ),
        ("Threshold", bundle.threshold.provenance),
        *provenance(record, bundle.sha256),
    ]


def describe_column(column: Column) -> str:
    """What a new table must have in a `column`, in words."""
    text = f"`{column.name}`, {column.meaning}"
    if column.codes is not None:
        pairs = column.codes.items()
        text += ": " + ", ".join(f"{k} is {'unknown' if v is None else f'{v:g}'}" for k, v in pairs)
    elif column.values is not None:
        text += f": {', '.join(column.values)}"
    elif column.unit is not None:
        unit = column.source_unit or column.unit
        text += f", in {unit}" + (f", read as {column.unit}" if unit != column.unit else "")
    if column.low is not None and column.high is not None and column.codes is None:
        text += f", from {column.low:g} to {column.high:g}"
    return text
