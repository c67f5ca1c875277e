"""Verbs that look for faults, whose exit code is the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.cli.progress import terminal_bar

if TYPE_CHECKING:
    from covidx.audit.finding import Finding
    from covidx.audit.shortcuts import ShortcutSource

audit_app = typer.Typer(help="Look for faults in data and runs.", no_args_is_help=True)


@audit_app.callback()
def _audit() -> None:
    """Look for faults. Exit code 0: none; 1: some; 2: unusable input; 3: the data cannot tell."""


@audit_app.command(name="data")
def data_command(
    manifests: Annotated[
        list[Path],
        typer.Argument(help="Manifest, or any CSV or parquet with a row an image; one a data set."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    splits: Annotated[
        list[str] | None,
        typer.Option(help="FILE or ROLE=FILE: table with roles, or an id a line; repeatable."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from [each table's own].")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="OURS=THEIRS where usual names do not do: patient=subject; repeatable."),
    ] = None,
) -> None:
    """Leakage, copies (by pixels), conflicting labels, and columns that give the label away."""
    from covidx.audit.data import audit_data
    from covidx.audit.finding import EXIT_CODES
    from covidx.audit.page import write_audit
    from covidx.errors import InvalidInputError

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
    with terminal_bar("images") as bar:
        found = audit_data(manifests, splits or (), images=images, columns=columns, progress=bar)
    page = write_audit(out, "Audit of the data", found.facts, found.findings, found.verdict)
    for finding in found.findings:
        if finding.verdict in ("fail", "note", "cannot tell"):
            typer.echo(f"{finding.verdict:<5} {finding.title}: {finding.found}")
    typer.echo(f"\nverdict  {found.verdict}\nreport   {page}")
    raise typer.Exit(EXIT_CODES[found.verdict])


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
    from covidx.audit.finding import EXIT_CODES

    verdict, page = _audit_run(run, out or run.resolve() / "audit" / "run", work, store)
    _show_in_mlflow(run, {"run": verdict}, {"run": page})
    typer.echo(f"\nverdict  {verdict}\nreport   {page}")
    if page.with_name("claim_2024.md").is_file():
        typer.echo("reporting checklists beside it")
    raise typer.Exit(EXIT_CODES[verdict])


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
    from covidx.audit.finding import EXIT_CODES
    from covidx.audit.shortcuts import ShortcutSource

    place = store or _store_beside(manifest)
    source = ShortcutSource(bundle, manifest, place, splits, masks, segmenter)
    verdict, page = _audit_shortcuts(source, out)
    typer.echo(f"\nverdict  {verdict}\nreport   {page}")
    raise typer.Exit(EXIT_CODES[verdict])


@audit_app.command(name="all")
def all_command(run: Run, work: Work = Path("data"), store: Store = None) -> None:
    """Every audit that a run can have, into RUN/audit, with an index page."""
    from covidx.audit.finding import EXIT_CODES
    from covidx.audit.outcome import write_index
    from covidx.errors import CovidxError

    folder = run.resolve() / "audit"
    found = {"run": (_audit_run(run, folder / "run", work, store)[0], "")}
    for name, audit in (("data", _audit_data), ("shortcuts", _audit_shortcuts_of_run)):
        try:
            found[name] = audit(run, folder / name, work, store), ""
        except CovidxError as error:
            verdict = "cannot tell" if error.code == "ONE_CLASS" else "fail"
            typer.echo(f"{verdict:<5} {name}: {error.message} ({error.code})")
            found[name] = verdict, f"{error.code}: {error.message}"
    verdicts = {name: verdict for name, (verdict, _) in found.items()}
    pages = {name: folder / name / "audit.html" for name in found}
    _show_in_mlflow(run, verdicts, {k: page for k, page in pages.items() if page.is_file()})
    typer.echo("\naudit     verdict")
    for name, (verdict, why) in found.items():
        where = "" if verdict == "not looked at" or why else folder / name / "audit.html"
        typer.echo(f"{name:<9} {verdict:<14} {where}".rstrip())
    typer.echo(f"\nindex    {write_index(folder, found)}")
    gravest = next((one for one in ("fail", "cannot tell") if one in verdicts.values()), "pass")
    raise typer.Exit(EXIT_CODES[gravest])


def _show_in_mlflow(run: Path, verdicts: Mapping[str, str], pages: Mapping[str, Path]) -> None:
    """Verdicts become tags of the run in MLflow, and the pages its artifacts."""
    from covidx.pipelines.tracked import annotate_run

    annotate_run(
        run,
        {f"audit_{name}": verdict for name, verdict in verdicts.items()},
        {f"audits/{name}.html": page for name, page in pages.items()},
    )


def _audit_run(run: Path, out: Path, work: Path, store: Path | None) -> tuple[str, Path]:
    """Audit a run, write page and checklists, say what was found; the verdict, and the page."""
    from covidx.audit.outcome import limits_of, record_audit
    from covidx.audit.page import write_audit
    from covidx.audit.run import Places, RunParts, audit_run, write_checklists
    from covidx.audit.run.folder import need_run
    from covidx.pipelines.source_record import store_of, table_of

    record = need_run(run)
    at = Places(store or store_of(record, work), table_of(record, work), work / "cache")
    with terminal_bar("images") as bar:
        found = audit_run(run, at, bar)
    page = write_audit(out, "Audit of the run", found.facts, found.findings, found.verdict)
    record_audit(run / "bundle", "run", limits_of(found.findings))
    if isinstance(found.run, RunParts):  # the checklists are those of classifiers
        write_checklists(found.run, found.findings, out)
    _tell("run", found.findings)
    return found.verdict, page


def _audit_data(run: Path, out: Path, work: Path, store: Path | None) -> str:
    """Audit the images of a run and their division; the verdict."""
    from covidx.audit.data import audit_data
    from covidx.audit.outcome import limits_of, record_audit
    from covidx.audit.page import write_audit

    manifest = run / "manifest.parquet"
    store = _store_of_run("data", run, work, store)
    if store is None:
        return "not looked at"
    with terminal_bar("pictures") as bar:
        splits = [str(path) for path in (run / "splits.parquet",) if path.is_file()]
        found = audit_data([manifest], splits, images=store, progress=bar)
    write_audit(out, "Audit of the data", found.facts, found.findings, found.verdict)
    record_audit(run / "bundle", "data", limits_of(found.findings))
    _tell("data", found.findings)
    return found.verdict


def _audit_shortcuts_of_run(run: Path, out: Path, work: Path, store: Path | None) -> str:
    """Audit the run's image classifier on its test rows; the verdict."""
    from covidx.audit.run.folder import need_run
    from covidx.audit.shortcuts import ShortcutSource
    from covidx.kinds import kind_of_pipeline

    kind = kind_of_pipeline(need_run(run).pipeline)
    if kind is None or kind.arm is None:
        typer.echo("not looked at  shortcuts: this run has no classifier")
        return "not looked at"
    store = _store_of_run("shortcuts", run, work, store)
    if store is None:
        return "not looked at"
    of_fusion = run / "bundle" / "image"
    bundle = of_fusion if of_fusion.is_dir() else run / "bundle"
    source = ShortcutSource(bundle, run / "manifest.parquet", store, run / "splits.parquet")
    return _audit_shortcuts(source, out)[0]


def _audit_shortcuts(source: ShortcutSource, out: Path) -> tuple[str, Path]:
    """Audit a classifier, write the page, say what was found; the verdict, and the page."""
    from covidx.audit.outcome import limits_of, record_audit
    from covidx.audit.shortcuts import audit_shortcuts, write_shortcuts

    with terminal_bar("images") as bar:
        found = audit_shortcuts(source, bar)
    page = write_shortcuts(out, found)
    texts = limits_of(found.findings, notes=True, needed=("lungs_out",))
    of = dict(found.facts)["Data set"]
    record_audit(source.bundle, "shortcuts", [f"{text} (on {of})" for text in texts])
    _tell("shortcuts", found.findings)
    return found.verdict, page


def _store_of_run(audit: str, run: Path, work: Path, store: Path | None) -> Path | None:
    """The store of a run's images; None, and said, where there are none or they are not here."""
    from covidx.pipelines.source_record import store_of
    from covidx.runs import read_record

    if not (run / "manifest.parquet").is_file():
        typer.echo(f"not looked at  {audit}: this run has no images")
        return None
    store = store or store_of(read_record(run), work)
    if store is None:
        typer.echo(f"not looked at  {audit}: the store is not here")
    return store


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


def _tell(audit: str, findings: Sequence[Finding]) -> None:
    """A line for each fault and note; but for data, for questions that could not be looked at."""
    for finding in findings:
        if finding.verdict in ("fail", "note") or (audit != "data" and finding.verdict != "pass"):
            typer.echo(f"{finding.verdict:<5} {audit}: {finding.title}: {finding.found}")
