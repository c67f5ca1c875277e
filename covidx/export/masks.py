"""Masks from and to NIfTI."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from covidx.errors import InvalidInputError
from covidx.export.source import SourceSeries, read_source
from covidx.ingest import Identities
from covidx.ingest.nifti import read_nifti, write_nifti
from covidx.volume import Volume


def read_mask(path: Path) -> Volume:
    """Read a mask or a map of probabilities from NIfTI, at `path`.

    Raises
    ------
    InvalidInputError
        ``MASK_MISSING``, or as `covidx.ingest.nifti.read_nifti`.
    """
    if not path.is_file():
        raise InvalidInputError(
            "MASK_MISSING",
            "There is no such mask.",
            path=path,
            hint="Check the path of the mask.",
        )
    return read_nifti(path)[0]


def write_on_source_grid(mask: Volume, series: Path, out: Path) -> SourceSeries:
    """Write a mask as NIfTI on the grid that the scanner measured, tilt and orientation included.

    Nothing of the headers is written: neither mode matters, and no key is needed.

    Parameters
    ----------
    mask : Volume
        On a grid of the series, in any orientation.
    series : Path
        As for `read_source`.
    out : Path
        File to write, in .nii.gz.

    Returns
    -------
    SourceSeries
        The series that was read.

    Raises
    ------
    InvalidInputError
        ``OUT_SUFFIX`` or ``MASK_GRID``; else as `read_source`.
    InvalidSeriesError
        As `read_source`.
    """
    if not out.name.endswith(".nii.gz"):
        raise InvalidInputError(
            "OUT_SUFFIX",
            "NIfTI is written compressed.",
            path=out,
            expected="a name that ends in .nii.gz",
        )
    nameless = Identities(secrets.token_bytes(32))
    source = read_source(series, "pseudonymous", identities=nameless)
    array = source.on_own_grid(mask)
    write_nifti(replace(mask, array=array, affine=source.own.affine, resampled=""), out)
    return source
