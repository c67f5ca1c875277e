"""DarkCovidNet's radiographs: five folds by patient, by image to show the leak, and controls.

Published on this set: 98.08 % (COVID-19 against no finding) and 87.02 % (three classes), folds by
image (Ozturk et al., Comput Biol Med 2020;121:103792).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.folds import Study, Validated, cross_validate
from benchmarks.results import RESULTS, read_results, record, result_of
from benchmarks.sets import Controlled, prepare_set, run_controls
from covidx.config import load_config
from covidx.evaluate import Estimate, OperatingPoint, evaluate_folds
from covidx.pipelines.image.config import TRAIN_CXR, TrainCXR
from covidx.tables import PROBABILITY_PREFIX

COMMAND = "python -m benchmarks darkcovidnet"
SET = "darkcovidnet"
THREE, TWO, NIH = "3class_{}_accuracy", "2class_{}_accuracy", "pneumonia_in_nih_{}_auroc"
COVID = "covid_auroc"
OF_TWO = "COVID-19 and no finding, the likelier of the two, from the model of three classes"
SAME = "pneumonia against no finding, one hospital's, so that the source does not tell them apart"
CHANGES = ("radiograph.learning.epochs=12",)
"""The set has nearly twice as many images to train on as the phantom has films."""


@cache
def prepared(data: Path, work: Path, leaky: bool = False) -> Study:
    """The set, prepared as ``train_cxr.yaml`` says, with `CHANGES`."""
    return prepare_set(SET, data, work, load_config(TRAIN_CXR, TrainCXR, CHANGES), leaky=leaky)


def controls(study: Study, results: Path = RESULTS) -> Controlled:
    """Run the three controls on the folds of `study`, COVID-19 against the rest."""
    return run_controls([study], f"{SET}_{{}}_only_auroc", f"{COMMAND}-controls", results)


def by_group(study: Study, work: Path, results: Path = RESULTS) -> Validated:
    """Controls, then folds by patient: accuracies, and COVID-19 against the rest."""
    border = controls(study, results).aurocs["border"]
    validated = cross_validate(study, work / "benchmarks" / SET)
    found = _figures(study, validated)
    larger = study.manifest["label"].value_counts(normalize=True).max()
    beside = {
        THREE: f"larger class always: {larger:.2f}; published 0.870, folds by image",
        TWO: f"{OF_TWO}; published 0.981, folds by image, a model of two classes",
        NIH: f"{SAME}; chance 0.5",
        COVID: f"COVID-19 against the rest; border alone {border}",
    }
    _record(found, "patient", beside, validated.commit, results)
    return validated


def by_image(study: Study, work: Path, results: Path = RESULTS) -> Validated:
    """The same with folds cut by image: stamped leaky wherever it is written."""
    validated = cross_validate(study, work / "benchmarks" / SET)
    honest, beside = read_results(results), {}
    for name, what in {THREE: "published 0.870", TWO: "published 0.981", NIH: SAME}.items():
        other = honest.get(f"{SET}_{name.format('patient')}")
        by_patient = "not measured" if other is None else f"{other.value:.3f}"
        beside[name] = (
            f"LEAKY, folds by image: one patient on both sides; by patient {by_patient}; {what}"
        )
    _record(_figures(study, validated), "image", beside, validated.commit, results)
    return validated


def _record(
    found: dict[str, Estimate], by: str, beside: dict[str, str], commit: str | None, results: Path
) -> None:
    command = COMMAND if by == "patient" else f"{COMMAND}-{by}"
    record(
        {
            f"{SET}_{name.format(by)}": result_of(
                found[name], f"{against}; mean of folds", command, commit
            )
            for name, against in beside.items()
        },
        results,
    )


def _figures(study: Study, validated: Validated) -> dict[str, Estimate]:
    """Of all classes; of COVID-19 and no finding alone; of the two classes of one hospital."""
    classes = study.cohort.classes
    covid, normal = classes.positive, classes.names[0]
    (pneumonia,) = set(classes.names) - {covid, normal}
    likelier = OperatingPoint(0.5, "fixed", "the more probable of two classes")
    halves = dict.fromkeys(validated.points, likelier)
    three = evaluate_folds(validated.test, covid, validated.points)
    two = evaluate_folds(between(validated.test, covid, normal), covid, halves)
    nih = evaluate_folds(between(validated.test, pneumonia, normal), pneumonia, halves)
    return {
        THREE: three["accuracy_argmax"],
        TWO: two["accuracy"],
        NIH: nih["auroc"],
        COVID: three["auroc"],
    }


def between(predictions: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Rows of two classes, with the probabilities that these two share between them."""
    kept = predictions[predictions["label"].isin((one, other))].reset_index(drop=True)
    first, second = (kept[f"{PROBABILITY_PREFIX}{name}"] for name in (one, other))
    share = first / (first + second)
    plain = kept.loc[:, ~kept.columns.str.startswith(PROBABILITY_PREFIX)]
    return plain.assign(
        **{f"{PROBABILITY_PREFIX}{one}": share, f"{PROBABILITY_PREFIX}{other}": 1 - share}
    )
