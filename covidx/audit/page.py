"""An audit on disk: ``audit.json`` for programs, ``audit.html`` for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from covidx.audit.finding import Finding, Overall
from covidx.files import make_folder, write_json
from covidx.report import page as parts

MOST_ROWS = 200
"""Rows of evidence that the page shows; the JSON has all."""


def write_audit(
    out: Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    findings: Sequence[Finding],
    verdict: Overall,
    pictures: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write ``audit.json`` and ``audit.html``.

    Parameters
    ----------
    out : Path
        The folder; made where it is not there.
    title : str
        Heading of the page.
    facts : sequence of (name, value)
        What was audited.
    findings : sequence of Finding
        In the order in which they are shown.
    verdict : str
        Over all of them, as `finding.overall`.
    pictures : sequence of (file name in `out`, what it shows), optional
        Shown above the findings.

    Returns
    -------
    Path
        Of the page.
    """
    make_folder(out)
    counts = Counter(finding.verdict for finding in findings)
    record = {
        "title": title,
        "verdict": verdict,
        "facts": dict(facts),
        "findings": [finding.to_json() for finding in findings],
    }
    write_json(out / "audit.json", record)
    values = {
        "verdict": verdict,
        "summary": f"{counts['fail']} faults, {counts['cannot tell']} questions that the "
        f"data cannot answer, {counts['note']} notes, {counts['pass']} questions without a "
        f"finding, {counts['not looked at']} not looked at.",
        "findings": findings,
        "pictures": pictures,
        "most": MOST_ROWS,
    }
    body = parts.Section(template="audit.html", values=values)
    sections = [body, parts.facts(facts, "What was audited")]
    parts.Page(title, sections).write(out / "audit.html")
    return out / "audit.html"
