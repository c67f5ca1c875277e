"""Packages whose names are loaded when asked for (PEP 562), so that one use loads one module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package that loads its public names when used.

    Call it in the ``else`` of ``if TYPE_CHECKING:``, whose body imports the same names in the
    usual way: type checkers and import-linter read that. No name may be that of a module of the
    package: the module takes the name once it is loaded. ``tests/test_lazy.py`` checks both.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : mapping of str to sequence of str
        Module of the package -> the public names that it defines.

    Returns
    -------
    tuple of two functions
        ``__getattr__`` and ``__dir__`` of the package.

    Examples
    --------
    >>> getattribute, names = lazy("covidx", {"volume": ["Volume"]})
    >>> getattribute("Volume").__name__, names()
    ('Volume', ['Volume'])
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def getattribute(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return getattribute, lambda: sorted(module_of)
