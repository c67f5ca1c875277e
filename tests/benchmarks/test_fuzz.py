"""Damage is the same for the same seed, and what it does to covidx is counted."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import fuzz as module
from benchmarks.fuzz import MUTATIONS, corpus, fuzz, mutated


def test_the_corpus_and_its_damage_do_not_change(tmp_path: Path) -> None:
    first, again = corpus(tmp_path / "a"), corpus(tmp_path / "b")
    assert first == again
    assert list(mutated(first, 40, 5)) == list(mutated(again, 40, 5))
    assert list(mutated(first, 40, 6)) != list(mutated(first, 40, 5))


def test_damage_is_damage(tmp_path: Path) -> None:
    files = corpus(tmp_path)
    sound = set(files.values())
    damaged = [data for _, data in islice(mutated(files, 200, 5), 200)]
    assert sum(data in sound for data in damaged) < 10
    assert len(MUTATIONS) == 10


def test_no_damaged_file_of_a_hundred_does_harm() -> None:
    found = fuzz(100, seed=3)
    assert found["fuzz_files"].value == 100
    assert found["fuzz_failures"].value == 0


READER = """
import os, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    if path.name < sys.argv[2]:
        continue
    if path.read_bytes() == b"ends":
        os._exit(3)
    kind = "fault not in the account" if path.read_bytes() == b"lost" else "read"
    print(path.name, kind, sep="\\t", flush=True)
"""


def test_harm_is_counted_and_the_file_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [("0", b"a"), ("1", b"ends"), ("2", b"b"), ("3", b"lost"), ("4", b"ends")]
    monkeypatch.setattr(module, "READ_EACH", [sys.executable, "-c", READER])
    monkeypatch.setattr(module, "corpus", lambda _: {})
    monkeypatch.setattr(module, "mutated", lambda *_: iter(files))
    monkeypatch.setattr(module, "_together", lambda *_: iter(()))
    found = fuzz(len(files), keep=tmp_path / "kept")
    assert found["fuzz_failures"].value == 3
    assert "read 2" in found["fuzz_files"].against
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["1", "3", "4"]
