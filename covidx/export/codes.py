"""Names and codes of segments and measurements in DICOM, each once.

SNOMED CT (SCT), and DICOM's own code (DCM) of an opacity of whatever kind (PS3.16 CID 6104). Share
and scores have a code in neither: those stand in covidx's own scheme, which every report names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydicom.sr.coding import Code

from covidx.errors import InvalidInputError

OWN_SCHEME = "99COVIDX"

ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LUNG = Code("39607008", "SCT", "Lung")


@dataclass(frozen=True)
class Finding:
    """What a segment shows.

    Attributes
    ----------
    category, kind : Code
        Segmented property category and type (PS3.3 C.8.20.4).
    within : Code, optional
        Anatomic region, where `kind` is no anatomy itself.
    colour : tuple of int
        RGB in which a viewer may draw it.
    """

    category: Code
    kind: Code
    colour: tuple[int, int, int]
    within: Code | None = None

    @property
    def label(self) -> str:
        """For a person, as the segment's label."""
        return self.kind.meaning


FINDINGS = {
    "lung": Finding(ANATOMY, LUNG, (128, 174, 128)),
    "left-lung": Finding(ANATOMY, Code("44029006", "SCT", "Left lung"), (177, 122, 101)),
    "right-lung": Finding(ANATOMY, Code("3341006", "SCT", "Right lung"), (111, 184, 210)),
    "opacity": Finding(ABNORMAL, Code("112001", "DCM", "Opacity"), (230, 220, 70), LUNG),
    "ground-glass": Finding(
        ABNORMAL, Code("1217294009", "SCT", "Ground glass opacity"), (241, 214, 145), LUNG
    ),
    "consolidation": Finding(
        ABNORMAL, Code("95436008", "SCT", "Lung consolidation"), (208, 85, 66), LUNG
    ),
    "effusion": Finding(ABNORMAL, Code("60046008", "SCT", "Pleural effusion"), (90, 105, 215)),
}

MEASURES = {
    "volume": (Code("118565006", "SCT", "Volume"), "ml"),
    "share": (Code("SHARE", OWN_SCHEME, "Share of lung volume"), "%"),
    "ct-severity-score": (Code("CTSS", OWN_SCHEME, "CT severity score"), "1"),
    "corona-score": (Code("CORONA", OWN_SCHEME, "Corona score"), "cm3"),
}
"""Measurements by name: code, and unit (UCUM)."""

UNITS = {"ml": "milliliter", "cm3": "cubic centimeter", "%": "Percent", "1": "no units"}

FAMILIES = {
    "network": Code("123110", "DCM", "Artificial Intelligence"),
    "threshold": Code("123105", "DCM", "Histogram Analysis"),
    "manual": Code("123109", "DCM", "Manual Processing"),
}
"""Algorithm families (PS3.16 CID 7162)."""


@dataclass(frozen=True)
class Algorithm:
    """What made a mask.

    Parameters
    ----------
    name, version : str
        Of a bundle, its name and hash.
    family : {"network", "threshold", "manual"}
        Its kind, coded by CID 7162.

    Raises
    ------
    InvalidInputError
        ``ALGORITHM_INVALID``.
    """

    name: str
    version: str
    family: Literal["network", "threshold", "manual"] = "network"

    def __post_init__(self) -> None:
        fits = all(0 < len(text) <= 64 and "\\" not in text for text in (self.name, self.version))
        if not fits or self.family not in FAMILIES:
            raise InvalidInputError(
                "ALGORITHM_INVALID",
                "An algorithm needs a name, a version and a family that DICOM can hold.",
                expected=f"1 to 64 characters without backslash; {', '.join(FAMILIES)}",
                actual=(self.name, self.version, self.family),
                hint="Correct --algorithm, --algorithm-version or --family.",
            )

    @property
    def family_code(self) -> Code:
        """Of CID 7162."""
        return FAMILIES[self.family]


def finding(name: str) -> Finding:
    """Look up a finding by its `name`, of `FINDINGS`.

    Raises
    ------
    InvalidInputError
        ``FINDING_UNKNOWN``.
    """
    if name not in FINDINGS:
        raise InvalidInputError(
            "FINDING_UNKNOWN",
            "There is no DICOM code for a segment of this name.",
            expected=", ".join(FINDINGS),
            actual=name,
        )
    return FINDINGS[name]


def unit_code(unit: str) -> Code:
    """The code of `unit`, of UCUM; one that is not in `UNITS` is its own meaning."""
    return Code(unit, "UCUM", UNITS.get(unit, unit))
