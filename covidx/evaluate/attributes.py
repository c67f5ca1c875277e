"""What else is known of each row: from the manifest, and from clinical tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.errors import InvalidTableError
from covidx.evaluate.rows import SHOWN, Rows
from covidx.tables import CLINICAL, MANIFEST, read_table

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
    """Clinical tables, CSV or parquet, side by side; None where none were given.

    Raises
    ------
    InvalidTableError
        ``COLUMN_TWICE`` where two tables have a column of one name; or as `read_table`.
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
        joined = joined.merge(table, on="patient_id", how="outer")
    return joined


def _read_by_patient(path: Path) -> pd.DataFrame:
    """A clinical table, its ids without blanks around them and each of them once."""
    table = read_table(path, CLINICAL)
    table["patient_id"] = table["patient_id"].str.strip()
    twice = table["patient_id"][table["patient_id"].duplicated()].unique()
    if len(twice):
        raise InvalidTableError(
            "DUPLICATE_IDS",
            "Patients have several rows that differ by blanks in their id.",
            path=path,
            actual=f"patient_id {', '.join(twice[:SHOWN])}",
        )
    return table


def attributes_of(
    rows: Rows, manifest: pd.DataFrame | None, clinical: pd.DataFrame | None
) -> pd.DataFrame:
    """One line a row, in the order of `rows`; NaN where nothing is known.

    By image where a row is an image of the manifest, else by patient. A patient whose images
    differ in a text gets ``several``; differing numbers are unknown.

    Raises
    ------
    InvalidTableError
        ``NOTHING_JOINED`` if a table was given and no row is found in it.
    """
    found = pd.DataFrame(index=range(len(rows)))
    if manifest is not None:
        names = [*TEXT, "age", "slice_thickness_mm", "acquired"]
        wanted = [name for name in names if name in manifest]
        key, ids = (
            ("image_id", rows.units)
            if rows.level == "image"
            else (
                "patient_id",
                rows.patients,
            )
        )
        found = _joined(manifest[[key, *wanted]], key, ids, MANIFEST.name or "manifest")
    if clinical is not None:
        more = _joined(clinical, "patient_id", rows.patients, "clinical")
        for name in more:
            own = found[name] if name in found else pd.Series(np.nan, index=found.index)
            found[name] = own.astype(object).where(own.notna(), more[name])
    return found


def _joined(table: pd.DataFrame, key: str, ids: npt.NDArray[np.str_], name: str) -> pd.DataFrame:
    known = table.assign(**{key: table[key].astype(str).str.strip()})
    one = known.groupby(key).agg(_only) if known[key].duplicated().any() else known.set_index(key)
    found = one.reindex(ids).reset_index(drop=True)
    if not np.isin(ids, one.index.to_numpy(str)).any():
        raise InvalidTableError(
            "NOTHING_JOINED",
            f"No row of the predictions is found in the {name} table.",
            expected=f"{key} such as {ids[0]}",
            actual=", ".join(list(one.index[:3])),
            hint="Are these tables of the same patients, with the same pseudonyms?",
        )
    return found


def _only(values: pd.Series) -> object:
    known = values.dropna().unique()
    if len(known) <= 1:
        return known[0] if len(known) else np.nan
    return SEVERAL if isinstance(known[0], str) else np.nan


def strata_of(attributes: pd.DataFrame) -> dict[str, pd.Series]:
    """Variable -> stratum of each row, NaN where unknown; what is not in the tables is left out."""
    found: dict[str, pd.Series] = {}
    for name in TEXT:
        if name in attributes:
            found[name] = attributes[name].astype(object)
    for name in AGE:
        if name in attributes and "age band" not in found:
            found["age band"] = _bands(attributes[name], AGE_BANDS, right=False)
    if DAYS in attributes:
        days = pd.to_numeric(attributes[DAYS], errors="coerce")
        # Who is admitted before the first symptom is neither early nor late.
        found["presentation"] = _bands(days.where(days >= 0), PRESENTATION_BANDS, right=False)
    if "slice_thickness_mm" in attributes:
        thickness = attributes["slice_thickness_mm"]
        found["slice thickness"] = _bands(thickness, THICKNESS_BANDS, right=True)
    if "acquired" in attributes:
        found["month"] = attributes["acquired"].astype(object).str.slice(0, 7)
    return {name: strata for name, strata in found.items() if strata.notna().any()}


def _bands(values: pd.Series, bands: Mapping[str, float], *, right: bool) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    edges = [-np.inf, *bands.values()]
    return pd.cut(numbers, edges, right=right, labels=list(bands)).astype(object)
