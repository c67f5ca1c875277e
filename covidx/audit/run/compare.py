"""Two folders of one run: did the replay give the same?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from covidx.audit.finding import Finding, Overall, overall
from covidx.audit.run.folder import AnyRun, read_run
from covidx.audit.run.tables import tables_finding
from covidx.files import sha256_file
from covidx.runs import RunRecord

ELSEWHERE = "within the claimed interval"
"""Where the headline figure must lie on another machine, lock or code. Sums are rounded in another
order there, and training carries that on: with two threads in place of one, probabilities of a
small run were up to 0.09 apart after one epoch. No limit on single scores would hold."""
NAMES = {"trained_on.dataset", "dataset"}
"""Without a card a data set is named by where it lies."""
DIGESTS = ("split_sha256", "table_sha256", "masks_sha256", "card_sha256")
CERTAIN = "Certain."


@dataclass(frozen=True)
class RunComparison:
    """What a replay gave beside the run.

    Parameters
    ----------
    run, replay : str
        Ids.
    same_place : bool
        Whether machine, lock, versions and code are the same.
    bit_for_bit : bool
        Whether tables, weights and bundle are the same to the last bit.
    largest : float
        Greatest difference in a table, a probability of a classifier; infinite where units differ.
    n : int
        Rows compared.
    figure : str
        The headline figure, such as ``auroc`` or ``opacity.dice``.
    claimed, replayed : dict
        That figure as ``metrics.json`` has it.
    findings : list of Finding
        Place, data, tables, bundle and metrics, in this order.
    """

    run: str
    replay: str
    same_place: bool
    bit_for_bit: bool
    largest: float
    n: int
    figure: str
    claimed: dict[str, Any]
    replayed: dict[str, Any]
    findings: list[Finding] = field(repr=False)

    @property
    def verdict(self) -> Overall:
        """``pass`` or ``fail``."""
        return overall(self.findings)

    @property
    def outcome(self) -> str:
        """In a few words, for a badge."""
        if self.verdict == "fail":
            return "not reproduced"
        return "bit for bit" if self.bit_for_bit else f"{self.figure} {ELSEWHERE}"

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "run": self.run,
            "replay": self.replay,
            "verdict": self.verdict,
            "outcome": self.outcome,
            "bit_for_bit": self.bit_for_bit,
            "same_machine_lock_and_code": self.same_place,
            "max_abs_difference": self.largest if np.isfinite(self.largest) else None,
            "rows": self.n,
            "asked_for": "bit for bit" if self.same_place else f"{self.figure} {ELSEWHERE}",
            "figure": self.figure,
            "claimed": self.claimed,
            "replayed": self.replayed,
        }


def compare_runs(run: Path, replay: Path) -> RunComparison:
    """Compare a run with one that was trained from its record.

    Parameters
    ----------
    run, replay : Path
        Folders of two finished runs of one pipeline.

    Raises
    ------
    CovidxError
        As `folder.read_run`, of either.
    """
    first, second = read_run(run), read_run(replay)
    place = _place_rows(first.record, second.record)
    tables, largest, n = tables_finding(first, second, bool(place))
    bundle, same_bundle = _bundles(first, second, bool(place))
    findings = [
        _place_finding(place, first.headline),
        _data_finding(first, second),
        tables,
        bundle,
        _metrics_finding(first, second, bool(place)),
    ]
    return RunComparison(
        first.record.run_id,
        second.record.run_id,
        not place,
        same_bundle and largest == 0,
        largest,
        n,
        first.headline,
        first.figure(first.headline),
        second.figure(first.headline),
        findings,
    )


def _place_rows(then: RunRecord, now: RunRecord) -> list[dict[str, Any]]:
    """What shapes the last bits of a result and is not the same."""

    def facts(record: RunRecord) -> dict[str, object]:
        own = record.machine.model_dump(include={"processor", "cpu", "threads"})
        code = {"code": record.code_sha256, "lock": record.lock_sha256}
        return {**own, **code, **record.versions}

    one, two = facts(then), facts(now)
    return [
        {"what": key, "run": _short(one.get(key)), "replay": _short(two.get(key))}
        for key in dict.fromkeys([*one, *two])
        if one.get(key) != two.get(key)
    ]


def _short(value: object) -> str:
    text = "not recorded" if value is None else str(value)
    return text[:12] if len(text) == 64 else text


def _place_finding(rows: list[dict[str, Any]], figure: str) -> Finding:
    return Finding(
        "same_place",
        "Machine, lock and code",
        "note" if rows else "pass",
        "processor, threads, lock, versions and code of both",
        f"{len(rows)} differ, and rounding with them; asked for is {figure} {ELSEWHERE}."
        if rows
        else "They are the same, so that every bit must be.",
        CERTAIN,
        "",
        rows,
    )


def _data_finding(first: AnyRun, second: AnyRun) -> Finding:
    then, now = first.record.data, second.record.data
    rows: list[dict[str, Any]] = [
        {"what": key, "run": then.get(key), "replay": now.get(key)}
        for key in DIGESTS
        if then.get(key) != now.get(key)
    ]
    if first.manifest is not None and second.manifest is not None:
        one, two = (sorted(table["sha256"]) for table in (first.manifest, second.manifest))
        if one != two:
            n = len(set(one) ^ set(two))
            rows.append({"what": "images", "run": len(one), "replay": f"{n} others"})
    return Finding(
        "same_data",
        "Data and split",
        "fail" if rows else "pass",
        "digests of images, tables, masks, card and split",
        f"{len(rows)} differ." if rows else "They are the same.",
        CERTAIN,
        "The replay was on other data: find those of the run." if rows else "",
        rows,
    )


def _bundles(first: AnyRun, second: AnyRun, elsewhere: bool) -> tuple[Finding, bool]:
    said, again = (one.bundle.model_dump(mode="json") for one in (first, second))
    rows = [
        {"what": key, "run": _short(then), "replay": _short(now)}
        for key, then, now in _differences(said, again)
        if key.partition(".")[0] not in first.bundle.NOT_HASHED and key not in NAMES
    ]
    weights = sorted(
        p.relative_to(first.folder) for p in first.folder.glob("bundle/**/*.safetensors")
    )
    for path in weights:
        other = second.folder / path
        if not other.is_file() or sha256_file(other) != sha256_file(first.folder / path):
            rows.append({"what": path.as_posix(), "run": "", "replay": "other bytes"})
    found = (
        f"{len(rows)} fields or files differ, such as {rows[-1]['what']}."
        if rows
        else (
            f"It is the same: {first.bundle.sha256[:12]}."
            if first.bundle.sha256 == second.bundle.sha256
            else "It is the same but for the name of the data set, which is where they lie."
        )
    )
    finding = Finding(
        "same_bundle",
        "Bundle",
        ("note" if elsewhere else "fail") if rows else "pass",
        "every field of bundle.json but run, time and versions, and the weights byte for byte",
        found,
        CERTAIN,
        "" if elsewhere or not rows else "Something that shapes the model is not in the record.",
        rows,
    )
    return finding, not rows


def _metrics_finding(first: AnyRun, second: AnyRun, elsewhere: bool) -> Finding:
    rows = [
        {"what": key, "run": then, "replay": now}
        for key, then, now in _differences(first.metrics, second.metrics)
    ]
    claimed, again = (run.figure(first.headline) for run in (first, second))
    low, high, value = claimed["low"], claimed["high"], again["value"]
    inside = None not in (low, high, value) and low <= value <= high
    verdict: Any = ("note" if elsewhere and inside else "fail") if rows else "pass"
    found = "Every number is the same."
    if rows:
        where = "within" if inside else "outside"
        found = f"{len(rows)} numbers differ; {first.headline} lies {where} the claimed interval."
    to_do = "The claimed figure does not come out again: do not use it." if not inside else ""
    looked = f"every number of metrics.json; {first.headline} against the claimed interval"
    return Finding(
        "same_metrics", "Metrics", verdict, looked, found, CERTAIN, to_do if rows else "", rows
    )


def _differences(one: Any, two: Any, place: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in dict.fromkeys([*one, *two]):
            yield from _differences(one.get(key), two.get(key), f"{place}.{key}".lstrip("."))
    elif one != two:
        yield place, one, two
