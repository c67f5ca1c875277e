"""results.json: merging, checking, and the table in the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks.results import Result, read_results, record, result_of
from benchmarks.table import DOCUMENT, END, START, markdown, write_document
from covidx.errors import InvalidTableError
from covidx.evaluate import Estimate

FIELDS = ["value", "low", "high", "n", "against", "command", "commit"]


def _result(value: float = 0.8, **changes: object) -> Result:
    fields = {
        "low": 0.7,
        "high": 0.9,
        "n": 10,
        "against": "0.5",
        "command": "c",
        "commit": "a" * 40,
    }
    return Result.model_validate({"value": value, **fields, **changes})


def test_only_own_names_are_replaced_and_keys_are_sorted(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    record({"zebra": _result(0.8), "mouse": _result(0.75)}, path)
    record({"zebra": _result(0.85), "ant": _result()}, path)
    found = json.loads(path.read_text())
    assert list(found) == ["ant", "mouse", "zebra"]
    assert list(found["ant"]) == FIELDS
    assert (found["mouse"]["value"], found["zebra"]["value"]) == (0.75, 0.85)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.json"]


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 0.81},
        {"high": 0.79},
        {"high": float("nan")},
        {"low": None},
        {"n": 0},
        {"against": ""},
        {"method": "unknown"},
    ],
)
def test_a_result_without_a_sound_interval_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _result(**changes)


def test_a_spoilt_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"one": {"value": 0.5}}))
    with pytest.raises(InvalidTableError, match=r"one\.low"):
        record({"two": _result()}, path)
    assert json.loads(path.read_text()) == {"one": {"value": 0.5}}


def test_an_estimate_becomes_a_result() -> None:
    found = result_of(Estimate(0.81236, 0.7, 0.9, 12, "DeLong"), "0.5", "command", "commit")
    assert (found.value, found.low, found.high, found.n) == (0.8124, 0.7, 0.9, 12)


def test_the_table_goes_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    write_document({"b": _result(commit="1234567890+changes"), "a": _result(12.5, high=13)}, page)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| `a` | 12.50 | 0.70 to 13.00 | 10 | 0.5 | aaaaaaa |" in text
    assert "| `b` | 0.800 | 0.700 to 0.900 | 10 | 0.5 | 1234567+changes |" in text
    page.write_text("no place")
    with pytest.raises(ValueError, match="no place"):
        write_document({}, page)


def test_the_documentation_shows_what_results_json_holds() -> None:
    shown = DOCUMENT.read_text().partition(START)[2].partition(END)[0].strip()
    assert shown == markdown(read_results()), "Run: python -m benchmarks.table --write"
