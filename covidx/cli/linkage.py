"""``covidx linkage``: the originals behind pseudonyms, for whoever holds the key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def linkage(
    out: Annotated[Path, typer.Argument(help="What was written: a store, copies, or predictions.")],
    of: Annotated[
        str | None, typer.Option(help="One pseudonym: of a path, an image or a patient.")
    ] = None,
) -> None:
    """Show which files and patients lie behind pseudonyms, as CSV; it names patients.

    One row per image, and one per file that was set aside or refused, with its code.
    """
    import pandas as pd

    from covidx.errors import InvalidInputError
    from covidx.ingest import read_linkage
    from covidx.tables import MANIFEST, QUARANTINE, read_table

    links = read_linkage(out)[["path", "image_id", "patient_id", "source_path"]]
    if (out / "manifest.parquet").is_file():
        manifest = read_table(out / "manifest.parquet", MANIFEST)[["image_id", "patient_id"]]
        shown = manifest.rename(columns={"patient_id": "pseudonym"})
        links = links.merge(shown, on="image_id", how="left")
        refused = read_table(out / "quarantine.parquet", QUARANTINE)[["path", "code"]]
        links = links.merge(refused, on="path", how="left")
    if of is not None:
        columns = [name for name in ("path", "image_id", "pseudonym") if name in links]
        links = links[(links[columns] == of).any(axis=1)]
        if links.empty:
            raise InvalidInputError(
                "PSEUDONYM_UNKNOWN",
                "Nothing that was written there has this pseudonym.",
                path=out,
                actual=of,
                hint="Copy it from path, image_id or patient_id of the tables there.",
            )
    shown = pd.DataFrame(links).dropna(axis=1, how="all")
    shown.to_csv(sys.stdout, index=False, lineterminator="\n")
