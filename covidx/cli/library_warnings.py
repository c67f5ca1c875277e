"""Warnings and logs of libraries: off the terminal, counted, and shown where they are wanted."""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class _OwnAlone(logging.Handler):
    """Prints what covidx itself warns of: without any handler, Python prints all loggers' words."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of a `record` of covidx to standard error."""
        if record.name.partition(".")[0] == "covidx":
            print(record.getMessage(), file=sys.stderr)


HANDLER = _OwnAlone(logging.WARNING)


@contextmanager
def held_back() -> Iterator[None]:
    """Keep what libraries warn of from standard error, and end with one line that counts it.

    Such a warning names lines of code that a user cannot change, and may quote what a file holds.
    ``PYTHONWARNINGS=default`` or ``python -W default`` shows all, as they are.
    """
    if sys.warnoptions:
        yield
        return
    logging.getLogger().addHandler(HANDLER)
    packages: Counter[str] = Counter()

    def count(message: Any, category: Any, filename: str, *_: Any, **__: Any) -> None:
        packages[_package(filename)] += 1

    with warnings.catch_warnings():
        warnings.showwarning = count
        try:
            yield
        finally:
            if packages:
                named = ", ".join(f"{name} {n}" for name, n in sorted(packages.items()))
                print(
                    f"Held back from libraries: {named}. PYTHONWARNINGS=default shows them.",
                    file=sys.stderr,
                )


def _package(filename: str) -> str:
    """The library that a file of Python code belongs to.

    >>> _package("/venv/lib/python3.11/site-packages/nibabel/nifti1.py")
    'nibabel'
    >>> _package("<string>")
    'python'
    """
    parts = Path(filename).parts
    if "site-packages" not in parts:
        return "python"
    return parts[parts.index("site-packages") + 1].removesuffix(".py")
