"""Docstrings of the public code: every parameter of every public function has text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import covidx

ROOT = Path(covidx.__file__).parent
LATER: tuple[str, ...] = ()
"""Packages of covidx whose docstrings are not complete."""
HELPED = ("cli",)
"""Packages whose parameters are described by the help of the command line."""

SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
FEW = 2
"""Parameters up to which a sentence that names each in backticks is enough."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _files() -> list[Path]:
    left_out = [ROOT / room for room in (*LATER, *HELPED)]
    files = [file for file in ROOT.rglob("*.py") if not file.name.startswith("_")]
    return sorted(f for f in files if not any(f.is_relative_to(room) for room in left_out))


def _public(
    body: list[ast.stmt], prefix: str = ""
) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Public classes and functions of a module, and the public methods of those classes."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, f"{node.name}.")


def _parameters(function: Function) -> list[str]:
    """Names of the parameters besides `self` and `cls`."""
    names = function.args
    every = [*names.posonlyargs, *names.args, names.vararg, *names.kwonlyargs, names.kwarg]
    return [arg.arg for arg in every if arg is not None and arg.arg not in ("self", "cls")]


def _entries(docstring: str, section: str) -> dict[str, str]:
    """Parameter -> text, of a numpydoc section."""
    parts = SECTION.split(docstring)
    body = dict(zip(parts[1::2], parts[2::2], strict=True)).get(section, "")
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", body):
        head, _, text = entry.partition("\n")
        for name in head.partition(" : ")[0].split(","):
            if name.strip():
                entries[name.strip().lstrip("*")] = text.strip()
    return entries


def faults(source: str) -> list[str]:
    """What the docstrings of a module lack, a line each."""
    lines = []
    for name, node in _public(ast.parse(source).body):
        docstring = ast.get_docstring(node) or ""
        documented = _entries(docstring, "Parameters")
        entries = {**documented, **_entries(docstring, "Attributes")}
        lines += [f"{name}: {entry} has no text" for entry, text in entries.items() if not text]
        if isinstance(node, ast.ClassDef):
            continue
        parameters = _parameters(node)
        summary = SECTION.split(docstring)[0]
        if len(parameters) <= FEW and all(f"`{one}`" in summary for one in parameters):
            continue
        lines += [f"{name}: {one} is not described" for one in parameters if one not in documented]
    return lines


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_that_every_parameter_has_text(path: Path) -> None:
    assert faults(path.read_text()) == []


COMPLETE = '''
def scale(values, factor, *, offset=0.0):
    """Scale values.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In HU.
    factor, offset : float
        What is multiplied by, and then added.
    """

def half(value):
    """Half of `value`."""

def _private(value): ...
'''


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("        In HU.\n", "", "scale: values has no text"),
        ("factor, offset", "factor", "scale: offset is not described"),
        ("Half of `value`.", "Half of it.", "half: value is not described"),
        ("def _private", "def private", "private: value is not described"),
    ],
)
def test_that_the_check_can_fail(old: str, new: str, fault: str) -> None:
    assert faults(COMPLETE) == []
    assert faults(COMPLETE.replace(old, new)) == [fault]
