"""The columns of the tables that rooms hand to each other."""

from __future__ import annotations

from collections.abc import Sequence

import pandera.pandas as pa

from covidx.constants import PROBABILITY_PREFIX

ROLES = ("train", "validation", "test")
OUT_OF_FOLD = "out-of-fold"
"""Role of cross-fitted rows: in a fold of a split, groups that its model does not learn from; of
predictions, training rows scored by a model that did not learn from them. Such rows may choose a
threshold."""


def _text(nullable: bool = False, unique: bool = False, values: Sequence[str] = ()) -> pa.Column:
    checks = [pa.Check.isin(list(values))] if values else []
    return pa.Column(str, checks, nullable=nullable, unique=unique, coerce=True)


def _number(low: float | None = None) -> pa.Column:
    checks = [] if low is None else [pa.Check.ge(low)]
    return pa.Column(float, checks, nullable=True, coerce=True)


def _count() -> pa.Column:
    return pa.Column(int, pa.Check.ge(0), coerce=True)


MANIFEST = pa.DataFrameSchema(
    {
        "image_id": _text(unique=True),
        "patient_id": _text(),
        "group_id": _text(),  # what must never be divided between roles
        "study_uid": _text(nullable=True),
        "series_uid": _text(nullable=True),
        "dataset": _text(),
        "card_sha256": _text(nullable=True),
        "modality": _text(),
        "kind": _text(values=("volume", "slice", "radiograph")),
        "path": _text(),  # relative to the store
        "label": _text(nullable=True),
        "units": _text(values=("hu", "unproven", "display")),
        "geometry": _text(values=("proven", "spacing_only", "none")),
        "site": _text(nullable=True),
        "manufacturer": _text(nullable=True),
        "kernel": _text(nullable=True),
        # given, or not known; stores of earlier versions lack it
        "contrast": pa.Column(str, nullable=True, coerce=True, required=False),
        "view": _text(nullable=True),
        # a defined term of DICOM; stores of earlier versions lack it
        "body_part": pa.Column(str, nullable=True, coerce=True, required=False),
        "slice_thickness_mm": _number(0),
        "slice_spacing_mm": _number(0),
        "pixel_spacing_mm": _number(0),
        "n_slices": _count(),
        "age": _number(0),
        "sex": _text(nullable=True),
        "acquired": _text(nullable=True),  # ISO date
        "source_format": _text(),
        "mode": _text(nullable=True),
        "rows": _count(),
        "columns": _count(),
        "licence": _text(nullable=True),
        "n_files": _count(),  # source files that this image was made of
        "sha256": _text(),
    },
    name="manifest",
    strict=True,
)

QUARANTINE = pa.DataFrameSchema(
    {
        "path": _text(),
        "kind": _text(values=("set_aside", "quarantined")),
        "code": _text(),
        "reason": _text(),
    },
    name="quarantine",
    strict=True,
)

CLINICAL = pa.DataFrameSchema({"patient_id": _text(unique=True)}, name="clinical", strict=False)

MASKS = pa.DataFrameSchema(
    {
        "image_id": _text(),
        "kind": _text(),
        "path": _text(),
        "maker": _text(),
        "sha256": _text(),
    },
    name="masks",
    strict=True,
)

SPLITS = pa.DataFrameSchema(
    {
        "group_id": _text(),
        "patient_id": _text(),
        "fold": _count(),
        "role": _text(values=(*ROLES, OUT_OF_FOLD)),
    },
    name="splits",
    strict=True,
)

PREDICTIONS = pa.DataFrameSchema(
    {
        "run_id": _text(),
        "arm": _text(),
        "unit_id": _text(),
        "level": _text(values=("patient", "image")),
        "patient_id": _text(),
        "group_id": _text(),
        "fold": _count(),
        "role": _text(values=(*ROLES, OUT_OF_FOLD)),
        "split_sha256": _text(nullable=True),
        "bundle_sha256": _text(nullable=True),
        "arms_used": _text(),
        "label": _text(nullable=True),
        f"{PROBABILITY_PREFIX}.+": pa.Column(
            float, pa.Check.in_range(0, 1), nullable=False, coerce=True, regex=True
        ),
    },
    unique=["arm", "fold", "role", "unit_id"],
    name="predictions",
    strict=True,
)

MASK_SCORES = pa.DataFrameSchema(
    {
        "image_id": _text(),
        "patient_id": _text(),
        "structure": _text(),
        **{
            name: _number()
            for name in (
                "dice",
                "nsd",
                "tolerance_mm",
                "hd95_mm",
                "volume_ml",
                "truth_ml",
                "volume_error_ml",
                "volume_error_pct",
            )
        },
        **{name: _count() for name in ("lesions", "lesions_found", "false_positives")},
    },
    unique=["image_id", "structure"],
    name="mask_scores",
    strict=True,
)

TRUE_BOXES = pa.DataFrameSchema(
    {
        "image_id": _text(),
        "slice": _count(),  # on the working grid, caudal to cranial
        **{name: _number() for name in ("left", "top", "right", "bottom")},  # working pixels
        "lesion": _count(),
    },
    name="true_boxes",
    strict=True,
)

BOXES = TRUE_BOXES.remove_columns(["lesion"]).add_columns(
    {"box_score": _number(0), "detection": _count(), "score": _number(0)}
)
BOXES.name = "boxes"

RADIOGRAPH_SCORES = pa.DataFrameSchema(
    {
        "image_id": _text(unique=True),
        "patient_id": _text(),
        "group_id": _text(),
        "(?!image_id|patient_id|group_id).+": pa.Column(
            float, nullable=True, coerce=True, regex=True
        ),
    },
    name="radiograph_scores",
    strict=True,
)
