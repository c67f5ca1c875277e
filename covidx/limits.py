"""Known limits of a model: what its data card and its audits say, in a file beside its bundle.

``limits.json`` names the bundle's digest and lies outside of the bundle, so that an audit changes
no hash. Whatever predicts with the bundle, and every page of its run, quotes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import BundleError, StoreError
from covidx.files import read_json, write_json

LIMITS = "limits.json"
CARD, EXAM = "data card", "heatmap exam"
"""Origins of limits that a training records; an audit's is its name."""


class Limit(Config):
    """One thing that a reader of a model's scores must know."""

    origin: str = Field(description="what found it: data card, heatmap exam, audit of shortcuts")
    text: str

    @property
    def line(self) -> str:
        """For a person."""
        return f"{self.origin}: {self.text}"


class LimitsFile(Config):
    """``limits.json``."""

    schema_version: int = 1
    notice: str = RESEARCH_NOTICE
    bundle_sha256: str
    limits: list[Limit]


def read_limits(bundle: Path) -> list[Limit] | None:
    """The known limits of the model whose bundle lies in the folder `bundle`.

    Of an arm within the bundle of a fusion, they are those of the fusion.

    Returns
    -------
    list of Limit, optional
        None where nothing lies beside the bundle, or what lies there is of another one.

    Raises
    ------
    BundleError
        ``LIMITS_INVALID``.
    """
    found = _read(limits_path(bundle))
    if found is None or found.bundle_sha256 != _digest(bundle):
        return None
    return found.limits


def record_limits(bundle: Path, origin: str, texts: Sequence[str]) -> Path:
    """Write what one origin says of a model, in place of what it said before.

    Parameters
    ----------
    bundle : Path
        The bundle's folder.
    origin : str
        What found the limits, such as ``audit of shortcuts``.
    texts : sequence of str
        A sentence or more each; none where nothing was found.

    Returns
    -------
    Path
        Of ``limits.json``.

    Raises
    ------
    BundleError
        ``LIMITS_INVALID``.
    StoreError
        ``LIMITS_TAKEN``: the file beside the bundle is of another bundle.
    """
    path, digest = limits_path(bundle), _digest(bundle)
    known = _read(path) or LimitsFile(bundle_sha256=digest, limits=[])
    if known.bundle_sha256 != digest:
        raise StoreError(
            "LIMITS_TAKEN",
            "The limits.json beside this bundle is of another bundle.",
            path=path,
            expected=digest,
            actual=known.bundle_sha256,
            hint="Keep each bundle in a folder of its own, as a run does.",
        )
    kept = [limit for limit in known.limits if limit.origin != origin]
    limits = [*kept, *(Limit(origin=origin, text=text) for text in texts)]
    write_json(path, known.model_copy(update={"limits": limits}).model_dump(mode="json"))
    return path


def limits_path(bundle: Path) -> Path:
    """Where the limits of the model in the folder `bundle` stand: beside the outermost bundle."""
    return _outermost(bundle).parent / LIMITS


def limits_in_short(limits: Sequence[Limit] | None) -> str:
    """Each origin of `limits`, with the number of them: for a cell of a table.

    >>> limits_in_short([Limit(origin="data card", text="one"), Limit(origin="data card", text="")])
    'data card: 2, see limits.json'
    """
    if limits is None:
        return f"not known: no {LIMITS}"
    counts = Counter(limit.origin for limit in limits)
    named = ", ".join(f"{origin}: {n}" for origin, n in counts.items())
    return f"{named}, see {LIMITS}" if named else ""


def limit_lines(limits: Sequence[Limit] | None) -> list[str]:
    """A model's known limits for a person, a line each; also where there is no file of them.

    Parameters
    ----------
    limits : sequence of Limit, optional
        As `read_limits` gives them.
    """
    if limits is None:
        return [
            f"No {LIMITS} of this model lies beside its bundle: what its data card and its audits "
            "say is not known here."
        ]
    return ["Known limits of this model:", *(f"  {one.line}" for one in limits)] if limits else []


def read_limits_file(folder: Path) -> list[Limit]:
    """The limits in the ``limits.json`` of a run's `folder`; none where there is no such file.

    Raises
    ------
    BundleError
        ``LIMITS_INVALID``.
    """
    found = _read(folder / LIMITS)
    return [] if found is None else found.limits


def _outermost(bundle: Path) -> Path:
    """A fusion's bundle, of one of its arms; else itself."""
    folder = bundle.resolve()
    while (folder.parent / "bundle.json").is_file():
        folder = folder.parent
    return folder


def _digest(bundle: Path) -> str:
    record: dict[str, Any] = read_json(_outermost(bundle) / "bundle.json")
    return str(record.get("sha256"))


def _read(path: Path) -> LimitsFile | None:
    if not path.is_file():
        return None
    try:
        return LimitsFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(
            "LIMITS_INVALID",
            "The file of a model's known limits cannot be read.",
            path=path,
            expected="the file as covidx wrote it",
            actual=error,
            hint="Restore it, or remove it and repeat the audits of the model (covidx audit all).",
        ) from error
