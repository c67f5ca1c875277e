"""What kinds of model there are, and where the parts of each lie.

A kind is one entry here, a model, a learner, a predictor and a folder of `covidx.pipelines`. An
entry names its parts by import strings, ``"module:name"``, which are imported when a part is used:
this file needs nothing, any room may read it, and `register` adds a kind from outside of covidx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib import import_module
from typing import Any

from covidx.errors import InvalidInputError

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


def _pipeline(verb: str) -> str:
    return f"train_{verb.replace('-', '_')}"


@dataclass(frozen=True)
class Training:
    """A verb of ``covidx train``.

    Parameters
    ----------
    verb : str
        Its name on the command line, such as ``ct``.
    help : str
        One line for ``covidx train --help``.
    config : str
        Import string of the model of its configuration.
    settings : str
        Import string of the path of the YAML that holds its defaults.
    options : tuple of str
        Which fields of a source it takes, besides ``data`` and ``card``: labels, positive, table,
        masks.
    phantom : str
        The phantom cohort that it trains on without data (ct, cxr, distracted or clinical), or the
        field of its configuration that names one.
    phantom_table : str
        The file of that cohort that the field ``table`` names.
    images : bool
        Whether it learns from images.
    table_option : str
        What the command line calls the field ``table``.
    former_verb : str
        A name that it had before, which is still taken, with a notice; empty if it had none.
    """

    verb: str
    help: str
    config: str
    settings: str
    options: tuple[str, ...] = ()
    phantom: str = "ct"
    phantom_table: str = "clinical.csv"
    images: bool = True
    table_option: str = "table"
    former_verb: str = ""

    @property
    def pipeline(self) -> str:
        """The name of its folder of runs."""
        return _pipeline(self.verb)

    @property
    def pipelines(self) -> tuple[str, ...]:
        """That name, and the one that runs had under the former verb."""
        return tuple(_pipeline(verb) for verb in (self.verb, self.former_verb) if verb)


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Parameters
    ----------
    name : str
        As ``bundle.json`` has it.
    trainings : tuple of Training
        What makes such a model.
    train : str
        Import string of the pipeline: (config, source, *, work, runs, bars) -> `TrainedRun`.
    bundle, predictor : str
        Import strings of the model of ``bundle.json``, and of what loads a bundle and predicts.
    verbs : tuple of str
        The verbs that take its bundles, the usual one first.
    files : tuple of str
        What a run leaves in its folder, besides what every run has and `tables`.
    tables : mapping
        Tables of results by file -> the columns that name a row. Without any, rows are compared in
        their order.
    headline : tuple of str
        Patterns of the estimate that a run claims first; the first that occurs counts.
    arm : str, optional
        The arm of ``predictions.parquet`` that the metrics are of; None where nothing is
        classified.
    rescore : str, optional
        Import string of what scores a run's rows again for its audit.
    evidence : str, optional
        Import string of what a run of this kind shows for items of reporting checklists.
    seeded : bool
        Whether the headline estimate depends on the seed.
    """

    name: str
    trainings: tuple[Training, ...]
    train: str
    bundle: str
    predictor: str
    verbs: tuple[str, ...] = ("predict",)
    files: tuple[str, ...] = ()
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headline: tuple[str, ...] = ("auroc",)
    arm: str | None = None
    rescore: str | None = None
    evidence: str | None = None
    seeded: bool = True

    def headline_of(self, metrics: Mapping[str, Any]) -> str | None:
        """The name of the estimate that a run with these `metrics` claims first, or None."""
        names = estimates_of(metrics)
        return next((n for wanted in self.headline for n in names if fnmatch(n, wanted)), None)


def estimates_of(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """The estimates of a ``metrics.json`` by dotted name, however deep they lie.

    Parameters
    ----------
    metrics : mapping
        The file's content, or a part of it.
    prefix : str
        The dotted name of that part.

    Examples
    --------
    >>> estimates_of({"extent": {"mae": {"value": 1.0}}})
    {'extent.mae': {'value': 1.0}}
    """
    estimates: dict[str, dict[str, Any]] = {}
    for key, part in metrics.items():
        name = f"{prefix}.{key}".lstrip(".")
        if isinstance(part, dict):
            estimates |= {name: part} if "value" in part else estimates_of(part, name)
    return estimates


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
