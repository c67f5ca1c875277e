"""Audits of data, of runs and of what a classifier reads: looked at, written to a page, recorded.

Each leaves ``audit.json`` and ``audit.html``; what it holds against a model is recorded beside the
bundle as a known limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from covidx.audit.finding import Finding
from covidx.audit.outcome import limits_of, record_audit, write_index
from covidx.audit.page import write_audit
from covidx.audit.run.folder import need_run
from covidx.errors import CovidxError
from covidx.html import table
from covidx.kinds import kind_of_pipeline
from covidx.pipelines.source_record import store_of, table_of
from covidx.pipelines.tracked import annotate_run

if TYPE_CHECKING:
    import pandas as pd

    from covidx.audit.shortcuts import ShortcutSource
    from covidx.runs import RunRecord

AuditName = Literal["run", "data", "shortcuts"]
Progress = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Progress | None]]
"""Unit -> a progress bar that counts in it."""


def no_bar(unit: str) -> AbstractContextManager[Progress | None]:
    """A progress bar in `unit` that shows nothing."""
    return nullcontext()


@dataclass(frozen=True, repr=False)
class AuditReport:
    """What an audit came to.

    Parameters
    ----------
    name : {"run", "data", "shortcuts"}
        Which audit.
    verdict : str
        ``pass``, ``fail``, ``cannot tell`` or ``not looked at``.
    findings : sequence of Finding
        The gravest first.
    page : Path, optional
        ``audit.html``; None where the audit could not be made.
    remark : str
        Why it could not be made, or empty.
    """

    name: AuditName
    verdict: str
    findings: Sequence[Finding] = field(default=())
    page: Path | None = None
    remark: str = ""

    def to_frame(self) -> pd.DataFrame:
        """A row a question: name, title, verdict, what was found, and what to do."""
        import pandas as pd

        names = ["name", "title", "verdict", "found", "to_do"]
        rows = [[getattr(one, name) for name in names] for one in self.findings]
        return pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        return (
            f"AuditReport({self.name}: {self.verdict}{', ' + self.remark if self.remark else ''})"
        )

    def _repr_html_(self) -> str:
        rows = [(one.verdict, one.title, one.found) for one in self.findings]
        notes = [self.remark] if self.page is None else [f"Page: {self.page}"]
        return table(f"Audit of {self.name}: {self.verdict}", rows, notes)


def audit_images(
    manifests: Sequence[Path],
    out: Path,
    splits: Sequence[str] = (),
    *,
    images: Path | None = None,
    columns: Mapping[str, str] | None = None,
    bar: Bar = no_bar,
) -> AuditReport:
    """Look for leakage, copies, conflicting labels and shortcuts in tables of images.

    Parameters
    ----------
    manifests, splits, images, columns
        As `covidx.audit.data.audit_data`.
    out : Path
        Folder to write.
    bar : callable
        Unit -> progress bar.

    Raises
    ------
    CovidxError
        As `covidx.audit.data.audit_data`.
    """
    from covidx.audit.data import audit_data

    with bar("images") as progress:
        found = audit_data(manifests, splits, images=images, columns=columns, progress=progress)
    page = write_audit(out, "Audit of the data", found.facts, found.findings, found.verdict)
    return AuditReport("data", found.verdict, found.findings, page)


def audit_classifier(source: ShortcutSource, out: Path, bar: Bar = no_bar) -> AuditReport:
    """Ask whether an image classifier reads the lungs, or what goes with the label elsewhere.

    Parameters
    ----------
    source : ShortcutSource
        The bundle, and labelled images.
    out : Path
        Folder to write.
    bar : callable
        Unit -> progress bar.

    Raises
    ------
    CovidxError
        As `covidx.audit.shortcuts.audit_shortcuts`.
    """
    from covidx.audit.shortcuts import audit_shortcuts, write_shortcuts

    with bar("images") as progress:
        found = audit_shortcuts(source, progress)
    page = write_shortcuts(out, found)
    texts = limits_of(found.findings, notes=True, needed=("lungs_out",))
    of = dict(found.facts)["Data set"]
    record_audit(source.bundle, "shortcuts", [f"{text} (on {of})" for text in texts])
    return AuditReport("shortcuts", found.verdict, found.findings, page)


def audit_whole_run(
    run: Path, out: Path, work: Path, store: Path | None = None, bar: Bar = no_bar
) -> AuditReport:
    """Ask whether a run holds together: data, code, split, threshold, scores, figures, identity.

    Parameters
    ----------
    run : Path
        A finished run's folder.
    out : Path
        Folder to write; of classifiers also the reporting checklists.
    work : Path
        Folder of stores and caches that it was trained with.
    store : Path, optional
        Of its images; looked for in `work` by default.
    bar : callable
        Unit -> progress bar.

    Raises
    ------
    InvalidInputError
        As `covidx.audit.run.folder.need_run`.
    """
    found = _whole_run(need_run(run), run, out, work, store, bar)
    _show_in_mlflow(run, [found])
    return found


def _whole_run(
    record: RunRecord, run: Path, out: Path, work: Path, store: Path | None, bar: Bar
) -> AuditReport:
    from covidx.audit.run import Places, RunParts, audit_run, write_checklists

    at = Places(store or store_of(record, work), table_of(record, work), work / "cache")
    with bar("images") as progress:
        found = audit_run(run, at, progress)
    page = write_audit(out, "Audit of the run", found.facts, found.findings, found.verdict)
    record_audit(run / "bundle", "run", limits_of(found.findings))
    if isinstance(found.run, RunParts):  # the checklists are those of classifiers
        write_checklists(found.run, found.findings, out)
    return AuditReport("run", found.verdict, found.findings, page)


def audit_all(
    run: Path,
    work: Path,
    store: Path | None = None,
    bar: Bar = no_bar,
    after: Callable[[AuditReport], None] | None = None,
) -> tuple[list[AuditReport], Path]:
    """Every audit that a run can have, into its folder ``audit``.

    Parameters
    ----------
    run, work, store, bar
        As in `audit_whole_run`.
    after : callable, optional
        Called with each audit when it is made.

    Returns
    -------
    list of AuditReport
        Of run, data and shortcuts; one that could not be made has a remark.
    Path
        Of the index page.

    Raises
    ------
    InvalidInputError
        As `audit_whole_run`.
    """
    run = run.resolve()
    folder = run / "audit"
    record = need_run(run)
    parts: tuple[tuple[AuditName, Callable[..., AuditReport]], ...] = (
        ("run", _whole_run),
        ("data", _images_of_run),
        ("shortcuts", _shortcuts_of_run),
    )
    found: list[AuditReport] = []
    for name, audit in parts:
        try:
            one = audit(record, run, folder / name, work, store, bar)
        except CovidxError as error:
            verdict = "cannot tell" if error.code == "ONE_CLASS" else "fail"
            one = AuditReport(name, verdict, remark=f"{error.message} ({error.code})")
        found.append(one)
        if after is not None:
            after(one)
    _show_in_mlflow(run, found)
    return found, write_index(folder, {one.name: (one.verdict, one.remark) for one in found})


def _show_in_mlflow(run: Path, found: Sequence[AuditReport]) -> None:
    """Verdicts become tags of the run in MLflow, and the pages its artifacts."""
    annotate_run(
        run,
        {f"audit_{one.name}": one.verdict for one in found},
        {f"audits/{one.name}.html": one.page for one in found if one.page is not None},
    )


def _images_of_run(
    record: RunRecord, run: Path, out: Path, work: Path, store: Path | None, bar: Bar
) -> AuditReport:
    """The images of a run and their division."""
    place, remark = _store(record, run, work, store)
    if place is None:
        return AuditReport("data", "not looked at", remark=remark)
    splits = [str(path) for path in (run / "splits.parquet",) if path.is_file()]
    found = audit_images([run / "manifest.parquet"], out, splits, images=place, bar=bar)
    record_audit(run / "bundle", "data", limits_of(found.findings))
    return found


def _shortcuts_of_run(
    record: RunRecord, run: Path, out: Path, work: Path, store: Path | None, bar: Bar
) -> AuditReport:
    """The run's image classifier, on its test rows."""
    from covidx.audit.shortcuts import ShortcutSource

    kind = kind_of_pipeline(record.pipeline)
    if kind is None or kind.arm is None:
        return AuditReport("shortcuts", "not looked at", remark="This run has no classifier.")
    place, remark = _store(record, run, work, store)
    if place is None:
        return AuditReport("shortcuts", "not looked at", remark=remark)
    of_fusion = run / "bundle" / "image"
    bundle = of_fusion if of_fusion.is_dir() else run / "bundle"
    source = ShortcutSource(bundle, run / "manifest.parquet", place, run / "splits.parquet")
    return audit_classifier(source, out, bar)


def _store(record: RunRecord, run: Path, work: Path, store: Path | None) -> tuple[Path | None, str]:
    """The store of a run's images, or None and the reason."""
    if not (run / "manifest.parquet").is_file():
        return None, "This run has no images."
    store = store or store_of(record, work)
    return store, "" if store else "The store is not here."
