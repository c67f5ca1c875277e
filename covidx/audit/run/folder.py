"""A run's folder, read as it lies there: nothing is believed yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from covidx.bundles import parse_bundle
from covidx.clinical import ClinicalBundle
from covidx.errors import InvalidInputError, StoreError
from covidx.files import read_json
from covidx.fusion import FusionBundle
from covidx.tables import CLINICAL, MANIFEST, PREDICTIONS, SPLITS, read_table
from covidx.training import Bundle

__all__ = ["MAIN_ARM", "RunParts", "need_run", "read_run"]

Kind = Literal["image", "clinical", "fusion"]
KINDS: dict[str, Kind] = {
    "train_ct": "image",
    "train_cxr": "image",
    "train_clinical": "clinical",
    "train_fusion": "fusion",
}
MAIN_ARM = {"image": "p1", "clinical": "p2", "fusion": "p3"}
"""The arm that a run's metrics are of."""
BUNDLES: dict[str, type[Bundle | ClinicalBundle | FusionBundle]] = {
    "image": Bundle,
    "clinical": ClinicalBundle,
    "fusion": FusionBundle,
}
COMMON = (
    "splits.parquet",
    "splits.json",
    "predictions.parquet",
    "metrics.json",
    "confusion.json",
    "report.html",
    "bundle/bundle.json",
)
IMAGES = ("manifest.parquet", "masks.parquet", "quarantine.parquet", "thumbnails.npz")
OWN = {
    "image": (*IMAGES, "bundle/weights.safetensors", "bundle/parity.safetensors"),
    "clinical": ("clinical.parquet", "models.json", "bundle/pipeline.skops"),
    "fusion": (*IMAGES, "clinical.parquet", "arms.json", "bundle/image/bundle.json"),
}


@dataclass(frozen=True, eq=False)
class RunParts:
    """What a run left behind.

    Parameters
    ----------
    folder : Path
    kind : {"image", "clinical", "fusion"}
    record : dict
        ``run.json``.
    predictions, splits : DataFrame
    manifest : DataFrame, optional
        None for a clinical run.
    clinical : DataFrame, optional
        Clinical values by patient; None where the run has none.
    metrics, confusion : dict
    bundle : Bundle, ClinicalBundle or FusionBundle
        ``bundle.json``, checked for form; its hashes are not checked here.
    """

    folder: Path
    kind: Kind
    record: dict[str, Any]
    predictions: pd.DataFrame
    splits: pd.DataFrame
    manifest: pd.DataFrame | None
    clinical: pd.DataFrame | None
    metrics: dict[str, Any]
    confusion: dict[str, Any]
    bundle: Bundle | ClinicalBundle | FusionBundle

    @property
    def arm(self) -> str:
        """The arm that the metrics are of."""
        return MAIN_ARM[self.kind]

    @property
    def main(self) -> pd.DataFrame:
        """Its rows of the predictions table."""
        return self.predictions[self.predictions["arm"] == self.arm]

    @property
    def threshold(self) -> tuple[float, str, str]:
        """Value, rule and origin, by the bundle."""
        if isinstance(self.bundle, ClinicalBundle):
            one = self.bundle
            return one.threshold, one.threshold_rule, one.threshold_origin
        at = self.bundle.threshold
        return at.value, at.rule, at.origin

    @property
    def simulated(self) -> bool:
        """Whether the patients are simulated."""
        seen = self.bundle.trained_on if isinstance(self.bundle, Bundle) else self.bundle
        return seen.domain == "simulated"


def need_run(folder: Path) -> dict[str, Any]:
    """The record of a finished run.

    Raises
    ------
    InvalidInputError
        ``RUN_MISSING``: no run lies there; ``RUN_KIND``: a run of a pipeline that trains nothing;
        ``RUN_UNFINISHED``: it failed, or goes on; ``RUN_INCOMPLETE``, naming every part that is
        not there.
    """
    try:
        record = read_json(folder / "run.json")
    except StoreError as error:
        raise InvalidInputError(
            "RUN_MISSING",
            "There is no run here, or its record cannot be read.",
            path=folder,
            expected="a folder with run.json, such as runs/train_ct/latest",
            actual=error.actual,
        ) from error
    pipeline = record.get("pipeline") if isinstance(record, dict) else None
    if pipeline not in KINDS:
        raise InvalidInputError(
            "RUN_KIND",
            "This is no run of a pipeline that trains.",
            path=folder,
            expected=", ".join(KINDS),
            actual=pipeline,
        )
    if record.get("state") != "finished":
        raise InvalidInputError(
            "RUN_UNFINISHED",
            "The run did not finish.",
            path=folder,
            expected="state finished",
            actual=f"state {record.get('state')}",
            hint="Train it again.",
        )
    missing = [n for n in (*COMMON, *OWN[KINDS[pipeline]]) if not (folder / n).is_file()]
    missing += [f"run.json: {n}" for n in ("config", "data", "run_id") if n not in record]
    if missing:
        raise InvalidInputError(
            "RUN_INCOMPLETE",
            "The run lacks parts.",
            path=folder,
            expected="the folder as the pipeline left it",
            actual=f"missing: {', '.join(missing)}",
            hint="Copy the folder again, whole, or train again.",
        )
    return dict(record)


def read_run(folder: Path) -> RunParts:
    """Read a run's folder.

    Parameters
    ----------
    folder : Path
        ``runs/<pipeline>/<id>`` or ``latest``.

    Raises
    ------
    InvalidInputError
        As `need_run`.
    InvalidTableError
        A table that is not one of covidx's, by file.
    BundleError
        As `parse_bundle`.
    """
    folder = folder.resolve()
    record = need_run(folder)
    kind = KINDS[record["pipeline"]]
    bundle = parse_bundle(folder / "bundle", BUNDLES[kind])
    clinical = folder / "clinical.parquet"
    return RunParts(
        folder,
        kind,
        record,
        read_table(folder / "predictions.parquet", PREDICTIONS),
        read_table(folder / "splits.parquet", SPLITS),
        None if kind == "clinical" else read_table(folder / "manifest.parquet", MANIFEST),
        read_table(clinical, CLINICAL) if clinical.is_file() else None,
        read_json(folder / "metrics.json"),
        read_json(folder / "confusion.json"),
        bundle,
    )
