"""Measurements as DICOM Structured Report (PS3.16 TID 1500), about the segments of a Segmentation.

Its identity is that of the Segmentation: there is nothing else to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

import covidx
from covidx.errors import InvalidInputError
from covidx.export.codes import FINDINGS, LUNG, OWN_SCHEME, Algorithm, unit_code
from covidx.export.derive import derived_uid, deriving, equipment, new_series
from covidx.export.measures import Measure, volumes_ml

IMAGING = Code("363679005", "SCT", "Imaging procedure")
REPORT = Code("126000", "DCM", "Imaging Measurement Report")
DEVICE = CodedConcept("121007", "DCM", "Device")
PROCEDURES = {
    "1.2.840.10008.5.1.4.1.1.2": Code("77477000", "SCT", "Computed tomography"),
    "1.2.840.10008.5.1.4.1.1.1": Code("168537006", "SCT", "Plain radiography"),
}
"""By how the SOP class of the source starts."""
STUDY = "study"
"""What a measure of no segment is tracked as."""


def measurement_report(seg: Segmentation, measures: Sequence[Measure] = ()) -> ComprehensiveSR:
    """Make a report about a Segmentation that `binary_segmentation` made.

    Parameters
    ----------
    seg : highdicom.seg.Segmentation
        As made, or read back with `segread`.
    measures : sequence of Measure
        Each segment's volume is reported besides, unless it is among them.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        A group of measurements for each segment, and one for the whole study if there are any,
        each with the algorithm that made the segment (TID 4019).

    Raises
    ------
    InvalidInputError
        ``MEASURE_SEGMENT`` where a measure is of a segment that is not there.
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    names = {_name(item): int(item.SegmentNumber) for item in seg.SegmentSequence}
    unknown = {m.segment for m in measures if m.segment} - set(names)
    if unknown:
        raise InvalidInputError(
            "MEASURE_SEGMENT",
            "A measure names a segment that the segmentation does not have.",
            expected=", ".join(names),
            actual=", ".join(map(str, sorted(unknown))),
            hint="Correct the measures' column segment, or leave it empty for the whole study.",
        )
    with deriving():
        volumes = volumes_ml(seg)
        groups: list[Any] = [
            _of_segment(seg, number, _with_volume(name, volumes.get(number), measures))
            for name, number in names.items()
        ]
        of_study = [measure for measure in measures if measure.segment is None]
        if of_study:
            groups.append(_of_study(seg, of_study))
        content = MeasurementReport(
            observation_context=_observer(),
            procedure_reported=_procedure(seg),
            imaging_measurements=groups,
            title=REPORT,
        )
        algorithm = _algorithm(seg, 1)
        return ComprehensiveSR(
            evidence=[seg, *_sources(seg)],
            content=content[0],
            is_complete=True,
            coding_schemes=[
                CodingSchemeIdentificationItem(
                    designator=OWN_SCHEME, name="covidx measures", responsible_organization="covidx"
                )
            ],
            **new_series(2, "measurements"),
            **equipment(algorithm),
        )


def _name(item: Dataset) -> str:
    """A segment's name in `FINDINGS`, by its code: the tracking id may be another program's."""
    kind = item.SegmentedPropertyTypeCodeSequence[0]
    code = (str(kind.CodeValue), str(kind.CodingSchemeDesignator))
    by_code = {(f.kind.value, f.kind.scheme_designator): name for name, f in FINDINGS.items()}
    return by_code.get(code, str(item.SegmentLabel))


def _with_volume(name: str, volume: float | None, measures: Sequence[Measure]) -> list[Measure]:
    own = [measure for measure in measures if measure.segment == name]
    if volume is None or any(measure.name == "volume" for measure in own):
        return own
    return [Measure("volume", volume, name), *own]


def _of_segment(
    seg: Segmentation, number: int, measures: Sequence[Measure]
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411."""
    item = seg.SegmentSequence[number - 1]
    region = item.get("AnatomicRegionSequence", [])
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(item.TrackingUID, item.TrackingID),
        referenced_segment=ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            number,
            source_series=SourceSeriesForSegmentation(
                seg.ReferencedSeriesSequence[0].SeriesInstanceUID
            ),
        ),
        finding_category=_concept(item.SegmentedPropertyCategoryCodeSequence[0]),
        finding_type=_concept(item.SegmentedPropertyTypeCodeSequence[0]),
        finding_sites=[FindingSite(_concept(site)) for site in region] or None,
        algorithm_id=_identification(seg, number),
        measurements=list(map(_measurement, measures)),
    )


def _of_study(
    seg: Segmentation, measures: Sequence[Measure]
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: of both lungs."""
    series = str(seg.ReferencedSeriesSequence[0].SeriesInstanceUID)
    algorithm = _algorithm(seg, 1)
    uid = derived_uid(series, STUDY, algorithm.name, algorithm.version)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid, STUDY),
        finding_sites=[FindingSite(LUNG)],
        algorithm_id=_identification(seg, 1),
        measurements=list(map(_measurement, measures)),
    )


def _measurement(measure: Measure) -> Measurement:
    """TID 300; a DS has 16 characters at most."""
    value = float(f"{measure.value:.9g}")
    return Measurement(measure.concept, value, unit_code(str(measure.unit)))


def _algorithm(seg: Segmentation, number: int) -> Algorithm:
    item = seg.SegmentSequence[number - 1].SegmentationAlgorithmIdentificationSequence[0]
    return Algorithm(str(item.AlgorithmName), str(item.AlgorithmVersion))


def _identification(seg: Segmentation, number: int) -> AlgorithmIdentification:
    """TID 4019."""
    algorithm = _algorithm(seg, number)
    item = seg.SegmentSequence[number - 1].SegmentationAlgorithmIdentificationSequence[0]
    family = _concept(item.AlgorithmFamilyCodeSequence[0])
    return AlgorithmIdentification(algorithm.name, algorithm.version, family=family)


def _concept(item: Dataset) -> CodedConcept:
    return CodedConcept(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)


def _observer() -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("covidx", covidx.__version__),
        name="covidx",
        manufacturer_name="covidx",
        model_name="covidx",
        serial_number=covidx.__version__,
    )
    return ObservationContext(observer_device_context=ObserverContext(DEVICE, device))


def _procedure(seg: Segmentation) -> Code:
    source = str(next(_sources(seg)).SOPClassUID)
    return next((code for start, code in PROCEDURES.items() if source.startswith(start)), IMAGING)


def _sources(seg: Segmentation) -> Iterator[Dataset]:
    """The instances that a Segmentation refers to, as evidence needs them."""
    for series in seg.ReferencedSeriesSequence:
        for item in series.ReferencedInstanceSequence:
            ds = Dataset()
            ds.StudyInstanceUID = seg.StudyInstanceUID
            ds.SeriesInstanceUID = series.SeriesInstanceUID
            ds.SOPClassUID = item.ReferencedSOPClassUID
            ds.SOPInstanceUID = item.ReferencedSOPInstanceUID
            yield ds
