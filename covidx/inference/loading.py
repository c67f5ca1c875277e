"""Any bundle into memory, by the kind that it says it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from covidx.bundles import need_kind
from covidx.inference.predictor import Predictor

__all__ = ["SERVED", "load"]

SERVED = Path(__file__).with_name("served.py")
"""The script that MLflow serves a bundle of any kind from."""
PREDICTORS = {
    "image": "covidx.inference.image:ImagePredictor",
    "clinical": "covidx.inference.clinical:ClinicalPredictor",
    "fusion": "covidx.fusion.predict:FusionPredictor",
    "segmentation": "covidx.inference.segmenter:Segmenter",
    "detection": "covidx.inference.detector:Detector",
    "severity": "covidx.radiograph_severity.predict:RadiographSeverityPredictor",
}
"""Kind of bundle -> what uses it; imported when it is needed."""


def load(folder: Path | str, device: str = "auto") -> Predictor:
    """Read a bundle of any kind, and prove by its reference cases that it gives what it gave.

    Parameters
    ----------
    folder : Path or str
        Such as ``runs/train_ct/latest/bundle``.
    device : str
        Of torch; ``auto``: a GPU where there is one, else the CPU.

    Examples
    --------
    >>> predictor = load("runs/train_ct/latest/bundle")  # doctest: +SKIP
    >>> predictor.predict("study/").to_frame()  # doctest: +SKIP

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_INVALID``, ``BUNDLE_KIND``, ``BUNDLE_VERSION``,
        ``BUNDLE_CHANGED`` or ``PARITY_LOST``.
    """
    folder = Path(folder)
    module, name = PREDICTORS[need_kind(folder, PREDICTORS)].split(":")
    predictor: Predictor = getattr(import_module(module), name).load(folder, device)
    return predictor
