"""What kinds of model there are, and where the parts of each lie.

A kind is one entry here, a model, a learner, a predictor and a folder of `covidx.pipelines`. An
entry names its parts by import strings, ``"module:name"``, which are imported when a part is used:
this file needs nothing, any room may read it, and `register` adds a kind from outside of covidx.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from covidx.errors import InvalidInputError
from covidx.model_kind import ModelKind, Training, estimates_of

__all__ = [
    "ModelKind",
    "Training",
    "all_kinds",
    "estimates_of",
    "kind_named",
    "kind_of_pipeline",
    "register",
    "resolve",
    "training_named",
    "trainings",
]


def resolve(part: str) -> Any:
    """Import what `part` names, such as ``"covidx.pipelines.image.train:train_image"``."""
    module, _, name = part.partition(":")
    return getattr(import_module(module), name)


_SPLIT = ("splits.parquet", "splits.json")
_CLASSIFIED = (*_SPLIT, "confusion.json")
_IMAGES = ("manifest.parquet", "masks.parquet", "quarantine.parquet")
_NETWORK = ("bundle/weights.safetensors", "bundle/parity.safetensors")
_PREDICTIONS = {"predictions.parquet": ("arm", "fold", "role", "unit_id")}

_KINDS: dict[str, ModelKind] = {}


def register(kind: ModelKind) -> None:
    """Add a kind of model; a kind of the same name is replaced.

    Parameters
    ----------
    kind : ModelKind
        Its verbs of ``covidx train`` must not be those of another kind.

    Raises
    ------
    InvalidInputError
        ``KIND_VERB_TAKEN``.
    """
    taken = {training.verb for other, training in trainings() if other.name != kind.name}
    clash = sorted(taken & {training.verb for training in kind.trainings})
    if clash:
        raise InvalidInputError(
            "KIND_VERB_TAKEN",
            "Another kind of model is trained by this verb.",
            expected="a verb of its own",
            actual=", ".join(clash),
        )
    _KINDS[kind.name] = kind


def all_kinds() -> tuple[ModelKind, ...]:
    """Every kind, in the order in which they were registered."""
    return tuple(_KINDS.values())


def kind_named(name: str) -> ModelKind | None:
    """The kind with this `name`, as ``bundle.json`` has it, or None."""
    return _KINDS.get(name)


def trainings() -> Iterator[tuple[ModelKind, Training]]:
    """Every verb of ``covidx train`` with its kind."""
    for kind in _KINDS.values():
        for training in kind.trainings:
            yield kind, training


def kind_of_pipeline(pipeline: str) -> ModelKind | None:
    """The kind whose runs lie in ``runs/<pipeline>``, or None if `pipeline` trains nothing."""
    return next((kind for kind, training in trainings() if pipeline in training.pipelines), None)


def training_named(pipeline: str) -> Training:
    """The training whose runs lie in ``runs/<pipeline>``, by the name of the `pipeline`.

    Raises
    ------
    InvalidInputError
        ``PIPELINE_UNKNOWN``.
    """
    for _, training in trainings():
        if pipeline in training.pipelines:
            return training
    raise InvalidInputError(
        "PIPELINE_UNKNOWN",
        "No kind of model is trained by this pipeline.",
        expected=", ".join(training.pipeline for _, training in trainings()),
        actual=pipeline,
    )


_P = "covidx.pipelines"
register(
    ModelKind(
        "image",
        (
            Training(
                "ct",
                "CT: DICOM, NIfTI or slices in; classifier, metrics, heatmaps and bundle out.",
                f"{_P}.image.config:TrainCT",
                f"{_P}.image.config:TRAIN_CT",
                ("labels", "positive"),
            ),
            Training(
                "cxr",
                "Chest radiographs: DICOM or pictures in; classifier, heatmaps and bundle out.",
                f"{_P}.image.config:TrainCXR",
                f"{_P}.image.config:TRAIN_CXR",
                ("labels", "positive"),
                phantom="cxr",
            ),
        ),
        train=f"{_P}.image.train:train_image",
        bundle="covidx.inference.image_bundle:ImageBundle",
        predictor="covidx.inference.image:ImagePredictor",
        files=(*_CLASSIFIED, *_IMAGES, "thumbnails.npz", *_NETWORK),
        tables=_PREDICTIONS,
        arm="p1",
        rescore="covidx.audit.run.rescore:rescore_images",
        evidence="covidx.audit.run.evidence_kinds:ImageEvidence",
    )
)
register(
    ModelKind(
        "clinical",
        (
            Training(
                "clinical",
                "Clinical rows: a table and its card in; classifier, controls and drift out.",
                f"{_P}.clinical.config:TrainClinical",
                f"{_P}.clinical.config:TRAIN_CLINICAL",
                ("labels",),
                phantom="clinical",
                images=False,
            ),
        ),
        train=f"{_P}.clinical.train:train_clinical",
        bundle="covidx.clinical.bundle:ClinicalBundle",
        predictor="covidx.inference.clinical:ClinicalPredictor",
        files=(*_CLASSIFIED, "clinical.parquet", "models.json", "bundle/pipeline.skops"),
        tables=_PREDICTIONS,
        arm="p2",
        rescore="covidx.audit.run.rescore:rescore_clinical",
        evidence="covidx.audit.run.evidence_kinds:ClinicalEvidence",
    )
)
register(
    ModelKind(
        "fusion",
        (
            Training(
                "fusion",
                "Images and clinical rows of the same patients: P1, P2 and their fusion P3.",
                f"{_P}.fusion.config:TrainFusion",
                f"{_P}.fusion.config:TRAIN_FUSION",
                ("labels", "table"),
                phantom="image",
                table_option="clinical",
            ),
        ),
        train=f"{_P}.fusion.train:train_fusion",
        bundle="covidx.fusion.bundle:FusionBundle",
        predictor="covidx.fusion.predict:FusionPredictor",
        files=(
            *_CLASSIFIED,
            *_IMAGES,
            "thumbnails.npz",
            "clinical.parquet",
            "arms.json",
            "bundle/image/bundle.json",
        ),
        tables=_PREDICTIONS,
        arm="p3",
        rescore="covidx.audit.run.rescore:rescore_fusion",
        evidence="covidx.audit.run.evidence_kinds:FusionEvidence",
    )
)
register(
    ModelKind(
        "segmentation",
        (
            Training(
                "segmentation",
                "Lungs and opacities: images with masks in; network, agreement and bundle out.",
                f"{_P}.segmentation.config:TrainSegmentation",
                f"{_P}.segmentation.config:TRAIN_SEGMENTATION",
                phantom="distracted",
            ),
        ),
        train=f"{_P}.segmentation.train:train_segmentation",
        bundle="covidx.inference.segmentation_bundle:SegmentationBundle",
        predictor="covidx.inference.segmenter:Segmenter",
        verbs=("segment", "predict"),
        files=(*_SPLIT, *_IMAGES, *_NETWORK),
        tables={"scores.csv": ("image_id", "structure")},
        headline=("opacity.dice", "lungs.dice", "opacity.false_ml"),
    )
)
register(
    ModelKind(
        "detection",
        (
            Training(
                "detection",
                "Opacities on CT as boxes: volumes with masks in; network, mAP and bundle out.",
                f"{_P}.detection.config:TrainDetection",
                f"{_P}.detection.config:TRAIN_DETECTION",
                phantom="distracted",
            ),
        ),
        train=f"{_P}.detection.train:train_detection",
        bundle="covidx.inference.detection_bundle:DetectionBundle",
        predictor="covidx.inference.detector:Detector",
        verbs=("detect", "predict"),
        files=(*_SPLIT, *_IMAGES, *_NETWORK),
        tables={"boxes.csv": (), "truth.csv": ()},
        headline=("map50",),
    )
)
register(
    ModelKind(
        "radiograph-severity",
        (
            Training(
                "radiograph-severity",
                "Readers' severity scores of radiographs: extent and opacity, with an interval.",
                f"{_P}.radiograph_severity.config:TrainRadiographSeverity",
                f"{_P}.radiograph_severity.config:TRAIN_RADIOGRAPH_SEVERITY",
                ("table", "masks"),
                phantom="cxr",
                phantom_table="extent.csv",
                table_option="scores",
                former_verb="severity",
            ),
        ),
        train=f"{_P}.radiograph_severity.train:train_radiograph_severity",
        bundle="covidx.radiograph_severity.bundle:RadiographSeverityBundle",
        predictor="covidx.radiograph_severity.predict:RadiographSeverityPredictor",
        files=("manifest.parquet", "bundle/weights.safetensors"),
        tables={"predictions.csv": ("image_id",)},
        headline=("*.mae",),
        seeded=False,  # each patient is left out in turn: the seed moves intervals alone
    )
)
