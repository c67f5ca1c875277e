"""Every clinical and physical number once, with unit and source."""

from __future__ import annotations

RESEARCH_NOTICE = (
    "Research use only. Not a medical device; not for diagnosis or any decision about a patient."
)

PROBABILITY_PREFIX = "prob_"
"""Before the name of a class: its column of probabilities."""
SCHEMA_VERSION = 1
"""Version of the hand-over tables and of the bundle; raised when a column changes meaning."""

HU_RANGE = (-1024, 3071)
"""HU, the range of a 12-bit CT scale (value 0..4095, intercept -1024); PS3.3 C.8.2.1.1.2."""

MOST_HU = 32767.0
"""HU above which no CT measures: extended scales for metal end at 30,710. Modelling choice."""

LATERAL_VIEWS = ("LL", "RL", "L", "LATERAL")
"""ViewPosition of a radiograph taken from the side (PS3.3 C.8.1.1), and what tables call it. Where
the view is not recorded, an image counts as frontal."""

CHEST_PARTS = frozenset(
    """
    CHEST CHESTABDOMEN CHESTABDPELVIS HEART LUNG NECKCHEST NECKCHESTABDOMEN NECKCHESTABDPELV
    RIB STERNUM THORAX TSPINE WHOLEBODY
    """.split()  # noqa: SIM905
)
OTHER_PARTS = frozenset(
    """
    ABDOMEN ABDOMENPELVIS ANKLE ANUS APPENDIX ARM BLADDER BRAIN BREAST CALCANEUS CALF CLAVICLE
    COCCYX COLON CSPINE DUODENUM EAR ELBOW EXTREMITY EYE FACE FEMUR FINGER FOOT FOREARM
    GALLBLADDER HAND HEAD HEADNECK HIP HUMERUS IAC JAW KIDNEY KNEE LEG LIVER LOWERLEG LOWERLIMB
    LSPINE LSSPINE MANDIBLE MAXILLA NECK ORBIT PANCREAS PELVIS PROSTATE RADIUS SACRUM SCAPULA
    SELLA SHOULDER SIJOINT SINUS SKULL SPLEEN SSPINE STOMACH TESTIS THIGH THUMB THYROID TIBIA
    TIBIAFIBULA TMJ TOE TONGUE ULNA UPPERARM UPPERLIMB UTERUS WRIST ZYGOMA
    """.split()  # noqa: SIM905
)
"""Defined terms of BodyPartExamined (0018,0015), PS3.16 Annex L, that show a chest, or do not.
Other words, of a hospital or a language of its own, say nothing here."""

RESOLUTION_FACTOR = 1.5
"""By how much pixels, or the step between slices, may be finer or coarser than the training's
finest and coarsest. Modelling choice: half as coarse again blurs a septum of a millimetre."""

AIR_HU = -1000
"""HU of air, by definition of the scale; PS3.3 C.11.1.1.2."""

LUNG_WINDOW = (-600.0, 1500.0)
"""Level and width in HU of the usual lung window (Hansell et al., Radiology 2008;246:697,
recommend a width of 1,500 and a level of -600 to -700)."""

EVIDENCE_FLOOR = 0.1
"""Log-odds below which a heatmap shows nothing: they change a score of 0.5 by 0.025. Modelling
choice."""

EVIDENCE_CONTOURS = (0.0, 0.25, 0.5, 0.75)
"""Where a heatmap's contours are drawn, between the floor and the top of its scale; the first is
the edge of the map, so that a faint one is seen, too. Modelling choice."""

EVIDENCE_COLOURS = ("#21918c", "#35b779", "#b5de2b", "#fde725")
"""Of `EVIDENCE_CONTOURS`; of viridis, which the colour-blind can read."""

LUNG_AIR_HU = -500.0
"""HU below which a voxel inside the body counts as aerated lung or airway
(Hu, Hoffman, Reinhardt, IEEE TMI 2001;20:490, choose about midway between lung and soft tissue)."""

CONSOLIDATION_HU = -300.0
"""HU from which an opacity counts as consolidation, below as ground glass: of eight thresholds the
one that served best in BMC Infect Dis 2021, doi:10.1186/s12879-021-06556-z (47 patients)."""

BONE_HU = 150.0
"""HU from which a voxel is bone, in a CT without contrast: above muscle and blood (about 50), below
most cancellous bone (100 to 300). Modelling choice."""

MIN_LUNG_ML = 1000.0
"""ml of aerated lung below which a CT is said to show no lungs. Modelling choice: adult lungs hold
about 4,000-6,000 ml at full inspiration; an abdominal scan shows the bases alone."""

MIN_VOLUME_SLICES = 8
"""Slices below which a CT series is not scored as a volume. Modelling choice: at 10 mm, 80 mm."""

POSITION_TOLERANCE_MM = 0.01
"""mm within which two slices lie at one position. DICOM DS keeps at least this in practice."""

ROUNDING = 1e-3
"""Pixels or slices by which a distance divided by a spacing is shifted before it becomes a whole
number: a spacing of 0.8 mm read as 0.80000001 (NIfTI stores 32 bits) must round the same way."""

SPACING_TOLERANCE = 0.05
"""Share of the median step by which a step between slices may differ (rounding of positions)."""

DIRECTION_TOLERANCE = 1e-3
"""Largest deviation of a direction cosine, or of the dot product of two that must be orthogonal."""

AXIAL_TOLERANCE_DEG = 30.0
"""Degrees between a stack's normal and the body axis below which it counts as axial; gantries tilt
by up to about 30 degrees."""

COVERAGE_SHARE = 0.8
"""Share of the longest axial series of a study that another must cover to be preferred to it for
being thinner. Modelling choice."""

TILT_TOLERANCE_DEG = 0.5
"""Degrees between the normal of the slices and the way from slice to slice above which a series
counts as sheared (gantry tilt); 0.5 degrees move a 300 mm scan by 2.6 mm."""

MAX_TILT_DEG = 35.0
"""Degrees beyond which slices shifted sideways are no gantry's work; gantries tilt by about 30."""

AIR_BAND_HU = (-1100.0, -750.0)
"""HU in which a CT's air and aerated lung lie."""

TISSUE_BAND_HU = (-150.0, 150.0)
"""HU in which fat and soft tissue lie (fat about -100, muscle about 50)."""

AIR_SHARE = 0.01
"""Least share of a CT's voxels in the air band for its HU to be believed. Modelling choice."""

TISSUE_SHARE = 0.05
"""Least share of a CT's voxels in the tissue band for its HU to be believed. Modelling choice."""

DISPLAY_MAX = 255
"""White of a picture made for looking at."""

COLOUR_TOLERANCE = 4
"""Grey levels of 255 by which the channels of a colour image may differ for it to count as grey:
JPEG keeps chroma to about this. Modelling choice."""

MAX_PLANE_PIXELS = 100_000_000
"""Pixels above which an image is refused before it is decoded: the largest radiographs have about
20 million, and a broken file can claim billions. Modelling choice."""

MAX_IMAGE_BYTES = 1 << 32
"""Bytes above which an image is refused before it is unpacked: a CT of 2,000 slices of 1,024 x
1,024 in 16 bits. Modelling choice."""

MAX_ARRAY_BYTES = 1 << 29
"""Bytes above which an array of an image lies in a temporary file: 1,000 slices of 512 x 512 in 16
bits. So segmenting a longer scan takes no more memory. Modelling choice."""

FORM_TOLERANCE_MM = 0.1
"""mm at a corner of the volume beyond which a NIfTI file's qform and sform are said to disagree: a
quaternion of 32-bit floats keeps about a tenth of this. Modelling choice."""

VOXEL_MM = (0.02, 100.0)
"""mm of a voxel's edge that scanners can make, of specimens and thick slabs too: where a unit is
named wrongly, it is wrong by a thousand. Modelling choice."""
