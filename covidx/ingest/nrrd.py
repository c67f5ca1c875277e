"""The header of NRRD (teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import re

import numpy as np

from covidx.ingest.itk_headers import (
    LOCAL,
    NUMBERED,
    TYPES,
    Layout,
    mm_in,
    named_files,
    numbers_in,
    roles_of,
    unsupported,
)

TO_RAS = {
    **dict.fromkeys(("right-anterior-superior", "ras"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1.0, -1.0, 1.0)),
}
"""Signs that turn the axes of an NRRD space into RAS+; others are not of the patient."""
ENCODINGS = {
    "raw": "raw",
    **dict.fromkeys(("txt", "text", "ascii"), "text"),
    "hex": "hex",
    **dict.fromkeys(("gz", "gzip"), "gzip"),
    **dict.fromkeys(("bz2", "bzip2"), "bzip2"),
}
NUMBERED_FILES = re.compile(
    NUMBERED + r"\s+(?P<first>-?\d+)\s+(?P<last>-?\d+)\s+(?P<step>-?\d+)(\s+\d+)?"
)


def nrrd_layout(fields: dict[str, str], names: list[str]) -> Layout:
    """What a header says.

    Parameters
    ----------
    fields : dict
        Name, without blanks and in lower case, to value.
    names : list of str
        Files that it lists.

    Raises
    ------
    InvalidInputError
        ``ITK_UNSUPPORTED``.
    KeyError, ValueError
        Where it makes no sense.
    """
    size = tuple(map(int, fields["sizes"].split()))
    if int(fields["dimension"]) != len(size):
        raise ValueError
    written = re.findall(r"none|\([^)]*\)", fields.get("spacedirections", ""), re.IGNORECASE)
    vectors = [None if one.lower() == "none" else _vector(one) for one in written]
    if vectors and len(vectors) != len(size):
        raise ValueError
    kinds = fields.get("kinds", "").lower().split()
    spatial, time_axis = roles_of(size, vectors, kinds)
    encoding = fields["encoding"].lower()
    if encoding not in ENCODINGS:
        raise unsupported(f"the encoding {encoding[:16]!a}")
    units = re.findall(r'"([^"]*)"', fields.get("spaceunits", fields.get("units", "")))
    units = [units[i] for i in spatial] if len(units) == len(size) else units
    factor, notes = mm_in(units)
    steps = numbers_in(fields.get("spacings", ""))
    steps = tuple(steps[i] for i in spatial) if len(steps) == len(size) else ()
    signs = TO_RAS.get(re.sub("(-time|(?<=^...)t)$", "", fields.get("space", "").lower()))
    ways = [vectors[i] for i in spatial] if vectors else []
    directions = np.array([way[:3] for way in ways if way is not None])
    axes, origin = None, np.zeros(3)
    if len(directions):
        steps = tuple(map(float, np.linalg.norm(directions, axis=1)))
    if directions.shape == (3, 3) and signs is not None and factor is not None:
        axes = factor * np.diag(signs) @ directions.T
        origin = factor * np.array(signs) * (_vector(fields.get("spaceorigin", "")) or (0,) * 3)[:3]
    order = {"little": "<", "big": ">"}[fields.get("endian", "little").lower()]
    return Layout(
        size=tuple(size[i] for i in range(len(size)) if i in spatial or i == time_axis),
        time_axis=None if time_axis is None else sum(i in spatial for i in range(time_axis)),
        dtype=np.dtype(order + TYPES[" ".join(fields["type"].lower().split())]),
        encoding=ENCODINGS[encoding],
        files=named_files(NUMBERED_FILES, fields.get("datafile", LOCAL), names, size[-1]),
        skip_lines=int(fields.get("lineskip", 0)),
        skip_packed=0,
        skip=int(fields.get("byteskip", 0)),
        axes=axes,
        steps=() if factor is None else tuple(factor * step for step in steps),
        origin=origin,
        notes=notes,
    )


def _vector(text: str) -> tuple[float, ...]:
    return numbers_in(text.strip("()"))
