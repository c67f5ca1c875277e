"""The linkage file: which original lies behind a pseudonym. It stays beside the key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from covidx.errors import StoreError
from covidx.files import make_folder, remove_unfinished, replacing
from covidx.ingest.identity import Identities, default_key_path

LINKAGE_COLUMNS = (
    "image_id",
    "path",
    "source_path",
    "patient_id",
    "study_uid",
    "series_uid",
    "instances",
    "sources",
)
"""`path` as in the manifest or the quarantine; `source_path` the series' folder or the file;
image_id is missing on rows of the quarantine. Of DICOM, `instances` are the SOPInstanceUIDs in
slice order (with ``#frame``), `sources` their files."""

PUBLIC_NAME = "linkage.parquet"


def write_linkage(rows: Sequence[dict[str, object]], out: Path, identities: Identities) -> Path:
    """Write the linkage of the store `out`: beside the key, or into the store where ids are public.

    Parameters
    ----------
    rows : sequence of dict
        Columns as `LINKAGE_COLUMNS`; absent ones are empty.
    out : Path
        The store.
    identities : Identities
        Their key tells where the linkage lies; public ids have it in the store.

    Raises
    ------
    StoreError
        ``UNWRITABLE``.
    """
    path = identities.linkage_path(out) or out / PUBLIC_NAME
    table = pd.DataFrame(list(rows), columns=list(LINKAGE_COLUMNS))
    ordered = table.sort_values(["source_path", "image_id"], ignore_index=True, na_position="last")
    remove_unfinished(make_folder(path.parent), path.name)
    with replacing(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600))
        ordered.to_parquet(temporary, index=False)
        if identities.key is None:
            temporary.chmod(0o644)
    return path


def read_linkage(out: Path, key_path: Path | None = None) -> pd.DataFrame:
    """Read the linkage of the store `out`; columns as `LINKAGE_COLUMNS`.

    Parameters
    ----------
    out : Path
        The folder that `ingest` wrote, at the place where it was written.
    key_path : Path, optional
        `default_key_path` if not given.

    Raises
    ------
    StoreError
        ``LINKAGE_MISSING``.
    """
    key = (key_path or default_key_path()).expanduser().absolute()
    beside_key = Identities(b"", key).linkage_path(out)
    for path in (out / PUBLIC_NAME, beside_key):
        if path is not None and path.is_file():
            return pd.read_parquet(path)
    raise StoreError(
        "LINKAGE_MISSING",
        "Nothing links this store to its originals.",
        path=beside_key,
        hint="Ingest it again on the machine that holds the key, into the same folder.",
    )
