"""Functional groups of multi-frame objects: what each frame says of itself (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from covidx.ingest.dicom.attributes import (
    integer_of,
    number_of,
    numbers_of,
    positive_of,
    text_of,
    values,
)

KERNEL_PLACES = (
    "CTReconstructionSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)
FRAME_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence")


def image_type_of(ds: Dataset, name: str = "ImageType") -> tuple[str, ...]:
    """The values of the attribute `name`, ImageType or FrameType, of `ds`, in upper case."""
    return tuple(v.strip().upper() for v in values(ds, name))


def kernel_of(ds: Dataset) -> str:
    """ConvolutionKernel of `ds` in one line."""
    return " ".join(v.strip() for v in values(ds, "ConvolutionKernel"))


def frame_changes(ds: Dataset) -> Iterator[dict[str, Any]]:
    """For each frame of `ds`, the fields of a `Header` in which it differs from the object.

    Per-frame functional groups stand before shared ones (PS3.3 C.7.6.16.1.1). What a classic image
    says of one place (position, orientation, spacing) counts for no frame.
    """
    shared = (ds.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for index, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        groups = (frame, shared)
        measures = _group(groups, "PixelMeasuresSequence")
        content = _group(groups, "FrameContentSequence")
        changes = {
            "frame": index,
            "position": numbers_of(
                _group(groups, "PlanePositionSequence"), "ImagePositionPatient", 3
            ),
            "orientation": numbers_of(
                _group(groups, "PlaneOrientationSequence"), "ImageOrientationPatient", 6
            ),
            "pixel_spacing": numbers_of(measures, "PixelSpacing", 2),
            "stack_id": text_of(content, "StackID"),
            **_rescale(_group(groups, "PixelValueTransformationSequence")),
        }
        known = {
            "slice_thickness": positive_of(measures, "SliceThickness"),
            "kernel": _kernel(groups),
            "image_type": next(
                (
                    t
                    for name in FRAME_TYPES
                    if (t := image_type_of(_group(groups, name), "FrameType"))
                ),
                None,
            ),
            "echo": number_of(_group(groups, "MREchoSequence"), "EffectiveEchoTime"),
            "acquisition": integer_of(content, "FrameAcquisitionNumber"),
            "acquisition_time": text_of(content, "FrameAcquisitionDateTime"),
            "time_point": integer_of(content, "TemporalPositionIndex"),
            "trigger_time": number_of(
                _group(groups, "CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime"
            ),
        }
        yield changes | {name: value for name, value in known.items() if value not in (None, "")}


def _rescale(group: Dataset) -> dict[str, Any]:
    """The frame's own rescale; where it has none, that of the object counts."""
    if "RescaleSlope" not in group and "RescaleIntercept" not in group:
        return {}
    return {
        "slope": number_of(group, "RescaleSlope"),
        "intercept": number_of(group, "RescaleIntercept"),
        "rescale_type": text_of(group, "RescaleType"),
    }


def _kernel(groups: tuple[Dataset, Dataset]) -> str:
    """Of an enhanced CT, else what a legacy-converted one kept of the image that it was."""
    found = (kernel_of(_group(groups, name)) for name in KERNEL_PLACES)
    return next((kernel for kernel in found if kernel), "")


def _group(groups: tuple[Dataset, Dataset], name: str) -> Dataset:
    for group in groups:
        items = group.get(name)
        if items:
            item: Dataset = items[0]
            return item
    return Dataset()
