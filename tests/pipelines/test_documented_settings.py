"""What the docs say to set can be set."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from covidx.config import load_config
from covidx.kinds import resolve, trainings

ROOT = Path(__file__).parents[2]
VERBS = {training.verb: training for _, training in trainings()}
COMMAND = re.compile(r"(?:make train-|covidx train )([\w-]+)([^#\n`]*)")


def settings(verb: str) -> Path:
    path: Path = resolve(VERBS[verb].settings)
    return path


def documented() -> list[tuple[str, str]]:
    """Verb and change, as make or the command line hands them on."""
    found = set()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text().replace("\\\n", " ")
        for verb, rest in COMMAND.findall(text):
            words = shlex.split(rest) if rest.count("'") % 2 == 0 else []
            changes = [after for word, after in pairwise(words) if word == "--set"]
            for word in words:
                changes += word.removeprefix("SET=").split() if word.startswith("SET=") else []
            found |= {(verb, change) for change in changes}
    for verb in VERBS:
        (change,) = re.findall(r"--set (\S+)", settings(verb).read_text().partition("\nseed:")[0])
        found.add((verb, change))
    return sorted(found)


@pytest.mark.parametrize(("verb", "change"), documented())
def test_a_documented_change_is_taken(verb: str, change: str) -> None:
    assert load_config(settings(verb), resolve(VERBS[verb].config), [change]) is not None
