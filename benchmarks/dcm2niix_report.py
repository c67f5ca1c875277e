"""What `benchmarks.dcm2niix` found: its figures, the committed list and docs/dcm2niix.md."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.dcm2niix import SAME_MM, Compared, cases, compare, version
from benchmarks.results import RESULTS, Result, commit_now, record
from covidx.evaluate.proportions import wilson
from covidx.files import read_json, replacing, write_json

COMMAND = "python -m benchmarks dcm2niix"
LIST = Path(__file__).with_name("dcm2niix.json")
"""Every series with what both made of it."""
DOCUMENT = RESULTS.parent.parent / "docs" / "dcm2niix.md"
START, END = "<!-- series: python -m benchmarks dcm2niix -->", "<!-- end of series -->"

UNDECODED = "dcm2niix as Debian builds it does not decode this transfer syntax."
CAPTURE = "No measured values: covidx sets it aside with this code."
GREYS = "covidx gives a radiograph in greys as displayed, dcm2niix the stored values."
SHIFT = (
    "dcm2niix leaves the origin where it was although it adds rows before it: its landmark lies off"
    " the place where it was put, that of covidx does not."
)
WHY: tuple[tuple[str, str], ...] = (
    ("conversion/compressed_jpegls/*", UNDECODED),
    ("made/syntax-jpeg-ls", UNDECODED),
    ("made/syntax-deflated", UNDECODED),
    ("phantom/*, jpeg-ls", UNDECODED),
    (
        "conversion/failing/sliceincrement/00[12]",
        "A slice is missing. dcm2niix warns and writes an affine that is wrong beyond the gap,"
        " and an interpolated copy; covidx interpolates if asked.",
    ),
    ("made/missing-slice", "As above."),
    ("made/uneven", "As above, with uneven spacing."),
    ("conversion/rgb/*", "In colour: a file for dcm2niix. " + CAPTURE),
    ("cxr", GREYS),
    ("pydicom/RG[13]*", GREYS + " dcm2niix does not decode these."),
    (
        "ge-head-ct-tilt",
        "Two scans in one series, of 4 mm and of 7 mm slices: covidx reads two volumes. dcm2niix"
        " joins them, and the axes of its interpolated volume are not at right angles. Each scan"
        " alone follows in this table.",
    ),
    ("philips-*", "Scouts, pages of dose and results: covidx sets them aside with these codes."),
    ("pydicom/emri_small*", "Without functional groups nothing says where the frames lie."),
    ("pydicom/liver*", "A segmentation."),
    ("pydicom/parametric_map*", "A map computed from images."),
    ("pydicom/*", CAPTURE),
    ("made/tilt-12", SHIFT),
    (
        "made/tilt-28-backwards",
        SHIFT + " It also takes the even steps for uneven, and interpolates a slice away.",
    ),
    (
        "made/signed-12-bits",
        "Signed values in 12 of 16 bits: dcm2niix cuts the sign off, and -1000 becomes 3096.",
    ),
)
"""Why a series differs, or only one of the two converts it; the first pattern that fits its name
counts."""


def why(name: str) -> str:
    """The explanation for a series, or nothing."""
    return next((text for pattern, text in WHY if fnmatch(name, pattern)), "")


def measure(data: Path, at: Path) -> None:
    """Compare all, and record the figures; the list and the document too, where `at` is theirs."""
    tool = shutil.which("dcm2niix")
    dicom = data / "dicom"
    if tool is None or not dicom.is_dir():
        missing = "dcm2niix is not installed" if tool is None else f"no data at {dicom}"
        print(f"skipped: {missing}")
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(dicom, Path(folder)):
            found.append(compare(case, tool, Path(folder)))
            print(f"{found[-1].name}: {found[-1].verdict}", flush=True)
    record(results(found), at)
    if at == RESULTS:
        listed = {"dcm2niix": version(tool), "series": [_row(one) for one in found]}
        write_json(LIST, listed)
        write_document(read_json(LIST))


def _row(one: Compared) -> dict[str, Any]:
    row = asdict(one) | {"verdict": one.verdict}
    row["affine_mm"] = max(one.affine_mm, default=None)
    row["apart"] = [round(voxels, 2) for voxels in one.apart]
    row["truth"] = [[round(voxels, 2) for voxels in pair] for pair in one.truth]
    return row


def results(found: Sequence[Compared]) -> dict[str, Result]:
    """The share of equal volumes, and the greatest distance between their places."""
    volumes, equal = sum(one.volumes for one in found), sum(one.equal for one in found)
    affine = [mm for one in found for mm in one.affine_mm]
    moved = [voxels for one in found for voxels in one.apart]
    off = [pair[0] for one in found for pair in one.truth]
    low, high = wilson(equal, volumes)
    said = (
        f"tilted or uneven: {sum(v <= 1 for v in moved)} of {len(moved)} within a voxel of"
        f" dcm2niix, {sum(v <= 1 for v in off)} of {len(off)} within a voxel of the truth"
    )
    share = Result(
        value=round(equal / volumes, 4),
        low=round(low, 4),
        high=round(high, 4),
        n=volumes,
        against="1; CT and MR volumes as measured that both convert: equal voxels (padding aside),"
        f" places within {SAME_MM:g} mm; Wilson's interval; {said}; each in docs/dcm2niix.md",
        command=COMMAND,
        commit=commit_now(),
    )
    largest = Result(
        value=round(max(affine), 6),
        low=round(min(affine), 6),
        high=round(max(affine), 6),
        n=len(affine),
        against=f"at most {SAME_MM:g}; farthest corner of a volume by both affines; range",
        command=COMMAND,
        commit=commit_now(),
    )
    return {"dcm2niix_series_equal": share, "dcm2niix_affine_max_mm": largest}


def markdown(listed: dict[str, Any]) -> str:
    """One row a series, as they were compared."""
    lines = [
        f"dcm2niix {listed['dcm2niix']}; shapes are columns x rows x slices as each writes them.",
        "",
        "| series | covidx | dcm2niix | voxels and places | why |",
        "|---|---|---|---|---|",
    ]
    for row in listed["series"]:
        cells = [f"`{row['name']}`", row["ours"], row["theirs"], _said(row), _explained(row)]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _said(row: dict[str, Any]) -> str:
    said = row["verdict"]
    if row["volumes"]:
        return f"{said} ({row['equal']} of {row['volumes']}; {row['affine_mm']:.1e} mm)"
    if row["apart"]:
        said += f" ({max(row['apart']):g} voxels apart"
        for ours, theirs in row["truth"]:
            said += f"; from the truth: {ours:g} and {theirs:g}"
        said += ")"
    return said


def _explained(row: dict[str, Any]) -> str:
    return why(row["name"]) if row["verdict"] in ("differs", "one alone") else ""


def write_document(listed: dict[str, Any], path: Path = DOCUMENT) -> None:
    """Replace the table between the two marks of the document."""
    before, _, rest = path.read_text().partition(START)
    _, _, after = rest.partition(END)
    with replacing(path) as temporary:
        temporary.write_text(f"{before}{START}\n{markdown(listed)}\n{END}{after}")
