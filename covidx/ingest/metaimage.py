"""The header of MetaImage (docs.itk.org/en/latest/learn/metaio.html)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from covidx.ingest.itk_headers import (
    NUMBERED,
    TYPES,
    Layout,
    mm_in,
    named_files,
    numbers_in,
    roles_of,
    unsupported,
)

MATRIX = ("TransformMatrix", "Rotation", "Orientation")
ORIGIN = ("Offset", "Position", "Origin")
SCALE = "ElementToIntensityFunction"
UNSCALED = (("Slope", "1"), ("Offset", "0"))
NUMBERED_FILES = re.compile(
    NUMBERED + r"(\s+(?P<first>\d+)(\s+(?P<last>\d+)(\s+(?P<step>\d+)(\s+\d+)?)?)?)?"
)


def metaimage_layout(fields: dict[str, str], names: list[str]) -> Layout:
    """What a header says.

    Parameters
    ----------
    fields : dict
        Tag to value.
    names : list of str
        Files that it lists.

    Raises
    ------
    InvalidInputError
        ``ITK_UNSUPPORTED``.
    KeyError, ValueError
        Where it makes no sense.
    """
    if fields.get("ObjectType", "Image") != "Image":
        raise unsupported("an object that is no image")
    size = tuple(map(int, fields["DimSize"].split()))
    if int(fields.get("NDims", len(size))) != len(size):
        raise ValueError
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise unsupported("several channels")
    slope, offset = (float(fields.get(f"{SCALE}{name}", usual)) for name, usual in UNSCALED)
    if (slope, offset) != (1, 0):
        raise unsupported(f"a scale of its values ({SCALE}Slope)")
    spatial, time_axis = roles_of(size, (), ())
    factor, notes = mm_in([fields.get("DistanceUnits", "")])
    steps = numbers_in(fields.get("ElementSpacing", ""))
    steps = tuple(steps[: len(spatial)]) if len(steps) == len(size) else ()
    numbers, n = numbers_in(_first(fields, MATRIX)), len(size)
    axes, origin = None, np.zeros(3)
    if len(numbers) == n * n and len(steps) == 3 and factor is not None:
        to_ras = np.array([-1.0, -1.0, 1.0])  # ITK's space is LPS+
        # Each direction is a row of the matrix; steps are along the indices.
        directions = np.reshape(numbers, (n, n))[:3, :3].T
        axes = factor * to_ras[:, None] * directions * steps
        origin = factor * to_ras * (numbers_in(_first(fields, ORIGIN)) or (0.0,) * 3)[:3]
    msb = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    packed = "zlib" if _true(fields.get("CompressedData", "False")) else "raw"
    return Layout(
        size=tuple(size[i] for i in range(n) if i in spatial or i == time_axis),
        time_axis=None if time_axis is None else len(spatial),
        dtype=np.dtype((">" if _true(msb) else "<") + TYPES[fields["ElementType"]]),
        encoding=packed if _true(fields.get("BinaryData", "True")) else "text",
        files=named_files(NUMBERED_FILES, fields["ElementDataFile"], names, size[-1]),
        skip_lines=0,
        skip_packed=int(fields.get("HeaderSize", 0)),
        skip=0,
        axes=axes,
        steps=() if factor is None else tuple(factor * step for step in steps),
        origin=origin,
        notes=notes,
    )


def _first(fields: dict[str, str], tags: Sequence[str]) -> str:
    return next((fields[tag] for tag in tags if tag in fields), "")


def _true(text: str) -> bool:
    return text[:1] in ("T", "t", "1")
