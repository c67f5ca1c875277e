"""Writes a rendered radiograph as a DICOM study as it lies in a hospital export.

A study holds the frontal radiograph (CR, PS3.3 A.2, or DX for presentation, A.26), for some
patients a lateral one, and a secondary capture of the dose page. Nothing depends on the clock.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
)

from covidx.phantom.beam import DETECTORS, RADIOGRAPHY, VIEWS, Detector
from covidx.phantom.dicom import save_study
from covidx.phantom.dose import screen
from covidx.phantom.exposure import attenuation, develop, draw_marker, expose
from covidx.phantom.fields import Array
from covidx.phantom.modules import code, number, phantom_uid, pixel_format, set_pixels, study
from covidx.phantom.patient import LATERAL, Patient, stream
from covidx.phantom.projection import lateral
from covidx.phantom.radiograph import PhantomRadiograph, display_curve, window_of
from covidx.phantom.scene import Scene

ORIENTATION = {"PA": ["L", "F"], "AP": ["L", "F"], "LL": ["P", "F"]}
"""Towards where rows and columns run (PS3.3 C.7.6.1.1.1). Frontal radiographs are shown as if the
viewer faced the patient, whichever way the beam went; a left lateral one with the patient facing
left."""

VIEW_CODES = {
    "PA": ("272479007", "SCT", "postero-anterior"),
    "AP": ("399348003", "SCT", "antero-posterior"),
    "LL": ("399173006", "SCT", "left lateral"),
}
"""SNOMED CT codes of PS3.16 CID 4010."""


def frontal_uid(patient: Patient) -> str:
    """SOPInstanceUID of the frontal radiograph of `patient`."""
    return phantom_uid(patient.exam_id, "cxr", "frontal")


def _template(patient: Patient, modality: str, series: tuple[int, str, str]) -> Dataset:
    """Patient, study, series and equipment of a radiograph: another visit's study than the CT's."""
    detector, ds = DETECTORS[patient.scanner], study(patient, modality, series)
    ds.StudyInstanceUID = phantom_uid(patient.exam_id, "study", "cxr")
    ds.StudyDescription = "XR CHEST"
    ds.StudyID = f"X{patient.index + 1}"
    ds.AccessionNumber = f"X{patient.visit:07d}"
    ds.Manufacturer = detector.manufacturer
    ds.ManufacturerModelName = detector.model
    ds.DeviceSerialNumber = f"SIM-{detector.key}-101"
    return ds


def _acquisition(ds: Dataset, detector: Detector, view: str) -> None:
    """What CR and DX share: positioning, beam, spacing at the detector (PS3.3 C.8.1, C.8.11)."""
    beam = VIEWS["AP" if view == "AP" else "PA"]
    ds.BodyPartExamined = "CHEST"
    ds.ViewPosition = view
    ds.PatientOrientation = ORIENTATION[view]
    ds.KVP = str(beam.kvp)
    ds.DistanceSourceToDetector = number(beam.source_mm)
    ds.ImagerPixelSpacing = [number(detector.pixel_mm)] * 2
    ds.BurnedInAnnotation = "NO"  # a side marker identifies no one
    ds.InstanceNumber = 1
    ds.AcquisitionNumber = 1


def _presentation(ds: Dataset, detector: Detector) -> None:
    """Modules of DX alone: series, anatomy, image, detector (PS3.3 C.8.11)."""
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageLaterality = "U"  # the chest is not one of a pair
    ds.AnatomicRegionSequence = code("51185008", "SCT", "Chest")
    ds.ViewCodeSequence = code(*VIEW_CODES[ds.ViewPosition])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    ds.PositionerType = "NONE" if ds.ViewPosition == "AP" else "COLUMN"
    ds.AcquisitionContextSequence = Sequence()
    ds.DetectorType = "DIRECT" if detector.key == "B" else "SCINTILLATOR"
    ds.DetectorID = f"SIM-{detector.key}-PANEL"
    ds.PixelIntensityRelationship = "LOG"
    # Does a higher value mean more of the beam (1), or less (-1)? PS3.3 C.8.11.3.1.2.
    ds.PixelIntensityRelationshipSign = 1 if detector.inverted else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if detector.inverted else "IDENTITY"
    ds.LossyImageCompression = "00"


def _display(ds: Dataset, window: tuple[int, int], detector: Detector) -> None:
    """VOI LUT module (PS3.3 C.11.2): a table or a window."""
    if not detector.lut:
        centre, width = window_of(window)
        ds.WindowCenter, ds.WindowWidth = number(centre), number(width)
        return
    item, table = Dataset(), display_curve(window, detector)
    item.add_new("LUTDescriptor", "US", [len(table), 0, 16])
    item.LUTExplanation = "CHEST"
    item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
    ds.VOILUTSequence = Sequence([item])


def _radiograph(
    patient: Patient,
    stored: Array,
    window: tuple[int, int],
    view: str,
    series: tuple[int, str, str],
) -> Dataset:
    detector = DETECTORS[patient.scanner]
    ds = _template(patient, detector.modality, series)
    ds.SOPInstanceUID = phantom_uid(patient.exam_id, "cxr", series[1])
    ds.ImageType = (
        ["ORIGINAL", "PRIMARY", ""] if detector.modality == "DX" else ["ORIGINAL", "PRIMARY"]
    )
    _acquisition(ds, detector, view)
    pixel_format(ds, stored.shape[0], stored.shape[1], detector.bits, False)
    ds.PhotometricInterpretation = detector.photometric
    if detector.modality == "DX":
        _presentation(ds, detector)
    else:
        ds.SOPClassUID = ComputedRadiographyImageStorage
        ds.PlateID = f"SIM-{detector.key}-PLATE"
    _display(ds, window, detector)
    set_pixels(ds, np.ascontiguousarray(stored.astype("<u2")), detector.compression)
    return ds


def _lateral(patient: Patient, scene: Scene, rng: np.random.Generator) -> Dataset:
    """A left lateral radiograph of a standing patient: coarse, with arms down and the stomach's air
    as in the CT. It is there to be distinguished from a frontal one, not to be learned from."""
    detector, view = DETECTORS[patient.scanner], scene.pose.view
    shape = (detector.rows, detector.columns)
    values = attenuation(scene.hu, view)
    large = RADIOGRAPHY.lateral_enlargement
    depth = lateral(values, scene.grid, large, shape, detector.pixel_mm)
    depth += draw_marker("L", (30.0, 30.0), detector)
    stored, window = develop(expose(depth, view, detector, rng), detector)
    return _radiograph(patient, stored, window, "LL", (2, "lateral", "CHEST LAT"))


def write_radiographs(patient: Patient, image: PhantomRadiograph, scene: Scene, root: Path) -> None:
    """Write a patient's radiographs as one study.

    Parameters
    ----------
    patient : Patient
        As `draw_patient` gives it.
    image : PhantomRadiograph
        The frontal radiograph.
    scene : Scene
        That it was made of.
    root : Path
        The folder below which the study's folder is made.
    """
    detector = image.detector
    description = f"CHEST {image.view}"
    frontal = _radiograph(
        patient, image.stored, image.window, image.view, (1, "frontal", description)
    )
    datasets = [(frontal, detector.compression)]
    rng = stream(patient.seed, patient.index, LATERAL)
    first = not patient.exam
    if first and scene.pose.view.upright and rng.random() < RADIOGRAPHY.lateral_share:
        datasets.append((_lateral(patient, scene, rng), detector.compression))
    page = _template(patient, "OT", (999, "area dose", "Dose Report"))
    page.SOPInstanceUID = phantom_uid(patient.exam_id, "area dose")
    dose = 0.6 + 0.03 * patient.anatomy.fat
    plain = "explicit" if detector.compression == "jpeg-ls" else detector.compression
    lines = ("DOSE", f"CHEST {image.view}", f"DAP {dose:.2f}", "DGY CM2")
    datasets.append((screen(page, lines), plain))
    save_study(patient, datasets, root)
