"""Reference files with what is known of them from programs and texts other than covidx.

Values come from dcm2niix 1.0.20220720 and DCMTK 3.6.7 (``dcmdjpeg``, ``dcmdjpls``, ``dcmdrle``,
``dcmconv``, then the bytes of PixelData; ``dcm2pnm`` for greys), and from pydicom's own test suite
(``tests/pixels/pixels_reference.py``). dcm2niix keeps padding, which covidx sets to air.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Place = tuple[int, int, int]


@dataclass(frozen=True)
class Known:
    """What is known of a file.

    Attributes
    ----------
    code : str
        Why it is refused; empty where it is read.
    image : tuple
        Modality, units, geometry, (slices, rows, columns).
    low, high : float
        Least and greatest value, padding left out.
    values : dict
        (slice, row, column) to value: HU, MR values, or greys of 0 to 255.
    stored : dict
        (frame, row, column) to the stored value, or to RGB: whether it is refused or not.
    source : str
        Who says so.
    """

    code: str = ""
    image: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    values: dict[Place, float] = field(default_factory=dict)
    stored: dict[Place, Any] = field(default_factory=dict)
    source: str = ""


def run(frame: int, row: int, column: int, *values: float) -> dict[Place, float]:
    """Values that lie side by side in a row."""
    return {(frame, row, column + i): value for i, value in enumerate(values)}


EMRI = {
    **run(0, 0, 31, 206, 197, 159),
    **run(0, 31, 0, 49, 78, 128),
    **run(4, 63, 61, 225, 380, 355),
    **run(9, 31, 0, 25, 4, 9),
    (9, 32, 32): 203,
}
COLOURS = {
    (0, 5, 50): (255, 0, 0),
    (0, 35, 50): (128, 255, 128),
    (0, 65, 50): (0, 0, 0),
    (0, 85, 50): (192, 192, 192),
}
CT = ("CT", "hu", "proven", (1, 512, 512))

SHARED_PYDICOM = {
    "693_J2KR.dcm": Known(
        image=CT,
        low=-1024,
        high=1468,
        values={(0, 0, 0): -1000, (0, 256, 256): 24, (0, 100, 300): -14, (0, 400, 200): 855},
        source="dcm2niix",
    ),
    "693_UNCI.dcm": Known(
        image=CT,
        low=-3995,  # lossy compression rang about the padding of -2000
        high=1812,
        values={(0, 256, 256): 32, (0, 100, 300): -13, (0, 400, 200): 918},
        source="dcm2niix",
    ),
    "693_UNCR.dcm": Known(
        image=CT,
        low=-1024,
        high=1468,
        values={(0, 0, 0): -1000, (0, 256, 256): 24, (0, 100, 300): -14, (0, 400, 200): 855},
        source="dcm2niix",
    ),
    "HTJ2KLossless_08_RGB.dcm": Known("SECONDARY_CAPTURE"),
    "JLSL_16_15_1_1F.dcm": Known(
        "SECONDARY_CAPTURE",
        # 15 bits, signed: DCMTK leaves 31680 to be read as 31680 - 32768.
        stored={(0, 42, 42): 4375, (0, 64, 64): 12205, (0, 85, 32): -1088},
        source="DCMTK",
    ),
    "JPEG-LL.dcm": Known(
        "SECONDARY_CAPTURE",
        stored={
            **run(0, 400, 124, 60, 58, 61, 68, 59, 65, 64, 67),
            **run(0, 600, 124, 3, 1, 2, 0, 2, 1, 2, 0),
            (0, 341, 85): 20,
        },
        source="pydicom, DCMTK",
    ),
    "JPEG2000_UNC.dcm": Known(
        "SECONDARY_CAPTURE",
        stored={(0, 341, 85): 21, (0, 512, 128): 7, (0, 682, 64): 1},
        source="DCMTK",
    ),
    "JPGLosslessP14SV1_1s_1f_8b.dcm": Known(
        "MODALITY_UNSUPPORTED",
        stored={
            **run(0, 300, 512, 26, 26, 25, 22, 19, 16, 14, 15),
            **run(0, 600, 512, 45, 43, 41, 38, 33, 30, 26, 21),
        },
        source="pydicom",
    ),
    "OBXXXX1A_rle.dcm": Known(
        "MODALITY_UNSUPPORTED",
        stored={(0, 0, 0): 244, **run(0, 300, 491, 1, 246, 1), (0, 599, 799): 0},
        source="pydicom",
    ),
    "OT-PAL-8-face.dcm": Known(
        "SECONDARY_CAPTURE",
        stored={(0, 160, 213): 98, (0, 240, 320): 99},
        source="DCMTK",
    ),
    "RG1_J2KI.dcm": Known(
        image=("CR", "display", "none", (1, 1955, 1841)),
        low=29,
        high=248,
        values={(0, 100, 100): 67, (0, 900, 900): 222, (0, 1500, 700): 220},
        source="gdcmconv, then dcm2pnm +Wi 1, which rounds down",
    ),
    "RG3_J2KI.dcm": Known(
        image=("CR", "display", "none", (1, 1760, 1760)),
        low=9,
        high=255,
        values={(0, 100, 100): 255, (0, 900, 900): 137, (0, 1500, 700): 155},
        source="gdcmconv, then dcm2pnm +Wi 1, which rounds down",
    ),
    "RG3_J2KR.dcm": Known(
        image=("CR", "display", "none", (1, 1760, 1760)),
        low=9,
        high=255,
        values={(0, 100, 100): 255, (0, 900, 900): 136, (0, 1500, 700): 155},
        source="gdcmconv, then dcm2pnm +Wi 1, which rounds down",
    ),
    "SC_rgb.dcm": Known("SECONDARY_CAPTURE", stored=COLOURS, source="pydicom"),
    "bad_sequence.dcm": Known(
        image=CT,
        low=-1011,
        high=1243,
        values={(0, 256, 256): 202, (0, 100, 300): -4, (0, 400, 200): 60},
        stored={(0, 170, 170): 1058, (0, 256, 256): 1226},
        source="dcm2niix, DCMTK",
    ),
    "eCT_Supplemental.dcm": Known(
        image=("CT", "unproven", "proven", (2, 512, 512)),  # blood flow: RescaleType is US
        low=-1024,
        high=172,
        values={(0, 256, 256): -2, (0, 100, 300): 62, (0, 400, 200): -1000},
        source="dcm2niix",
    ),
    "emri_small_RLE.dcm": Known("MULTIFRAME_UNSUPPORTED", stored=EMRI, source="pydicom, DCMTK"),
    "emri_small_big_endian.dcm": Known(
        "MULTIFRAME_UNSUPPORTED", stored=EMRI, source="pydicom, DCMTK"
    ),
    "emri_small_jpeg_2k_lossless_too_short.dcm": Known("MULTIFRAME_UNSUPPORTED"),
    "explicit_VR-UN.dcm": Known(
        # Without SliceThickness, a single slice has a place, and no depth.
        image=("CT", "hu", "proven", (1, 512, 512)),
        low=-1024,
        high=1186,
        values={(0, 256, 256): -27, (0, 100, 300): -940, (0, 400, 200): -1007},
        source="dcm2niix",
    ),
    "liver.dcm": Known(
        "NOT_AN_IMAGE",
        stored={
            **run(0, 155, 180, 0, 1, 1),
            (1, 256, 256): 1,
            **run(1, 146, 253, 0, 1, 1, 1, 1, 1, 0, 1),
            **run(2, 364, 152, 1, 0, 0, 1, 0),
        },
        source="pydicom",
    ),
    "liver_nonbyte_aligned_deflate.dcm": Known("NOT_AN_IMAGE"),
    "mlut_18.dcm": Known(
        "SECONDARY_CAPTURE",
        stored={(0, 170, 170): 3686 - 4096, (0, 256, 256): 4013 - 4096, (0, 341, 128): -2048},
        source="DCMTK; 12 bits, signed",
    ),
    "parametric_map_float.dcm": Known(
        "PARAMETRIC_MAP",
        stored=run(0, 64, 60, 0.00091283, 0.0, 0.03149247, 0.07667731),
        source="the bytes of FloatPixelData",
    ),
    "vlut_04.dcm": Known(
        "SECONDARY_CAPTURE",
        stored={(0, 170, 170): 102, (0, 256, 256): 122, (0, 341, 128): 0},
        source="DCMTK",
    ),
}
"""Every file of ``dicom/pydicom``."""

MR_VALUES = {
    **run(0, 0, 31, 422, 319, 361),
    **run(0, 31, 0, 366, 363, 322),
    **run(0, 63, 61, 1369, 1129, 862),
}
MR = Known(
    image=("MR", "unproven", "proven", (1, 64, 64)),
    low=127,
    high=2145,
    values=MR_VALUES,
    source="pydicom",
)
NM = {(0, 420, 140): 244, (0, 230, 120): 95}
RGB16 = {(0, 5, 50): (65535, 0, 0), (0, 35, 50): (32896, 65535, 32896)}
RGB32 = {(0, 5, 50): (4294967295, 0, 0), (0, 75, 50): (1077952576,) * 3}
DOSE = {**run(0, 0, 0, 1249000, 1249000, 1250000), **run(0, 9, 7, 803000, 801000, 798000)}
CAPTURE = "SECONDARY_CAPTURE"

BUNDLED = {
    "CT_small.dcm": Known(
        image=("CT", "hu", "proven", (1, 128, 128)),
        low=-896,
        high=1167,
        values={(0, 42, 42): 1435 - 1024, (0, 64, 64): 1928 - 1024, (0, 85, 32): 1091 - 1024},
        source="DCMTK",
    ),
    "J2K_pixelrep_mismatch.dcm": Known(
        image=("CT", "hu", "proven", (1, 512, 512)),
        low=-2000,
        high=1896,
        values={
            (0, 0, 0): -2000,
            **{(0, 47 + i, 279): v for i, v in enumerate((621, 412, 138, -193, -520))},
            **{(0, 328 + i, 106): v for i, v in enumerate((-377, -121, 141, 383, 633))},
        },
        source="pydicom",
    ),
    "MR_small.dcm": MR,
    "MR_small_RLE.dcm": MR,
    "MR_small_bigendian.dcm": MR,
    "MR_small_expb.dcm": MR,
    "MR_small_implicit.dcm": MR,
    "MR_small_jp2klossless.dcm": MR,
    "MR_small_jpeg_ls_lossless.dcm": MR,
    "MR_small_padded.dcm": MR,
    "MR_truncated.dcm": Known("PIXELS_UNREADABLE"),
    "examples_overlay.dcm": Known(
        image=("MR", "unproven", "proven", (1, 300, 484)),
        low=0,
        high=1123,
        values={(0, 100, 161): 293, (0, 150, 242): 136, (0, 200, 121): 184},
        source="DCMTK",
    ),
    "JPEG-lossy.dcm": Known(CAPTURE, stored=NM, source="pydicom"),
    "JPGExtended.dcm": Known(CAPTURE, stored=NM, source="pydicom"),
    "JPEGLSNearLossless_08.dcm": Known(
        CAPTURE, stored={(0, 15, 3): 30, (0, 22, 5): 15, (0, 30, 2): 5}, source="DCMTK"
    ),
    "JPEGLSNearLossless_16.dcm": Known(
        CAPTURE, stored={(0, 16, 3): 4095, (0, 25, 5): 255, (0, 33, 2): 65}, source="DCMTK"
    ),
    "GDCMJ2K_TextGBR.dcm": Known(
        CAPTURE, stored={(0, 45, 140): (223, 32, 32), (0, 46, 140): (255, 0, 0)}, source="pydicom"
    ),
    "SC_rgb_rle.dcm": Known(CAPTURE, stored=COLOURS, source="pydicom"),
    "SC_rgb_rle_16bit.dcm": Known(CAPTURE, stored=RGB16, source="pydicom"),
    "SC_rgb_rle_32bit.dcm": Known(CAPTURE, stored=RGB32, source="pydicom"),
    "SC_rgb_dcmtk_+eb+cr.dcm": Known(CAPTURE, stored=COLOURS, source="pydicom"),
    "SC_rgb_small_odd_big_endian.dcm": Known(
        CAPTURE, stored={(0, 0, 0): (166, 141, 52), (0, 2, 2): (158, 158, 158)}, source="pydicom"
    ),
    "image_dfl.dcm": Known(
        CAPTURE, stored=run(0, 300, 255, 138, 65, 65, 65, 65, 35, 35, 35), source="pydicom"
    ),
    "liver_expb_1frame.dcm": Known(
        "NOT_AN_IMAGE", stored=run(0, 145, 250, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0), source="pydicom"
    ),
    "rtdose_1frame.dcm": Known("NOT_AN_IMAGE", stored=DOSE, source="pydicom"),
    "rtdose_expb_1frame.dcm": Known("NOT_AN_IMAGE", stored=DOSE, source="pydicom"),
    "rtdose_rle_1frame.dcm": Known("NOT_AN_IMAGE", stored=DOSE, source="pydicom"),
    "examples_jpeg2k.dcm": Known("MODALITY_UNSUPPORTED"),
    "examples_palette.dcm": Known("MODALITY_UNSUPPORTED"),
    "test-SR.dcm": Known("STRUCTURED_REPORT"),
    "waveform_ecg.dcm": Known("NOT_AN_IMAGE"),
}
"""Files that come with pydicom, so that these need no shared data."""

CONVERSION = {
    "anatomical/001": "",
    "anatomical/001_implicit": "",
    "anatomical/002_non_isotropic": "",
    "compressed/001": "",
    "compressed_j2k/001": "",
    "compressed_jpeg/001": "",
    "compressed_jpegls/001": "",
    "compressed_rle/001": "",
    "failing/slicecount/001": "",
    "failing/sliceincrement/001": "SLICE_MISSING",
    "failing/sliceincrement/002": "SLICE_MISSING",
    "failing/sliceorientation/001": "SERIES_SEVERAL",
    "philips_enhanced/001": "",
    "philips_enhanced/001_implicit": "",
    "rgb/001": "SECONDARY_CAPTURE",
    "siemens_multiframe/001": "",
}
"""Every series of ``dicom/conversion``: why it is refused, or nothing where it equals the ground
truth beside it. Two orientations in one series are two volumes: asking for one is refused. The
second one of ``sliceincrement`` is also tilted; its truth has the missing slice interpolated."""

WITHOUT_TRUTH = {
    "failing/gantrytilting/001": ((4, 521, 512), "tilt of 14.0 deg corrected by shear"),
    "failing/notavolume/001": ((1, 512, 512), ""),
}
"""Series of ``dicom/conversion`` that are read though no ground truth lies beside them: shape, and
what was interpolated. The second one is a time series of one slice."""
