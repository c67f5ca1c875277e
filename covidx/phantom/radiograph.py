"""One patient's frontal radiograph with its truth, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from covidx.phantom.beam import DETECTORS, RADIOGRAPHY, Detector
from covidx.phantom.exposure import develop, draw_marker, expose, line_integrals
from covidx.phantom.fields import Array, draw
from covidx.phantom.lesions import EFFUSION
from covidx.phantom.patient import MARKER, QUANTUM, Patient, stream
from covidx.phantom.projection import project, resample
from covidx.phantom.scene import Scene, set_scene

COARSE = 4
"""Detector pixels a side of those on which the truth's thickness is worked out."""

GREY_MAX = 255.0
TABLE_MAX = 65535.0


@dataclass(frozen=True)
class PhantomRadiograph:
    """A rendered frontal radiograph, the patient's right at the viewer's left.

    Attributes
    ----------
    stored : ndarray of uint16
        (rows, columns), as the detector stores them.
    window : tuple of int
        Lowest and highest stored value that the display distinguishes.
    lung : ndarray of uint8
        1 right, 2 left lung by the patient's anatomy; see `Radiography.lung_mm`.
    lesion : ndarray of uint8
        1 ill lung, 3 effusion; see `Radiography.lesion_mm`.
    lesion_mm : float
        Ill lung along the beam, averaged over the lesion mask.
    landmark : tuple of float
        (row, column) of the middle of the metal sphere, in the upper left chest.
    marker : str
        R or L: the burned-in letter, on that side of the patient.
    view : str
        PA or AP.
    detector : Detector
        Of the patient's hospital.
    """

    stored: Array
    window: tuple[int, int]
    lung: Array
    lesion: Array
    lesion_mm: float
    landmark: tuple[float, float]
    marker: str
    view: str
    detector: Detector

    @property
    def greys(self) -> Array:
        """(rows, columns): float32 greys from 0 to 255, as ingest gives them."""
        return greys(self.stored, self.window, self.detector)


def display_curve(window: tuple[int, int], detector: Detector) -> Array:
    """The 16-bit grey of each stored value: an S like a film's, for a detector with a table.

    Parameters
    ----------
    window : tuple of int
        Lowest and highest stored value that the display distinguishes.
    detector : Detector
        Its bits are used.
    """
    low, high = window
    x = (np.arange(detector.top + 1) - (low + high) / 2) / ((high - low) / 2)
    rise = np.tanh(RADIOGRAPHY.curve * np.clip(x, -1.0, 1.0)) / np.tanh(RADIOGRAPHY.curve)
    table: Array = np.rint((rise + 1.0) / 2.0 * TABLE_MAX).astype(np.uint16)
    return table


def window_of(window: tuple[int, int]) -> tuple[float, float]:
    """WindowCenter and WindowWidth that span the two values of `window` (PS3.3 C.11.2.1.2.1)."""
    low, high = window
    return (low + high + 1) / 2, high - low + 1.0


def greys(stored: Array, window: tuple[int, int], detector: Detector) -> Array:
    """Display greys of stored values: VOI LUT or window, then MONOCHROME1 inverted.

    Step by step as ingest reads them from DICOM; a test holds the two equal.

    Parameters
    ----------
    stored : ndarray of uint16, shape (rows, columns)
        As the detector stores them.
    window : tuple of int
        Lowest and highest stored value that the display distinguishes.
    detector : Detector
        How it shows them.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        0 to 255.
    """
    if detector.lut:
        values: Array = display_curve(window, detector)[stored].astype(np.float64)
        white = TABLE_MAX
    else:
        centre, width = window_of(window)
        centre, width = centre - 0.5, width - 1.0
        share = (stored.astype(np.float64) - centre) / width + 0.5
        values, white = np.clip(share, 0.0, 1.0) * detector.top, float(detector.top)
    shown = (values / white * GREY_MAX).astype(np.float32)
    return np.float32(GREY_MAX) - shown if detector.inverted else shown


def _thickness(values: Array, scene: Scene, detector: Detector) -> Array:
    """mm along each ray: worked out on larger pixels, as a mask's smooth edge can do with."""
    fine = (detector.rows, detector.columns)
    shape = (fine[0] // COARSE + 2, fine[1] // COARSE + 2)
    coarse = project(values, scene.grid, scene.pose, shape, detector.pixel_mm * COARSE)
    rows, columns = (
        (np.arange(n) - (n - 1) / 2) / COARSE + (m - 1) / 2
        for n, m in zip(fine, shape, strict=True)
    )
    return resample(coarse, rows, columns)


def _truth(scene: Scene, detector: Detector) -> tuple[Array, Array, float]:
    """Lung mask, lesion mask, and the mean thickness of ill lung within the latter."""
    fluid = np.float32(0.0) if scene.fluid is None else scene.fluid
    right, left = (
        _thickness((scene.side == side) * (np.float32(1.0) - fluid), scene, detector)
        for side in (1, 2)
    )
    lung = np.where(np.maximum(right, left) >= RADIOGRAPHY.lung_mm, np.where(left > right, 2, 1), 0)
    lesion = np.zeros(lung.shape, np.uint8)
    if scene.fluid is not None:
        lesion[_thickness(scene.fluid, scene, detector) >= RADIOGRAPHY.lesion_mm] = EFFUSION
    mean = 0.0
    if scene.ill is not None:
        depth = _thickness(scene.ill, scene, detector)
        ill = depth >= RADIOGRAPHY.lesion_mm
        lesion[ill] = 1
        mean = float(depth[ill].mean(dtype=np.float64)) if ill.any() else 0.0
    return lung.astype(np.uint8), lesion, mean


def marker_of(patient: Patient) -> tuple[str, tuple[float, float]]:
    """Letter of the marker of `patient` and its (row, column) in mm; the right is shown left."""
    detector = DETECTORS[patient.scanner]
    rng = stream(patient.seed, patient.index, MARKER)
    letter = "R" if rng.random() < RADIOGRAPHY.right_marker_share else "L"
    row, side = draw(rng, 24.0, 52.0), draw(rng, 22.0, 40.0)
    width = detector.columns * detector.pixel_mm
    return letter, (row, side if letter == "R" else width - side)


def render_radiograph(patient: Patient) -> PhantomRadiograph:
    """Render the frontal radiograph of `patient` with its truth, without writing anything."""
    return render_study(patient)[0]


def render_study(patient: Patient) -> tuple[PhantomRadiograph, Scene]:
    """Render the radiograph of `patient`, and give the scene that it was made of."""
    detector = DETECTORS[patient.scanner]
    scene = set_scene(patient, detector)
    letter, place = marker_of(patient)
    depth = line_integrals(scene, detector)
    depth += draw_marker(letter, place, detector)
    rng = stream(patient.seed, patient.index, QUANTUM)
    stored, window = develop(expose(depth, scene.pose.view, detector, rng), detector)
    lung, lesion, mean = _truth(scene, detector)
    shape = (detector.rows, detector.columns)
    spot = scene.pose.pixels(np.array([patient.anatomy.landmark]), shape, detector.pixel_mm)[0]
    image = PhantomRadiograph(
        stored=stored,
        window=window,
        lung=lung,
        lesion=lesion,
        lesion_mm=mean,
        landmark=(float(spot[0]), float(spot[1])),
        marker=letter,
        view=scene.pose.view.name,
        detector=detector,
    )
    return image, scene
