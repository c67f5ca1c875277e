"""DarkCovidNet's radiographs: five folds by patient, by image to show the leak, and controls.

Published on this set: 98.08 % (COVID-19 against no finding) and 87.02 % (three classes), folds by
image (Ozturk et al., Comput Biol Med 2020;121:103792).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from benchmarks.folds import Study, Validated, cross_validate
from benchmarks.results import RESULTS, read_results, record, result_of
from benchmarks.sets import Controlled, prepare_set, run_controls
from covidx.config import load_config
from covidx.evaluate import Estimate, evaluate_folds
from covidx.pipelines.config import TRAIN_CXR, TrainCXR

__all__ = ["by_group", "by_image", "controls", "prepared"]

COMMAND = "python -m benchmarks darkcovidnet"
SET = "darkcovidnet"
PUBLISHED = "published 0.870, folds by image"
CHANGES = ("radiograph.learning.epochs=12",)
"""As many steps as the phantom's fewer films take: 12 epochs of 674 images, 28 of 360."""


@cache
def prepared(data: Path, work: Path, leaky: bool = False) -> Study:
    """The set, prepared as ``train_cxr.yaml`` says, with `CHANGES`."""
    return prepare_set(SET, data, work, load_config(TRAIN_CXR, TrainCXR, CHANGES), leaky=leaky)


def controls(study: Study, results: Path = RESULTS) -> Controlled:
    """Run the three controls on the folds of `study`, COVID-19 against the rest."""
    return run_controls(study, f"{SET}_{{}}_only_auroc", f"{COMMAND}-controls", results)


def by_group(study: Study, work: Path, results: Path = RESULTS) -> Validated:
    """Controls, then folds by patient: accuracy of three classes, and COVID-19 against the rest."""
    border = controls(study, results).aurocs["border"]
    validated, found = _folds(study, work)
    commit = validated.commit
    larger = study.manifest["label"].value_counts(normalize=True).max()
    accuracy = f"larger class always: {larger:.2f}; {PUBLISHED}; mean of folds"
    area = f"COVID-19 against the rest; border alone {border}; mean of folds"
    record(
        {
            f"{SET}_3class_patient_accuracy": result_of(
                found["accuracy_argmax"], accuracy, COMMAND, commit
            ),
            f"{SET}_covid_auroc": result_of(found["auroc"], area, COMMAND, commit),
        },
        results,
    )
    return validated


def by_image(study: Study, work: Path, results: Path = RESULTS) -> Validated:
    """The same with folds cut by image: stamped leaky wherever it is written."""
    validated, found = _folds(study, work)
    honest = read_results(results).get(f"{SET}_3class_patient_accuracy")
    beside = "not measured" if honest is None else f"{honest.value:.3f}"
    against = f"LEAKY, folds by image: one patient on both sides; by patient {beside}; {PUBLISHED}"
    name = f"{SET}_3class_image_accuracy"
    one = result_of(found["accuracy_argmax"], against, f"{COMMAND}-image", validated.commit)
    record({name: one}, results)
    return validated


def _folds(study: Study, work: Path) -> tuple[Validated, dict[str, Estimate]]:
    validated = cross_validate(study, work / "benchmarks" / SET)
    positive = study.cohort.classes.positive
    return validated, evaluate_folds(validated.test, positive, validated.points)
