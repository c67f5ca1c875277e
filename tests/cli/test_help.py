"""What a newcomer meets: help under headings, an example of each verb, version, completion."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

import covidx as package
from covidx.cli import GROUPS, HIDDEN, app
from covidx.cli.examples import EXAMPLES
from tests.cli.conftest import Call


def _commands() -> Iterator[tuple[str, Any]]:
    root: Any = typer.main.get_command(app)
    context = root.make_context("covidx", ["info"], resilient_parsing=True)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if not hasattr(command, "list_commands"):
            yield name, command
            continue
        for sub in command.list_commands(context):
            yield f"{name} {sub}", command.get_command(context, sub)


COMMANDS = dict(_commands())


def test_each_verb_has_an_example_and_each_example_a_verb() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("verb", EXAMPLES)
def test_examples_use_options_that_there_are(verb: str) -> None:
    words = shlex.split(EXAMPLES[verb])
    own = verb.split()
    assert words[: 1 + len(own)] == ["covidx", *own]
    params = COMMANDS[verb].params
    options = {name for param in params for name in param.opts if name.startswith("--")}
    assert {word for word in words if word.startswith("--")} <= options
    needed = {p.opts[0] for p in params if p.required and p.opts[0].startswith("--")}
    assert needed <= set(words)
    assert EXAMPLES[verb] in COMMANDS[verb].epilog


def test_help_stands_under_headings_and_names_every_verb(covidx: Call) -> None:
    shown = covidx("--help").out
    places = [shown.index(f"─ {heading} ") for heading in GROUPS]
    assert places == sorted(places)
    for verbs in GROUPS.values():
        assert all(f"│ {verb} " in shown for verb in verbs if verb not in HIDDEN)
    assert "Exit codes: 0 done" in shown and "--install-completion" in shown
    assert "--install-completion" not in covidx("train", "--help").out


def test_version(covidx: Call) -> None:
    answer = covidx("--version")
    assert (answer.code, answer.out) == (0, f"covidx {package.__version__}\n")
