"""Attributes of each row, from the manifest and from clinical tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.cell_numbers import to_numbers
from covidx.cells import as_ids
from covidx.errors import InvalidTableError
from covidx.evaluate.rows import Rows
from covidx.tables import CLINICAL, MANIFEST, read_table
from covidx.wording import listed

SEVERAL = "several"
"""A patient whose images differ in this."""

AGE_BANDS = {
    "under 18 years": 18,
    "18 to 39 years": 40,
    "40 to 59 years": 60,
    "60 to 79 years": 80,
    "80 years or more": np.inf,
}
"""Name -> upper bound, which is not in the band."""
THICKNESS_BANDS = {
    "up to 1.5 mm": 1.5,
    "over 1.5 to 3 mm": 3.0,
    "over 3 to 5 mm": 5.0,
    "over 5 mm": np.inf,
}
"""Name -> upper bound, which is in the band: usual protocols have 1, 1.5, 3 or 5 mm."""
PRESENTATION_BANDS = {"early (up to 4 days)": 5, "late (5 days or more)": np.inf}
"""Days since the first symptom: name -> upper bound, which is not in the band. Days 0-4 are the
first stage of Pan et al. (Radiology 2020;295:715-721); one band for all later is our choice."""

TEXT = ("sex", "manufacturer", "kernel", "contrast", "view", "site")
AGE = ("age", "age_years")
"""Names under which an age in years is known."""
DAYS = "days_since_onset"


def read_clinical(paths: Sequence[Path]) -> pd.DataFrame | None:
    """Clinical tables, side by side; None where none were named.

    Parameters
    ----------
    paths : sequence of Path
        CSV, TSV, XLSX or parquet, each with ``patient_id``.

    Returns
    -------
    DataFrame or None
        ``attrs["notes"]`` says what is taken otherwise than written.

    Raises
    ------
    InvalidTableError
        ``COLUMN_TWICE`` where two tables have a column of one name; ``VALUE_INVALID``; or as
        `read_table`.
    """
    joined: pd.DataFrame | None = None
    for path in paths:
        table = _read_by_patient(path)
        if joined is None:
            joined = table
            continue
        twice = sorted((set(table.columns) & set(joined.columns)) - {"patient_id"})
        if twice:
            raise InvalidTableError(
                "COLUMN_TWICE",
                "Two clinical tables have a column of one name.",
                path=path,
                actual=", ".join(twice),
                hint="Rename or drop it in one of them.",
            )
        notes = [*joined.attrs["notes"], *table.attrs["notes"]]
        joined = joined.merge(table, on="patient_id", how="outer")
        joined.attrs["notes"] = notes
    return joined


def _read_by_patient(path: Path) -> pd.DataFrame:
    """A clinical table; the columns that are numbers in every table are numbers."""
    table = read_table(path, CLINICAL)
    table["patient_id"] = as_ids(table["patient_id"].str.strip())
    notes = []
    for name in [name for name in (*AGE, DAYS) if name in table]:
        numbers = to_numbers(table[name])
        wrong = table["patient_id"][numbers.wrong]
        if len(wrong):
            raise InvalidTableError(
                "VALUE_INVALID",
                f"Column {name}: a value is not a number.",
                path=path,
                actual=f"patient_id {listed(wrong)}",
                hint="Correct the cells, and leave unknown ones empty.",
            )
        table[name] = numbers.values
        notes += numbers.notes
    table.attrs["notes"] = notes
    return table


def attributes_of(
    rows: Rows, manifest: pd.DataFrame | None, clinical: pd.DataFrame | None
) -> pd.DataFrame:
    """Age, sex, scanner and more of each row, in the order of `rows`; NaN where nothing is known.

    By image where a row is an image of the manifest, else by patient. A patient whose images
    differ in a text gets ``several``; differing numbers are unknown.

    Parameters
    ----------
    rows : Rows
        Test rows.
    manifest : DataFrame, optional
        A row an image, as `MANIFEST`.
    clinical : DataFrame, optional
        A row a patient, from `read_clinical`.

    Raises
    ------
    InvalidTableError
        ``NOTHING_JOINED`` if a table was given and no row is found in it.
    """
    known = pd.DataFrame(index=range(len(rows)))
    if manifest is not None:
        names = [*TEXT, "age", "slice_thickness_mm", "acquired"]
        wanted = [name for name in names if name in manifest]
        by_image = rows.level == "image"
        key, ids = ("image_id", rows.units) if by_image else ("patient_id", rows.patients)
        known = _joined(manifest[[key, *wanted]], key, ids, MANIFEST.name or "manifest")
    if clinical is not None:
        more = _joined(clinical, "patient_id", rows.patients, "clinical")
        for name in more:
            own = known[name] if name in known else pd.Series(np.nan, index=known.index)
            known[name] = own.astype(object).where(own.notna(), more[name])
    return known


def _joined(table: pd.DataFrame, key: str, ids: npt.NDArray[np.str_], name: str) -> pd.DataFrame:
    known = table.assign(**{key: table[key].astype(str).str.strip()})
    unique = (
        known.groupby(key).agg(_only) if known[key].duplicated().any() else known.set_index(key)
    )
    joined = unique.reindex(ids).reset_index(drop=True)
    if not np.isin(ids, unique.index.to_numpy(str)).any():
        raise InvalidTableError(
            "NOTHING_JOINED",
            f"No row of the predictions is found in the {name} table.",
            expected=f"{key} such as {ids[0]}",
            actual=", ".join(list(unique.index[:3])),
            hint="Are these tables of the same patients, with the same pseudonyms?",
        )
    return joined


def _only(values: pd.Series) -> object:
    known = values.dropna().unique()
    if len(known) <= 1:
        return known[0] if len(known) else np.nan
    return SEVERAL if isinstance(known[0], str) else np.nan


def strata_of(attributes: pd.DataFrame) -> dict[str, pd.Series]:
    """Variable -> stratum of each row of `attributes`; NaN where unknown."""
    variables: dict[str, pd.Series] = {}
    for name in TEXT:
        if name in attributes:
            variables[name] = attributes[name].astype(object)
    for name in AGE:
        if name in attributes and "age band" not in variables:
            variables["age band"] = _bands(attributes[name], AGE_BANDS, right=False)
    if DAYS in attributes:
        days = pd.to_numeric(attributes[DAYS], errors="coerce")
        # Who is admitted before the first symptom is neither early nor late.
        variables["presentation"] = _bands(days.where(days >= 0), PRESENTATION_BANDS, right=False)
    if "slice_thickness_mm" in attributes:
        thickness = attributes["slice_thickness_mm"]
        variables["slice thickness"] = _bands(thickness, THICKNESS_BANDS, right=True)
    if "acquired" in attributes:
        variables["month"] = attributes["acquired"].astype(object).str.slice(0, 7)
    return {name: strata for name, strata in variables.items() if strata.notna().any()}


def _bands(values: pd.Series, bands: Mapping[str, float], *, right: bool) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    edges = [-np.inf, *bands.values()]
    return pd.cut(numbers, edges, right=right, labels=list(bands)).astype(object)
