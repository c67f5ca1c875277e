"""P3 on fresh phantom patients, beside P1 and P2; P3 of twelve columns, and of shuffled rows.

The patients are drawn and rendered in memory from a seed that no training uses. It proves that the
plumbing carries both arms' signal, not skill: given the class, the phantom's clinical rows are
independent of its images, which makes fusion look better than it would be.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.phantom import POSITIVE, Fresh, check_bundle, fresh_patients
from benchmarks.results import RESULTS, Result, record, result_of
from covidx.clinical import numbers_for
from covidx.evaluate import (
    Estimate,
    OperatingPoint,
    OperatingRule,
    auroc_estimate,
    paired_difference,
    wilson_estimate,
)
from covidx.files import read_json
from covidx.fusion import CLINICAL_ARM, IMAGE, FusionPredictor, ImageArm, make_arms, read_bag
from covidx.phantom.clinical import MEI_COLUMNS
from covidx.pipelines.fusion.config import TRAIN_FUSION, TrainFusion
from covidx.pipelines.fusion.train import train_fusion
from covidx.pipelines.progress import silent
from covidx.pipelines.source import phantom_source
from covidx.tables import OUT_OF_FOLD, PREDICTIONS, read_table

__all__ = ["PATIENTS", "SEED", "fusion", "results_of", "shuffled", "table_of"]

COMMAND = "python -m benchmarks fusion"
PATIENTS, SEED = 2000, 37
"""Some 90 PCR-positives with a normal CT. Fixed here; another seed than any training's (checked
against train_fusion.yaml)."""
ARMS = ("p1", "p2", "p3")
NORMAL = "normal"
STRICT = OperatingRule(rule="specificity", target=0.90)
"""Set before patients of this seed were scored. Lower, and an arm that knows nothing of normal CTs
finds many of them by its false alarms alone."""
PUBLISHED = OperatingRule(rule="specificity", target=0.828)
"""That of the joint model of Mei et al. (Nat Med 2020;26:1224), who found 17 of 25 PCR-positives
with a normal CT. Youden's index asks for more certainty than a clinical row alone can give."""


TWELVE_RESULTS = (
    "fusion_p2_auroc",
    "fusion_p3_auroc",
    "normal_ct_positives_found_p3",
    "normal_ct_auroc_p3",
)
"""Of P3 with the twelve columns alone, recorded beside those of P3 with all columns."""


def table_of(
    predictor: FusionPredictor, fresh: list[Fresh], shuffle: int | None = None
) -> pd.DataFrame:
    """One row a patient: label, normal_ct, and the score of each arm.

    Parameters
    ----------
    predictor : FusionPredictor
    fresh : list of Fresh
    shuffle : int, optional
        Seed; clinical rows are dealt out anew among the patients.
    """
    names = [one.patient_id for one in fresh]
    place = predictor.image.bundle.classes.index(POSITIVE)
    read = [read_bag(predictor.image.model, one.bag, place) for one in fresh]
    cells = pd.DataFrame([one.clinical for one in fresh], dtype=object)
    values = numbers_for(predictor.rows, cells.astype(str).where(cells.notna()), None)
    if shuffle is not None:
        order = np.random.default_rng(shuffle).permutation(len(values))
        values = values.iloc[order]
    image = ImageArm(
        pd.Series([logits for logits, _ in read], names),
        pd.DataFrame([features for _, features in read], names),
    )
    arms = make_arms(
        pd.DataFrame({"patient_id": names}),
        image.calibrated(predictor.bundle.scale),
        values.set_axis(names),
        predictor.clinical,
    )
    table = pd.DataFrame(
        {
            "label": [one.label for one in fresh],
            "normal_ct": [one.normal_ct for one in fresh],
            "p1": expit(image.logits.to_numpy()),
            "p2": expit(arms.clinical.iloc[:, 0].to_numpy(np.float64)),
            "p3": predictor.score(arms),
        }
    )
    for pattern in (IMAGE, CLINICAL_ARM):
        table[f"p3 of {pattern} alone"] = predictor.score(arms.restricted(pattern))
    return table


def results_of(
    table: pd.DataFrame, predictor: FusionPredictor, training: pd.DataFrame
) -> dict[str, Result]:
    """AUROC of each arm, what P3 adds, and the positives with a normal CT that are found.

    Parameters
    ----------
    table : DataFrame
        As `table_of`.
    predictor : FusionPredictor
    training : DataFrame
        The run's out-of-fold predictions of its training patients, for thresholds by specificity.
    """
    truth = (table["label"] == POSITIVE).to_numpy()
    own = f"fresh phantom patients; P3 is {predictor.bundle.recipe.name}"
    own += f"; bundle {predictor.bundle.sha256[:12]}"
    found = {}
    for arm in ARMS:
        auroc = auroc_estimate(table[arm].to_numpy(), truth)
        found[f"fusion_{arm}_auroc"] = result_of(auroc, own, COMMAND)
    for arm in ("p1", "p2"):
        found[f"fusion_p3_minus_{arm}"] = result_of(
            _difference(table, arm), f"above 0; paired bootstrap; {own}", COMMAND
        )
    for arm in (f"{IMAGE} alone", f"{CLINICAL_ARM} alone"):
        auroc = auroc_estimate(table[f"p3 of {arm}"].to_numpy(), truth)
        against = f"P3 as if the other arm were missing; with both {found['fusion_p3_auroc'].value}"
        found[f"fusion_p3_of_{arm.replace(' ', '_')}_auroc"] = result_of(auroc, against, COMMAND)
    for arm, bundle in (("p1", predictor.image.bundle), ("p3", predictor.bundle)):
        mine = training[training["arm"] == arm]
        points = {
            "": STRICT.choose(mine, POSITIVE),
            "_as_published": PUBLISHED.choose(mine, POSITIVE),
            "_at_youden": bundle.threshold.operating_point,
        }
        for ending, point in points.items():
            against, share = _normal_ct(table, arm, point)
            if not ending:
                against = f"{'at least 0.5' if arm == 'p3' else 'few'}; {against}"
            name = f"normal_ct_positives_found_{arm}{ending}"
            found[name] = result_of(share, f"{against}; {own}", COMMAND)
        alike = table["normal_ct"].to_numpy() & (truth | (table["label"] == NORMAL).to_numpy())
        auroc = auroc_estimate(table[arm].to_numpy()[alike], truth[alike])
        against = f"0.5 is chance; PCR-positives with a normal CT against the class {NORMAL}; {own}"
        found[f"normal_ct_auroc_{arm}"] = result_of(auroc, against, COMMAND)
    return found


def _normal_ct(table: pd.DataFrame, arm: str, point: OperatingPoint) -> tuple[str, Estimate]:
    """Of the positives with a normal CT, the share that is found; and at which price."""
    truth, nobody = (table["label"] == POSITIVE).to_numpy(), "no such patient"
    called = point.decide(table[arm].to_numpy())
    normal = truth & table["normal_ct"].to_numpy()
    share = wilson_estimate(int((called & normal).sum()), int(normal.sum()), nobody)
    alarms = wilson_estimate(int((called & ~truth).sum()), int((~truth).sum()), nobody)
    against = f"PCR-positives with a normal CT; threshold {point.threshold:.2f}, {point.text}; "
    return against + f"false alarms among the rest: {alarms}", share


def _difference(table: pd.DataFrame, arm: str) -> Estimate:
    truth = (table["label"] == POSITIVE).to_numpy()
    return paired_difference(
        table["p3"].to_numpy(), table[arm].to_numpy(), truth, np.arange(len(table)).astype(str)
    )


def fusion(
    run: Path, work: Path, results: Path = RESULTS, *, patients: int = PATIENTS, seed: int = SEED
) -> pd.DataFrame:
    """Score fresh patients with a run's bundle, then with those of two more trainings.

    One has the twelve columns of Mei et al. alone, the other shuffled clinical rows.

    Parameters
    ----------
    run : Path
        A finished run of ``train_fusion`` on the phantom.
    work : Path
        Takes the cohort and the runs of those trainings.
    results : Path
    patients, seed : int
    """
    predictor = FusionPredictor.load(run / "bundle")
    check_bundle(predictor.image, run / "bundle", seed, (TRAIN_FUSION, TrainFusion))
    config = TrainFusion.model_validate(read_json(run / "run.json")["config"])
    fresh = fresh_patients(predictor.image.bundle.recipe.preprocessing, patients, seed)
    table = table_of(predictor, fresh)
    found = results_of(table, predictor, _unseen(run))
    for name, result in found.items():
        print(f"  {name:<34} {result.value} ({result.low} to {result.high})  n = {result.n}")
    record(found, results)
    other = twelve(config, work)
    few = FusionPredictor.load(other / "bundle")
    own = results_of(table_of(few, fresh), few, _unseen(other))
    own = {f"{name}_twelve_columns": own[name] for name in TWELVE_RESULTS}
    for name, result in own.items():
        print(f"  {name:<34} {result.value} ({result.low} to {result.high})  n = {result.n}")
    record(own, results)
    blind = FusionPredictor.load(shuffled(config, work) / "bundle")
    difference = _difference(table_of(blind, fresh, shuffle=seed), "p1")
    against = "not below 0 beyond noise; clinical rows dealt out anew in training and test; "
    against += f"P3 is {blind.bundle.recipe.name}"
    record({"fusion_shuffled_p3_minus_p1": result_of(difference, against, COMMAND)}, results)
    print(f"  shuffled: P3 minus P1 {difference}")
    return table


def _unseen(run: Path) -> pd.DataFrame:
    """The run's out-of-fold predictions of its training patients."""
    predictions = read_table(run / "predictions.parquet", PREDICTIONS)
    return predictions[predictions["role"] == OUT_OF_FOLD]


def twelve(config: TrainFusion, work: Path) -> Path:
    """The run as configured on the twelve clinical columns of Mei et al. alone."""
    p2 = [*config.p2, f"features=[{', '.join(MEI_COLUMNS)}]"]
    alone = config.model_copy(update={"p2": p2})
    return train_fusion(alone, work=work, runs=work / "benchmarks" / "runs").folder


def shuffled(config: TrainFusion, work: Path) -> Path:
    """The run as configured on clinical rows that are dealt out anew among the patients."""
    source = phantom_source(config.image, config.phantom, work, silent)
    assert source.table is not None
    table = pd.read_csv(source.table, dtype=str)
    others = table.columns.drop("patient_id")
    order = np.random.default_rng(config.seed).permutation(len(table))
    table[others] = table[others].to_numpy()[order]
    place = work / "benchmarks" / "shuffled-clinical.csv"
    place.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(place, index=False)
    mixed = replace(source, table=place)
    return train_fusion(config, mixed, work=work, runs=work / "benchmarks" / "runs").folder
