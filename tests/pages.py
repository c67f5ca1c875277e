"""Pages whose blocks are run: the commands, the Python, and what is printed."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each fenced block of a page."""
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield found[1], found[2]


def run_page(page: Path, place: Path) -> None:
    """Run the blocks of a page one after another in a folder, and compare what they print.

    ``bash`` blocks go to a shell that stops at the first error. ``python`` blocks share names, and
    are run together, as a script would be. A block without a language states what the one before it
    prints; ``...`` stands for anything.
    """
    found = list(blocks(page))
    script = ""
    for number, (language, text) in enumerate(found):
        following = found[number + 1 :]
        wanted = following[0][1] if following and not following[0][0] else None
        if language == "bash":
            printed = _run(["bash", "-euo", "pipefail", "-c", text], place)
        elif language == "python":
            script += text
            later = any(one == "python" for one, _ in following)
            if later and wanted is None:
                continue
            (place / "page.py").write_text(script)
            printed, script = _run([sys.executable, "page.py"], place), ""
        else:
            continue
        if wanted is not None:
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            same = doctest.OutputChecker().check_output(wanted, printed, flags)
            assert same, f"{page.name} states\n{wanted}\nand it prints\n{printed}"


def with_covidx() -> dict[str, str]:
    """The environment of a shell in which covidx is installed."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": programs}


def _run(words: list[str], place: Path) -> str:
    done = subprocess.run(words, cwd=place, env=with_covidx(), capture_output=True, text=True)
    assert done.returncode == 0, f"{words[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout
