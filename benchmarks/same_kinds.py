"""How `benchmarks.same` trains each kind of model: small, and yet with all of its parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """How a kind of model is trained small, on the embedded phantom cohort.

    Parameters
    ----------
    verbs : tuple of str
        What ``covidx train`` calls it; the first that a revision has is taken.
    settings : tuple of str
        For ``--set``. Runs that are kept go by these words: change them for good reason alone. A
        key that a revision names otherwise is replaced by ``--rev-setting`` or ``--this-setting``.
    """

    verbs: tuple[str, ...]
    settings: tuple[str, ...]


FEW_SLICES = (
    "volume.learning.epochs=1",
    "volume.learning.slices=4",
    "volume.preprocessing.slices=8",
)
EVERY_CLINICAL_RECIPE = ", ".join(
    [
        "{name: logistic-l2, kind: logistic, grid: {C: [0.1, 1]}}",
        "{name: logistic-l1, kind: logistic, penalty: l1, grid: {C: [0.3]}}",
        "{name: svm, kind: svm, calibration: sigmoid, grid: {C: [1], gamma: [scale]}}",
        "{name: forest, kind: forest}",
        "{name: boosting, kind: boosting, missing: native, grid: {max_depth: [2]}}",
        "{name: mlp, kind: mlp}",
        "{name: menni, kind: menni}",
    ]
)
TWO_CLINICAL_RECIPES = (
    "{name: logistic, kind: logistic}, {name: boosting, kind: boosting, missing: native}"
)
FUSION_RECIPES = ", ".join(  # the bundle keeps late fusion; the scores of all are in tables
    [
        "{name: end-to-end, kind: gated, learning: {epochs: 1, batch: 4, end_to_end: true}}",
        "{name: joint, kind: joint, learning: {epochs: 3}}",
        "{name: late, kind: late}",
        "{name: stacking, kind: stacking}",
    ]
)
TWO_SMALL_ARMS = (
    "parts=4",
    "inner_folds=2",
    "p1=[{}]".format(",".join(f'"{setting}"' for setting in FEW_SLICES)),
    f'p2=["inner_folds=2","recipes=[{TWO_CLINICAL_RECIPES}]"]',
)
KINDS = {
    "clinical": Kind(
        ("clinical",),
        ("phantom.patients=200", "inner_folds=2", f"recipes=[{EVERY_CLINICAL_RECIPE}]"),
    ),
    "severity": Kind(  # every second patient has a score; 20 others' lungs are needed to find lungs
        ("radiograph-severity", "severity"),
        ("phantom.patients=44",),
    ),
    "cxr": Kind(("cxr",), ("phantom.patients=25", "radiograph.learning.epochs=1")),
    "ct": Kind(("ct",), ("phantom.patients=20", *FEW_SLICES)),
    "segmentation": Kind(
        ("segmentation",),
        (
            "phantom.patients=20",
            "parts=3",
            "volume.network.channels=[4,8]",
            "volume.learning.patch=[48,48]",
            "volume.learning.samples=2",
            "volume.learning.epochs=2",
            "volume.framing.pixel_mm=6",
        ),
    ),
    "detection": Kind(
        ("detection",),
        (
            "phantom.patients=20",
            "parts=3",
            "volume.network.channels=8",
            "volume.network.hidden=8",
            "volume.network.most_boxes=3",
            "volume.learning.patch=[64,64]",
            "volume.learning.samples=2",
            "volume.learning.epochs=1",
            "volume.framing.pixel_mm=6",
            "volume.smallest=2",
        ),
    ),
    "fusion": Kind(
        ("fusion",), ("phantom.patients=50", *TWO_SMALL_ARMS, f"recipes=[{FUSION_RECIPES}]")
    ),
}
"""By the words of ``--kinds``; what is quick comes first."""
