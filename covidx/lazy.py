"""Packages whose names are imported when asked for (PEP 562), so that a part loads no more."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def lazy_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package, by its imports under ``TYPE_CHECKING``.

    So a name stands in one place, for type checkers and for Python alike. No name may be that of
    a module beside it, which Python would give in its place.

    Parameters
    ----------
    package : str
        ``__name__``
    file : str
        ``__file__``

    Examples
    --------
    >>> from covidx import evaluate
    >>> evaluate.OperatingPoint.__module__
    'covidx.evaluate.operating_point'
    """

    def get(name: str) -> Any:
        modules = _modules(file)
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(_modules(file))


@cache
def _modules(file: str) -> dict[str, str]:
    """Name -> module, of the imports under ``if TYPE_CHECKING``."""
    modules: dict[str, str] = {}
    for node in ast.parse(Path(file).read_bytes()).body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            for line in node.body:
                if isinstance(line, ast.ImportFrom):
                    modules |= {alias.name: str(line.module) for alias in line.names}
    return modules
