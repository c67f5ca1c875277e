"""Errors: what they say, that builtins catch them, and that they survive a pickle."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import pytest

from covidx import errors
from covidx.cells import read_cells
from covidx.errors import CovidxError, InvalidSeriesError, StoreError, published_error

CHILDREN = [
    child
    for _, child in inspect.getmembers(errors, inspect.isclass)
    if issubclass(child, CovidxError)
]


def test_message_gives_code_place_both_values_and_advice() -> None:
    error = CovidxError(
        "CODE", "It is wrong.", path="f.csv:3", expected="1", actual=0, hint="Mend it."
    )
    assert str(error).splitlines() == [
        "[CODE] It is wrong.",
        "  path: f.csv:3",
        "  expected: 1",
        "  actual: 0",
        "  what to do: Mend it.",
    ]


def test_what_is_not_known_is_not_said() -> None:
    assert str(CovidxError("CODE", "It is wrong.")) == "[CODE] It is wrong."


@pytest.mark.parametrize("child", CHILDREN)
def test_every_error_comes_home_from_a_worker_process(child: type[CovidxError]) -> None:
    error = child("CODE", "It is wrong.", path="p", expected=(1, 2), actual=None, hint="h")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is child
    assert (str(back), back.code, back.expected) == (str(error), "CODE", (1, 2))


def test_builtins_catch_them() -> None:
    with pytest.raises(ValueError, match="CODE"):
        raise InvalidSeriesError("CODE", "It is wrong.")
    with pytest.raises(OSError, match="CODE"):
        raise StoreError("CODE", "It is wrong.")


def test_every_child_is_exported() -> None:
    assert sorted(errors.__all__) == sorted(child.__name__ for child in CHILDREN)


def test_reason_is_one_line_without_the_path() -> None:
    error = CovidxError("NO_LUNGS", "No lungs.", path="/x", expected="1 l", actual="0 l")
    assert error.reason == "No lungs. Found 0 l, expected 1 l."
    assert CovidxError("NO_LUNGS", "No lungs.", path="/x", expected="1 l").reason == "No lungs."


def test_what_a_published_run_says_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither path nor cell; of errors that are not covidx's own neither their words."""
    known = StoreError("FULL", "No room.", path="/data/Иванов", actual="王小明", hint="h")
    assert published_error(known) == "StoreError: [FULL] No room."
    assert published_error(KeyError("王小明")) == "KeyError"

    def fail(*_: object, **__: object) -> None:
        raise KeyError("王小明")

    monkeypatch.setattr("covidx.cells.read_lines", fail)
    with pytest.raises(KeyError) as caught:
        read_cells(Path("a.csv"))
    assert published_error(caught.value).startswith("KeyError in cells.py line ")
