"""Each command on a page is one that covidx takes, and each target one that make has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from covidx.cli import app
from tests.pages import blocks

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
INLINE = re.compile(r"`((?:covidx|make) [^`\n]+)`")


def commands(page: Path) -> Iterator[str]:
    """Lines of fenced blocks and code in sentences that call covidx or make."""
    for language, text in blocks(page):
        if language not in ("", "bash"):
            continue
        for line in text.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if line.startswith(("covidx ", "make ")):
                yield line
    yield from INLINE.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M))


ADDED = "covidx train toy"
"""Of the kind that docs/adding-a-model.md adds."""
ALL = [
    (page.name, line) for page in PAGES for line in dict.fromkeys(commands(page)) if line != ADDED
]


def _words(line: str) -> list[str]:
    """Words up to a comment, a pipe, or another command."""
    words = shlex.split(line.partition("  #")[0].partition(" # ")[0], comments=True)
    ends = (k for k, word in enumerate(words) if word in ("|", "||", "&&", ">", "&", ";"))
    return words[: next(ends, len(words))]


@pytest.mark.parametrize(("page", "line"), [one for one in ALL if one[1].startswith("covidx ")])
def test_covidx_takes_the_command(page: str, line: str) -> None:
    words = _words(line)[1:]
    if "…" in line or "..." in line or words[0].isupper():
        words = [word for word in words if "…" not in word and "..." not in word]
    command: Any = typer.main.get_command(app)
    context = command.make_context("covidx", ["info"], resilient_parsing=True)
    while hasattr(command, "list_commands") and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, line
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    named = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert named <= {*options, "--help"}, line


@pytest.mark.parametrize(("page", "line"), [one for one in ALL if one[1].startswith("make ")])
def test_make_has_the_target_and_reads_its_variables(page: str, line: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in _words(line)[1:]:
        name, equals, _ = word.partition("=")
        known = rf"\$\({name}\)" if equals else rf"^{re.escape(name)}:"
        assert re.search(known, makefile, re.MULTILINE), word
