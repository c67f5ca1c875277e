"""Verbs that look for faults, whose exit code is the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from covidx.cli.progress import terminal_bar

if TYPE_CHECKING:
    from covidx.pipelines.audits import AuditReport

audit_app = typer.Typer(help="Look for faults in data and runs.", no_args_is_help=True)


@audit_app.callback()
def _audit() -> None:
    """Look for faults. Exit code 0: none; 1: some; 2: unusable input; 3: the data cannot tell."""


@audit_app.command(name="data")
def data_command(
    manifests: Annotated[
        list[Path],
        typer.Argument(
            help="Manifest, or any CSV, XLSX or parquet with one row per image, for each data set."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    splits: Annotated[
        list[str] | None,
        typer.Option(help="FILE or ROLE=FILE: table with roles, or one id per line; repeatable."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from [each table's own].")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="OURS=THEIRS for a column of another name: patient=subject; repeatable."),
    ] = None,
) -> None:
    """Leakage, copies (by pixels), conflicting labels, and columns that give the label away."""
    from covidx.errors import InvalidInputError
    from covidx.pipelines.audits import audit_images

    columns: dict[str, str] = {}
    for text in column or ():
        ours, equals, theirs = text.partition("=")
        if not (ours and equals and theirs):
            raise InvalidInputError(
                "COLUMN_OPTION",
                "A column must have the form OURS=THEIRS.",
                actual=text,
                hint="Write it as in --column patient=subject.",
            )
        columns[ours] = theirs
    found = audit_images(
        manifests, out, splits or (), images=images, columns=columns, bar=terminal_bar
    )
    _show(found, ("fail", "note", "cannot tell"), named=False)
    _end(found)


Run = Annotated[Path, typer.Argument(help="A finished run, such as runs/train_ct/latest.")]
Work = Annotated[Path, typer.Option(help="Folder of stores and caches that it was trained with.")]
Store = Annotated[Path | None, typer.Option(help="Store of its images [found in --work].")]


@audit_app.command(name="run")
def run_command(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="Folder to write [RUN/audit/run].")] = None,
    work: Work = Path("data"),
    store: Store = None,
) -> None:
    """Does a run hold together: data, code, split, threshold, predictions, metrics, identity."""
    from covidx.pipelines.audits import audit_whole_run

    found = audit_whole_run(run, out or run.resolve() / "audit" / "run", work, store, terminal_bar)
    _show(found)
    _end(found, checklists=True)


@audit_app.command(name="shortcuts")
def shortcuts_command(
    bundle: Annotated[Path, typer.Argument(help="A bundle of covidx train ct or cxr.")],
    manifest: Annotated[Path, typer.Argument(help="Manifest of labelled images.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    store: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from [found].")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="splits.parquet: test rows alone count [all rows].")
    ] = None,
    segmenter: Annotated[
        Path | None, typer.Option(help="Bundle that finds the lungs; radiographs need one.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="masks.parquet of lungs, as covidx segment writes it.")
    ] = None,
) -> None:
    """Does an image classifier read the lungs: scored without them, on the border, without text."""
    from covidx.audit.shortcuts import ShortcutSource
    from covidx.pipelines.audits import audit_classifier

    place = store or _store_beside(manifest)
    source = ShortcutSource(bundle, manifest, place, splits, masks, segmenter)
    found = audit_classifier(source, out, terminal_bar)
    _show(found)
    _end(found)


@audit_app.command(name="all")
def all_command(run: Run, work: Work = Path("data"), store: Store = None) -> None:
    """Every audit that a run can have, into RUN/audit, with an index page."""
    from covidx.audit.finding import EXIT_CODES
    from covidx.pipelines.audits import audit_all

    found, index = audit_all(run, work, store, terminal_bar, after=_show)
    typer.echo("\naudit     verdict")
    for one in found:
        typer.echo(f"{one.name:<9} {one.verdict:<14} {one.page or ''}".rstrip())
    typer.echo(f"\nindex    {index}")
    verdicts = {one.verdict for one in found}
    gravest = next((one for one in ("fail", "cannot tell") if one in verdicts), "pass")
    raise typer.Exit(EXIT_CODES[gravest])


def _show(found: AuditReport, verdicts: Sequence[str] = (), named: bool = True) -> None:
    """A line for each fault and note; but for data, for questions that could not be looked at."""
    name = f" {found.name}:" if named else ""
    if found.remark:
        typer.echo(f"{found.verdict:<5}{name} {found.remark}")
    for one in found.findings:
        open_too = found.name != "data" and one.verdict != "pass"
        if one.verdict in (verdicts or ("fail", "note")) or open_too:
            typer.echo(f"{one.verdict:<5}{name} {one.title}: {one.found}")


def _end(found: AuditReport, checklists: bool = False) -> NoReturn:
    """Show verdict and page; the exit code is the verdict."""
    from covidx.audit.finding import EXIT_CODES

    blind = [one.title for one in found.findings if one.verdict == "not looked at"]
    typer.echo(f"\nverdict  {found.verdict}\nreport   {found.page}")
    if blind:
        typer.echo(f"no input for {len(blind)} of {len(found.findings)} questions, see the report")
    if checklists and found.page and found.page.with_name("claim_2024.md").is_file():
        typer.echo("reporting checklists beside it")
    raise typer.Exit(EXIT_CODES[found.verdict])


def _store_beside(manifest: Path) -> Path:
    """Where a manifest's images are looked for: its run's store in data/, or its own folder."""
    from covidx.audit.run.folder import need_run
    from covidx.errors import InvalidInputError
    from covidx.pipelines.source_record import store_of

    try:
        found = store_of(need_run(manifest.resolve().parent), Path("data"))
    except InvalidInputError:  # no run, or not a whole one: a manifest by itself
        found = None
    return found or manifest.parent
