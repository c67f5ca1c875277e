"""COVID-CT: five folds by source_run, three controls on the same folds, and the leak by image.

Published on this set: AUROC 0.94, accuracy 0.86, F1 0.85 by its authors on their split
(arXiv:2003.13865); 0.88, 0.77 and 0.74 when a reader reran their code (issue 23 of
UCSD-AI4H/COVID-CT). Neither is by source_run, nor beside controls.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.controls import ControlScores
from benchmarks.folds import Study, Validated, cross_validate
from benchmarks.results import RESULTS, read_results, record, result_of
from benchmarks.sets import Controlled, prepare_set, run_controls
from covidx.config import load_config
from covidx.evaluate import Estimate, evaluate_folds, paired_difference
from covidx.pipelines.image.config import TRAIN_CT, TrainCT

COMMAND = "python -m benchmarks covid-ct"
SET = "covid-ct"


@cache
def prepared(data: Path, work: Path, leaky: bool = False, changes: tuple[str, ...] = ()) -> Study:
    """COVID-CT with the recipe for slices, `changes` laid over ``train_ct.yaml``."""
    return prepare_set(SET, data, work, load_config(TRAIN_CT, TrainCT, changes), leaky=leaky)


def controls(study: Study, results: Path = RESULTS) -> Controlled:
    """Run the three controls on the folds of `study` and record their AUROCs."""
    return run_controls(study, "covid_ct_{}_auroc", f"{COMMAND}-controls", results)


def by_group(study: Study, work: Path, results: Path = RESULTS) -> Validated:
    """Cross-validate by group; record the metrics and the difference to the best control."""
    controlled = controls(study, results)
    best = controlled.best
    beside = f"best control on the same folds ({best}): {controlled.aurocs[best]}"
    validated = cross_validate(study, work / "benchmarks" / SET)
    test = validated.test
    found = evaluate_folds(test, study.cohort.classes.positive, validated.points)
    share = float((test["label"] == study.cohort.classes.positive).mean())
    against = {
        "auroc": f"mean of folds; {beside}; published 0.94, rerun 0.88, on another split",
        "accuracy": f"mean of folds, Youden on validation; larger class always: "
        f"{max(share, 1 - share):.2f}; published 0.86, rerun 0.77, on another split",
        "f1": f"mean of folds, Youden on validation; COVID-19 always: {2 * share / (1 + share):.2f}"
        "; published 0.85, rerun 0.74, on another split",
        "auroc_pooled": f"mean of folds {found['auroc'].value:.3f}; five models' scores in one row",
    }
    done = {
        f"covid_ct_5fold_{name}": result_of(found[name], text, COMMAND, validated.commit)
        for name, text in against.items()
    }
    difference = _minus(study, validated, controlled.scores[best])
    done["covid_ct_minus_best_control"] = result_of(
        difference, f"0; {beside}; paired", COMMAND, validated.commit
    )
    record(done, results)
    return validated


def by_image(study: Study, work: Path, results: Path = RESULTS) -> Validated:
    """The same with folds cut by image: stamped leaky wherever it is written."""
    validated = cross_validate(study, work / "benchmarks" / SET)
    found = evaluate_folds(validated.test, study.cohort.classes.positive, validated.points)
    honest = read_results(results).get("covid_ct_5fold_auroc")
    beside = "not measured" if honest is None else f"{honest.value:.3f}"
    against = f"LEAKY, folds by image: one source on both sides; by source_run {beside}"
    command = f"{COMMAND}-image"
    one = result_of(found["auroc"], against, command, validated.commit)
    record({"covid_ct_5fold_auroc_image": one}, results)
    return validated


def _minus(study: Study, validated: Validated, control: ControlScores) -> Estimate:
    """AUROC of the network minus that of a control, paired, both as means of folds."""
    positive = study.cohort.classes.positive
    test = validated.test.set_index("unit_id").loc[study.manifest["image_id"]]
    folds = test["fold"].to_numpy(np.int64)
    if not np.array_equal(folds, control.folds):
        raise ValueError("The control was not run on the folds of the network.")
    return paired_difference(
        test[f"prob_{positive}"].to_numpy(np.float64),
        control.scores,
        (test["label"] == positive).to_numpy(),
        study.manifest["group_id"].to_numpy(),
        folds=folds,
    )
