"""The finding of an audit on one question: looked for, found, how sure, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from covidx.evaluate import Estimate
from covidx.evaluate.significance import PValue

Verdict = Literal["pass", "note", "fail", "not looked at"]
"""``note``: worth knowing, no fault by itself. ``not looked at``: the data do not allow it."""


@dataclass(frozen=True)
class Finding:
    """One question about the data, and the result in plain words.

    Parameters
    ----------
    name : str
        For scripts, such as ``patient_across_roles``.
    title : str
        A heading.
    verdict : {"pass", "note", "fail", "not looked at"}
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


ORDER: tuple[Verdict, ...] = ("fail", "note", "pass", "not looked at")


def gravest_first(findings: Iterable[Finding]) -> list[Finding]:
    """The `findings` with faults first, then notes; those of one verdict stay in their order."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.verdict))


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any of the `findings` is a fault."""
    return any(finding.verdict == "fail" for finding in findings)
