"""``results.json`` as a Markdown table: print it, or put it into docs/benchmarks.md.

python -m benchmarks.table [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import RESULTS, Result, read_results
from covidx.files import replacing

DOCUMENT = RESULTS.parent.parent / "docs" / "benchmarks.md"
START, END = "<!-- results: python -m benchmarks.table --write -->", "<!-- end of results -->"


def markdown(results: Mapping[str, Result]) -> str:
    """One row a result, in the order of names."""
    lines = ["| name | value | low to high | n | against | commit |", "|---|---|---|---|---|---|"]
    for name, one in sorted(results.items()):
        digits = 2 if max(abs(one.value), abs(one.high)) >= 10 else 3
        value, low, high = (f"{number:.{digits}f}" for number in (one.value, one.low, one.high))
        against = one.against.replace("|", "\\|")
        lines.append(
            f"| `{name}` | {value} | {low} to {high} | {one.n} | {against} | {_short(one.commit)} |"
        )
    return "\n".join(lines)


def write_document(results: Mapping[str, Result], path: Path = DOCUMENT) -> None:
    """Replace the table between the two marks of a document.

    Raises
    ------
    ValueError
        If the document lacks the marks.
    """
    before, start, rest = path.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{path} has no place for the table: {START} … {END}")
    with replacing(path) as temporary:
        temporary.write_text(f"{before}{START}\n{markdown(results)}\n{END}{after}")


def _short(commit: str | None) -> str:
    """Seven digits of each commit, changes kept: ``6af54b6+changes``."""
    if commit is None:
        return "unknown"
    parts = [part.partition("+") for part in commit.split(", ")]
    return ", ".join(f"{name[:7]}{plus}{changes}" for name, plus, changes in parts)


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    if parser.parse_args().write:
        write_document(read_results())
    else:
        print(markdown(read_results()))


if __name__ == "__main__":
    main()
