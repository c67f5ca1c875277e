"""Odd tables are the same for the same seed, and what they do to covidx is counted."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import table_fuzz as module
from benchmarks.table_fuzz import faults_of, one, table_fuzz
from benchmarks.table_fuzz_content import ODDITIES, Content, content
from covidx import class_names


def test_contents_do_not_change() -> None:
    first, again = (content(random.Random(str(k))) for k in (5, 5))
    assert first.rows == again.rows and first.oddities == again.oddities
    done = Counter(name for k in range(300) for name in content(random.Random(str(k))).oddities)
    assert set(done) == {oddity.__name__ for oddity in ODDITIES}


def test_no_table_of_some_hundred_does_harm(tmp_path: Path) -> None:
    kinds: Counter[str] = Counter()
    for index in range(60):
        faults, of_one = one(index, tmp_path, seed=7)
        assert faults == []
        kinds.update(of_one)
    assert kinds.total() == 240 and kinds["read"] > 50 and len(kinds) > 8


def test_harm_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With labels taken as they are written, a class changes in silence or differs by format."""
    monkeypatch.setattr(class_names, "label_key", str)
    monkeypatch.setattr(class_names, "doubtful", lambda labels, positive: [])
    assert any(one(index, tmp_path, seed=7)[0] for index in range(60))


def test_every_fault_is_named() -> None:
    sound = Content("labels", ["patient_id", "label"], [["a", "x"], ["b", "y"]], {"a": True})
    for answers, text in (
        ({"csv": ("CODE", ["why"])}, "refused though nothing is wrong: why"),
        ({"csv": ({"a": (False,), "b": (True,)}, [])}, "a is False, and not True"),
        ({"csv": ({"a": (True,)}, ["0 rows left out"])}, "1 rows used and 0 counted of 2"),
        ({"csv": ({"a": (True,)}, ["1 row left out"]), "xlsx": ("CODE", [""])}, "xlsx differs"),
    ):
        assert text in " ".join(faults_of(sound, answers))
    assert not list(faults_of(sound, {"csv": ({"a": (True,)}, ["1 row left out: no label"])}))


def test_an_interrupted_benchmark_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = []

    def chunk(start: int, stop: int, seed: int) -> dict[str, object]:
        chunks.append((start, stop))
        return {"faults": ["3 (labels; ): csv: X"] * (start == 0), "kinds": {"read": 4}}

    monkeypatch.setattr(module, "_chunk", chunk)
    for _ in range(2):
        found = table_fuzz(2000, work=tmp_path, say=lambda line: None)
        assert found["table_fuzz_files"].value == 2000
        assert found["table_fuzz_failures"].value == 1
    assert chunks == [(0, 250), (250, 500)]
