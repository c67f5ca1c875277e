"""The one table of the radiographs: geometry, X-ray physics, detectors, display.

It stands beside `effects`: nothing here depends on the class. A test pins `beam_digest()`.

Sources
-------
XCOM   NIST, X-Ray Mass Attenuation Coefficients (NISTIR 5632), tables 2 and 4: water, liquid,
       0.2269 (50 keV), 0.2059 (60 keV) and 0.1837 cm2/g (80 keV); cortical bone (ICRU-44, 1.92
       g/cm3) 0.4242, 0.3148 and 0.2229 cm2/g.
"Modelling choice" marks a number that is ours, within radiographic practice.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from covidx.files import sha256_json


@dataclass(frozen=True)
class View:
    """A projection: where the tube stands, what its beam is, how the patient is placed."""

    name: str  # ViewPosition (PS3.3 C.8.11.5)
    upright: bool
    """PA radiographs are taken standing, so that fluid fills the base of the pleural space; AP ones
    lying in bed, so that it settles at the back, as in the CT."""
    to_back: int  # +1 if the beam runs to the patient's back, -1 to the front
    source_mm: float
    """Distance of focus and detector. 1,800 mm standing and 1,000 mm at the bedside are customary;
    the shorter one enlarges the heart, which lies far from the detector as well."""
    gap_mm: float
    """Between skin and detector. Modelling choice."""
    kvp: int
    """Customary with a grid, and at the bedside without one."""
    water_per_mm: float
    """Attenuation of water at the effective energy, XCOM; 60 and 50 keV are modelling choices."""
    bone_gain: float
    """By how much HU above 100 count more than in CT, where HU are measured at some 70 keV:
    (bone / water - 1) at 60 or 50 keV over the same at 70 keV, XCOM: 1.935 and 2.590 over 1.615
    (70 keV interpolated between 60 and 80 on logarithmic scales)."""
    scatter: float
    """Scatter behind the body, as a share of the blurred primary beam there. With and without a
    grid; modelling choice."""
    photons: float
    """Per pixel where nothing is in the way. Modelling choice: the grain is seen over the spine."""


VIEWS = {
    "PA": View("PA", True, -1, 1800.0, 25.0, 120, 0.02059, 1.20, 0.35, 60000.0),
    "AP": View("AP", False, 1, 1000.0, 30.0, 90, 0.02269, 1.60, 0.70, 40000.0),
}


@dataclass(frozen=True)
class Detector:
    """One simulated detector. Every number is a modelling choice within clinical practice."""

    key: str
    manufacturer: str
    model: str
    modality: str  # CR or DX
    rows: int
    columns: int
    pixel_mm: float  # at the detector
    bits: int
    photometric: str
    lut: bool  # a VOI LUT sequence instead of a window
    noise: float  # relative to the quantum noise of an ideal detector
    compression: str  # "explicit", "implicit" or "jpeg-ls"

    @property
    def inverted(self) -> bool:
        """Whether the lowest stored value is shown white (MONOCHROME1)."""
        return self.photometric == "MONOCHROME1"

    @property
    def top(self) -> int:
        """The highest value of its bits."""
        return (1 << self.bits) - 1


DETECTORS = {
    d.key: d
    for d in (
        Detector("A", "covidx phantom A", "Simulated Plate", "CR", 408, 500, 0.86, 10,
                 "MONOCHROME1", False, 1.6, "explicit"),
        Detector("B", "covidx phantom B", "Simulated Panel", "DX", 512, 512, 0.84, 12,
                 "MONOCHROME2", True, 1.0, "jpeg-ls"),
        Detector("C", "covidx phantom C", "Simulated Mobile", "DX", 488, 568, 0.74, 14,
                 "MONOCHROME1", False, 1.25, "implicit"),
    )
}  # fmt: skip
"""By hospital: who has the CT of scanner A has the radiographs of detector A, so that detectors are
as independent of the class as scanners are. A: storage phosphor plate of 35 x 43 cm, 10 bits.
B: flat panel of 43 x 43 cm, its display curve a table, lossless JPEG-LS. C: flat panel of
36 x 42 cm, 14 bits."""


@dataclass(frozen=True)
class Radiography:
    """What all radiographs share. Every number is a modelling choice where nothing else is said."""

    ap_share: float = 0.5
    """Share of AP radiographs in every class: here the projection is independent of the class; in
    life it follows severity."""
    right_marker_share: float = 0.7
    """Share of radiographs whose marker is an R; the others have an L."""
    lateral_share: float = 0.6
    """Share of standing patients' studies that hold a lateral radiograph as well."""
    voxel_mm: float = 2.5
    """Side of a voxel across the beam, for all but vessels, which are drawn on the detector."""
    step_mm: float = 5.0
    """Depth of a voxel along the beam."""
    place_mm: tuple[float, float] = (7.0, 9.0)
    """By how much the patient stands off the middle at most, (across, along the body)."""
    shoulder_mm: float = 126.0
    """Height of the shoulders above the middle of the chest; what lies higher is neck."""
    neck_mm: tuple[float, float] = (52.0, 60.0)
    """Half-width and half-depth of the neck."""
    bone_from_hu: float = 100.0
    """HU above which matter counts as bone or metal."""
    blood_hu: float = 890.0
    """HU by which a vessel stands out from aerated lung: 38 against about -850, as in the CT."""
    deepest: float = 1.5
    """By how much a tube that runs along the beam is deeper than its chord, at most: vessels taper
    and soon bend away."""
    rib_mm: float = 5.6
    """Radius of ribs and clavicles."""
    cortex_mm: float = 1.1
    """Thickness of their cortex, which is too thin for voxels."""
    cortex_hu: float = 1300.0
    """HU of the cortex above its surroundings."""
    marker_mm: float = 2.4
    """Side of one of the 5 x 7 squares of a marker's letter."""
    marker_depth: float = 4.5
    """Attenuation of the marker, as a line integral: lead of some tenths of a mm."""
    scatter_mm: float = 45.0
    """Standard deviation of the blur of scatter at the detector."""
    blur_px: float = 0.5
    """Standard deviation of the detector's own blur."""
    latitude: float = 0.33
    """Share by which slow changes are pressed together: lung and mediastinum show at once."""
    latitude_mm: float = 28.0
    """Standard deviation of the blur that separates slow changes from fast ones."""
    crisp: float = 0.5
    """By how much detail finer than `crisp_mm` is raised, as presentation processing does."""
    crisp_mm: float = 2.0
    range_log: tuple[float, float] = (-0.6, 7.2)
    """Negative logarithm of exposure that the stored values span."""
    window_quantiles: tuple[float, float] = (0.02, 0.95)
    """Quantiles in the middle of the radiograph that the display window is placed around."""
    window_margin: tuple[float, float] = (0.14, 0.05)
    """By how much it reaches beyond them on the dark and the bright side, in parts of its width."""
    curve: float = 1.15
    """How steep the S is by which a detector with a table shows its values: that of tanh."""
    lung_mm: float = 15.0
    """A pixel belongs to the lung mask where the beam passes at least so much lung (ill lung
    counts, fluid does not); lung behind the heart and behind the domes is lung."""
    lesion_mm: float = 8.0
    """A pixel belongs to the lesion mask where the beam passes so much ill lung, or fluid."""
    lateral_enlargement: float = 1.12
    """Of the lateral radiograph, which is a parallel projection."""


RADIOGRAPHY = Radiography()


@dataclass(frozen=True)
class _Table:
    views: dict[str, View] = field(default_factory=lambda: VIEWS)
    detectors: dict[str, Detector] = field(default_factory=lambda: DETECTORS)
    film: Radiography = RADIOGRAPHY  # the key in the digest


def beam_digest() -> str:
    """SHA-256 of the table's canonical JSON."""
    return sha256_json(dataclasses.asdict(_Table()))
