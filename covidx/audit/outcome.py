"""What an audit leaves beside its page: limits of the model, and an index over a run's audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from covidx.audit.finding import Finding, overall
from covidx.files import make_folder, write_json
from covidx.limits import record_limits
from covidx.report import page as parts
from covidx.report.known_limits import quote_limits, run_around

AUDITS = {
    "run": "Does the run hold together: data, code, split, threshold, scores, figures, identity",
    "data": "Leakage, copies by pixels, conflicting labels, columns that give the label away",
    "shortcuts": "Does the classifier read the lungs, or what goes with the label elsewhere",
}
"""Name of an audit -> its question."""
MEANING = (
    "pass: looked at, and no fault; fail: a fault; cannot tell: looked at, but the model has no "
    "skill or the intervals are wide, so that a fault would not show; not looked at: no input."
)


def limits_of(
    findings: Sequence[Finding], *, notes: bool = False, needed: Sequence[str] = ()
) -> list[str]:
    """What a reader of the model's scores must know of an audit, a sentence or more each.

    Parameters
    ----------
    findings : sequence of Finding
        Of one audit.
    notes : bool
        Whether notes are limits, as of shortcuts: the model may be at fault though nothing is.
    needed : sequence of str
        As in `finding.overall`.
    """
    failed = [f"Failed. {one.title}: {one.found}" for one in findings if one.verdict == "fail"]
    noted = [f"{one.title}: {one.found}" for one in findings if notes and one.verdict == "note"]
    open_questions = [
        f"{one.title}: {one.found}"
        for one in findings
        if (one.decides and one.verdict == "cannot tell")
        or (one.name in needed and one.verdict == "not looked at")
    ]
    undecided = []
    if not failed and overall(findings, needed) == "cannot tell":
        undecided = [f"Cannot tell. {'; '.join(text.rstrip('.') for text in open_questions)}."]
    return [*failed, *undecided, *noted]


def record_audit(bundle: Path, audit: str, texts: Sequence[str]) -> Path | None:
    """Write limits that an audit found beside the bundle, and onto the pages of its run.

    Parameters
    ----------
    bundle : Path
        The audited model's.
    audit : str
        Its name, as in `AUDITS`.
    texts : sequence of str
        As `limits_of`.

    Returns
    -------
    Path, optional
        Of ``limits.json``; None where the folder is no bundle, or may not be written beside.
    """
    if not (bundle / "bundle.json").is_file():
        return None
    try:
        path = record_limits(bundle, f"audit of {audit}", texts)
    except OSError:
        return None
    run = run_around(path)
    if run is not None:
        quote_limits(run)
    return path


def write_index(folder: Path, verdicts: Mapping[str, tuple[str, str]]) -> Path:
    """Write ``index.html`` and ``index.json`` over the audits of a run.

    Parameters
    ----------
    folder : Path
        ``audit`` in the run's folder; each audit has a folder in it.
    verdicts : mapping
        Name of an audit -> its verdict, and what stands in the way of another one, or empty.

    Returns
    -------
    Path
        Of the page.
    """
    make_folder(folder)
    rows = []
    for name, (verdict, why) in verdicts.items():
        page = f"{name}/audit.html"
        shown = Markup('<a href="{}">{}</a>').format(page, f"Audit of {name}")
        cell = Markup('<b class="{}">{}</b>').format(verdict, verdict)
        there = (folder / page).is_file() and verdict != "not looked at" and not why
        rows.append((shown if there else f"Audit of {name}", cell, AUDITS[name], why))
    table = parts.table("", ("Audit", "Verdict", "Question", "Remark"), rows, note=MEANING)
    back = ("../report.html", "report of the run")
    parts.Page("Audits of the run", [table], back=back).write(folder / "index.html")
    record = {name: {"verdict": v, "remark": why} for name, (v, why) in verdicts.items()}
    write_json(folder / "index.json", record)
    run = run_around(folder / "index.html")
    if run is not None:
        quote_limits(run)
    return folder / "index.html"
