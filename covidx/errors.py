"""What covidx raises. Every error says what was wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

__all__ = [
    "BundleError",
    "ConfigError",
    "CovidxError",
    "InvalidInputError",
    "InvalidSeriesError",
    "InvalidTableError",
    "LeakageError",
    "PacsError",
    "StoreError",
]


class CovidxError(Exception):
    """Base of all covidx errors.

    Parameters
    ----------
    code : str
        Short upper-case name that a script can branch on, such as ``"SLICE_MISSING"``.
    message : str
        One sentence for a person.
    path : Path or str, optional
        The file, folder or ``file:row`` concerned.
    expected, actual : object, optional
        What was required and what was found.
    hint : str, optional
        What to do next.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        path: Path | str | None = None,
        expected: object = None,
        actual: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.path = None if path is None else str(path)
        self.expected = expected
        self.actual = actual
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.message}"]
        for name in ("path", "expected", "actual"):
            value = getattr(self, name)
            if value is not None:
                lines.append(f"  {name}: {value}")
        if self.hint:
            lines.append(f"  what to do: {self.hint}")
        return "\n".join(lines)

    @property
    def reason(self) -> str:
        """One line for a table: the message, what was found, what was expected; no path."""
        if self.actual is None:
            return self.message
        wanted = "" if self.expected is None else f", expected {self.expected}"
        return f"{self.message} Found {self.actual}{wanted}."

    @property
    def summary(self) -> str:
        """One line in place of a result: code, reason, and what to do."""
        return f"{self.code}: {self.reason}" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        # Workers of a process pool send errors home by pickle; Exception's own
        # way would call __init__ with the two positional arguments alone.
        return type(self), (self.code, self.message), self.__dict__


class InvalidInputError(CovidxError, ValueError):
    """A file, folder or argument that cannot be used."""


class InvalidSeriesError(CovidxError, ValueError):
    """An image series whose geometry or pixels cannot be trusted."""


class InvalidTableError(CovidxError, ValueError):
    """A table with a wrong column, value or row."""


class ConfigError(CovidxError, ValueError):
    """A configuration with an unknown key or a value out of range."""


class LeakageError(CovidxError, ValueError):
    """A split that would put one group into two roles."""


class BundleError(CovidxError, ValueError):
    """A model bundle that is damaged, incomplete or of another version."""


class StoreError(CovidxError, OSError):
    """A folder that cannot be written, or is in use."""

    # OSError defines its own __str__ and __reduce__ in C; take covidx's.
    __str__ = CovidxError.__str__
    __reduce__ = CovidxError.__reduce__


class PacsError(CovidxError, ConnectionError):
    """A PACS that cannot be reached, refuses, or answers what cannot be used."""

    __str__ = CovidxError.__str__
    __reduce__ = CovidxError.__reduce__


def published_error(error: BaseException) -> str:
    """What of an error a run's record and MLflow show: neither a path nor anything found there.

    Those may name a patient, and a run may be published. Of an error that covidx does not raise
    itself only its kind and the line of covidx are shown: its words may quote a cell or a file.

    Parameters
    ----------
    error : BaseException
        How a run ended.
    """
    kind = type(error).__name__
    if isinstance(error, CovidxError):
        return f"{kind}: [{error.code}] {error.message}"
    package = Path(__file__).parent
    own = [
        f"{Path(frame.filename).relative_to(package).as_posix()} line {frame.lineno}"
        for frame in extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(package)
    ]
    return f"{kind} in {own[-1]}" if own else kind
