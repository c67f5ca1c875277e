"""Verbs on a PACS: what it has, and having it here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.files import make_folder, replacing
from covidx.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from covidx.ingest.pacs.query import FoundStudy

pacs_app = typer.Typer(
    help="Studies from a PACS, by DICOMweb.\n\n"
    "The login comes from the environment: COVIDX_PACS_USER and COVIDX_PACS_PASSWORD, or "
    "COVIDX_PACS_TOKEN. REQUESTS_CA_BUNDLE names the certificates of a private authority.",
    no_args_is_help=True,
)

Url = Annotated[
    str | None, typer.Option(envvar="COVIDX_PACS_URL", help="Its DICOMweb service, by https.")
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Study date.")]
DESCRIPTION_WIDTH = 40


@pacs_app.command()
def find(
    url: Url = None,
    patient: Annotated[list[str] | None, typer.Option(help="Patient id; may be repeated.")] = None,
    patients: Annotated[
        Path | None, typer.Option(help="CSV with a column patient_id: many patients.")
    ] = None,
    since: Day = None,
    until: Day = None,
    modality: Annotated[str | None, typer.Option(help="Such as CT, CR or DX.")] = None,
    description: Annotated[
        str | None, typer.Option(help="Of the study; * and ? match: 'CT*chest*'.")
    ] = None,
    accession: Annotated[str | None, typer.Option(help="Accession number.")] = None,
    show_patients: Annotated[
        bool, typer.Option("--show-patients", help="List the original patient ids, too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the list there: .csv or .json.")] = None,
) -> None:
    """List studies by patient, date, modality, description or accession number."""
    from covidx.ingest.pacs.dicomweb import Server
    from covidx.ingest.pacs.query import StudyQuery, find_studies

    if out is not None and out.suffix not in (".csv", ".json"):
        raise InvalidInputError(
            "OUT_SUFFIX",
            "The list is CSV or JSON.",
            path=out,
            expected="a name that ends in .csv or .json",
        )
    if out is not None:
        make_folder(out.absolute().parent)  # refuse before the work, not after it
    ids: list[str | None] = [*(patient or []), *(_column(patients, "patient_id"))]
    queries = [
        StudyQuery(
            patient_id=one,
            accession=accession,
            since=since.date() if since else None,
            until=until.date() if until else None,
            modality=modality,
            description=description,
        )
        for one in dict.fromkeys(ids or [None])
    ]
    server = Server.from_environment(url)
    found: dict[str, FoundStudy] = {}
    with terminal_bar("find") as bar:
        for done, query in enumerate(queries, 1):
            found |= {study.study_uid: study for study in find_studies(server, query)}
            bar(done, len(queries))
    table = _table(list(found.values()), show_patients)
    typer.echo(_words(table))
    if out is not None:
        _write(table, out)


def _table(found: list[FoundStudy], show_patients: bool) -> pd.DataFrame:
    """A row a study, with no patient id unless it was asked for."""
    import pandas as pd

    names = ["study_uid", "date", "modalities", "description", "series", "instances"]
    names += ["patient_id"] if show_patients else []
    rows = [[getattr(study, name) for name in names] for study in found]
    table = pd.DataFrame(rows, columns=names).astype({"series": "Int64", "instances": "Int64"})
    return table.sort_values(["date", "study_uid"], ignore_index=True)


def _words(table: pd.DataFrame) -> str:
    count = f"{len(table)} {'study' if len(table) == 1 else 'studies'}"
    if table.empty:
        return count
    short = table["description"].str.slice(0, DESCRIPTION_WIDTH)
    shown = table.assign(description=short)
    return f"{shown.to_string(index=False, na_rep='', justify='left')}\n\n{count}"


def _write(table: pd.DataFrame, out: Path) -> None:
    """Write for the owner's eyes only: study UIDs and dates point to patients."""
    with replacing(out) as temporary:
        temporary.touch(mode=0o600)
        if out.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_json(temporary, orient="records", indent=2)


@pacs_app.command()
def fetch(
    out: Annotated[Path, typer.Option(help="The folder to fill.")],
    studies: Annotated[
        list[str] | None, typer.Argument(help="Study Instance UIDs.", metavar="[UID]...")
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--studies", help="CSV with a column study_uid, as find writes.")
    ] = None,
    url: Url = None,
) -> None:
    """Fetch studies into a folder for `covidx ingest`; exit code 1 where something did not come.

    Run it again to go on: what is there is not fetched twice. fetch.csv says what became of each.
    """
    from covidx.ingest.pacs.dicomweb import Server
    from covidx.ingest.pacs.fetch import fetch_studies
    from covidx.ingest.pacs.fetched import ACCOUNT_NAME

    uids = [*(studies or []), *_column(listed, "study_uid")]
    if not uids:
        raise InvalidInputError(
            "STUDIES_MISSING",
            "No study was named.",
            hint="Give study UIDs, or --studies with a list that `covidx pacs find` wrote.",
        )
    with terminal_bar("fetch") as bar:
        result = fetch_studies(Server.from_environment(url), uids, out, progress=bar)
    counts = result.counts
    typer.echo(
        f"{counted(len(result.rows), 'instance')} = {counts['fetched']} fetched + "
        f"{counts['present']} there already + {counts['failed']} failed"
    )
    for code, count in sorted(result.reasons.items()):
        typer.echo(f"  {code}: {count}")
    typer.echo(f"account  {out / ACCOUNT_NAME}")
    if result.stopped is not None:
        raise result.stopped
    if counts["failed"]:
        raise typer.Exit(1)


@pacs_app.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="DICOM files, such as covidx export makes.")],
    url: Url = None,
) -> None:
    """Send DICOM files to the PACS; exit code 1 where it did not store one."""
    from covidx.ingest.pacs.dicomweb import Server
    from covidx.ingest.pacs.send import send_files

    with terminal_bar("send") as bar:
        rows = send_files(Server.from_environment(url), files, progress=bar)
    failed = [row for row in rows if row.code]
    typer.echo(
        f"{counted(len(rows), 'file')} = {len(rows) - len(failed)} stored + {len(failed)} failed"
    )
    for row in failed:
        typer.echo(f"  {row.code}: {row.path}: {row.reason}")
    if failed:
        raise typer.Exit(1)


def _column(path: Path | None, name: str) -> list[str]:
    """The filled cells of a column of a person's CSV."""
    if path is None:
        return []
    from covidx.cells import read_cells

    table = read_cells(path)
    if name not in table.columns:
        raise InvalidTableError(
            "COLUMNS_MISSING",
            "The table lacks a column.",
            path=path,
            expected=name,
            actual=", ".join(table.columns),
            hint=f"Rename the column that holds it to {name}.",
        )
    cells = table[name].dropna().str.strip()
    if cells.empty:
        raise InvalidTableError(
            "TABLE_EMPTY",
            f"The table names no {name}.",
            path=path,
            hint=f"Fill in the column {name}.",
        )
    return list(cells)
