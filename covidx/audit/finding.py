"""The finding of an audit on one question: looked for, found, how sure, what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from covidx.evaluate import Estimate
from covidx.evaluate.significance import PValue

Verdict = Literal["pass", "note", "fail", "cannot tell", "not looked at"]
"""``note``: worth knowing, no fault by itself. ``cannot tell``: looked at, but the model has no
skill or the interval is wide, so that a fault would not show. ``not looked at``: no input."""
Overall = Literal["pass", "fail", "cannot tell"]
EXIT_CODES: dict[str, int] = {"pass": 0, "fail": 1, "cannot tell": 3, "not looked at": 0}
"""Of a command that ends with a verdict; 2 is unusable input."""
RULED_OUT = 0.8
"""AUROC below which an interval must lie for a question to pass: one that reaches it leaves room
for a shortcut that separates the classes well, and cannot tell. Modelling choice."""


@dataclass(frozen=True)
class Finding:
    """One question about the data, and the result in plain words.

    Parameters
    ----------
    name : str
        For scripts, such as ``patient_across_roles``.
    title : str
        A heading.
    verdict : {"pass", "note", "fail", "cannot tell", "not looked at"}
        See `Verdict`.
    looked_for, found, how_sure, to_do : str
        Sentences for a person; `to_do` is empty where there is nothing to do.
    rows : list of dict
        Evidence, one dict a row with the same keys. Images are named by table and line: an id or a
        file name may identify a patient.
    estimate : Estimate, optional
        The figure that the verdict rests on.
    test : PValue, optional
        Its test.
    decides : bool
        Whether the verdict over all findings is open while this one cannot tell.
    """

    name: str
    title: str
    verdict: Verdict
    looked_for: str
    found: str
    how_sure: str
    to_do: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    estimate: Estimate | None = None
    test: PValue | None = None
    decides: bool = True

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        record = {
            name: getattr(self, name)
            for name in ("name", "title", "verdict", "looked_for", "found", "how_sure", "to_do")
        }
        if self.estimate is not None:
            record["estimate"] = self.estimate.to_json()
        if self.test is not None:
            record["test"] = self.test.to_json()
        return record | {"rows": self.rows}


ORDER: tuple[Verdict, ...] = ("fail", "cannot tell", "note", "pass", "not looked at")


def gravest_first(findings: Iterable[Finding]) -> list[Finding]:
    """The `findings`, faults first, then what is open; those of one verdict as they stood."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.verdict))


def overall(findings: Iterable[Finding], needed: Collection[str] = ()) -> Overall:
    """The verdict over all findings of an audit.

    Parameters
    ----------
    findings : iterable of Finding
        Of one audit.
    needed : collection of str
        Names of the questions that the audit is about: where one of them could not be looked at,
        the audit cannot tell.

    Returns
    -------
    str
        ``fail`` with any fault; ``cannot tell`` where a question that decides is open; ``pass``.
    """
    found = list(findings)
    if any(one.verdict == "fail" for one in found):
        return "fail"
    blind = any(one.name in needed and one.verdict == "not looked at" for one in found)
    if blind or any(one.decides and one.verdict == "cannot tell" for one in found):
        return "cannot tell"
    return "pass"
