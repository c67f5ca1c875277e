"""Models on disk: what every ``bundle.json`` has, and one way to write, read and refuse it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr, TypeAdapter, ValidationError

from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE
from covidx.domain import TrainedOn
from covidx.errors import BundleError
from covidx.files import sha256_file, sha256_json, write_json
from covidx.kinds import kind_named
from covidx.limits import Limit, read_limits
from covidx.runs import versions

if TYPE_CHECKING:
    from covidx.evaluate import OperatingPoint

AGAIN = "Take an undamaged copy, or train it again."


class Threshold(Config):
    """A score at or above which the answer is positive, and where it came from."""

    value: float
    rule: str
    origin: str

    @classmethod
    def of(cls, point: OperatingPoint) -> Threshold:
        """The threshold at `point`, which evaluation chose."""
        return cls(value=point.threshold, rule=point.rule, origin=point.origin)

    @property
    def operating_point(self) -> OperatingPoint:
        """The same in evaluation's terms."""
        from covidx.evaluate import OperatingPoint

        return OperatingPoint(self.value, self.rule, self.origin)

    @property
    def provenance(self) -> str:
        """Rule and origin in words."""
        return f"{self.rule} on {self.origin}"


class BundleFile(Config):
    """``bundle.json``: what all kinds have.

    A kind is a child with a default of `kind` and `schema_version`, and its own type of `recipe`.
    """

    FILES: ClassVar[Mapping[str, str]] = {}
    """File beside it -> field of its digest; None there: this bundle needs no such file."""
    NOT_HASHED: ClassVar[frozenset[str]] = frozenset({"run_id", "created", "versions", "sha256"})

    schema_version: int
    kind: str
    notice: str = RESEARCH_NOTICE
    run_id: str = ""
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    sha256: str = Field("", description="of all but what `NOT_HASHED` names")
    trained_on: TrainedOn
    recipe: Config = Field(description="preprocessing, architecture and learning")
    classes: list[str] | None = Field(None, description="in the order of the scores")
    positive: str | None = None
    threshold: Threshold | None = None
    _limits: list[Limit] | None = PrivateAttr(None)

    @property
    def limits(self) -> list[Limit] | None:
        """Known limits, by the file beside the bundle; None where there is no such file."""
        return self._limits

    def closing_lines(self) -> list[str]:
        """What this kind of model adds below its predictions, a line each."""
        return []

    def digest(self) -> str:
        """Hash of what the bundle does, leaving out when and by which run it was made."""
        return self.digest_of(self.model_dump(mode="json"))

    @classmethod
    def digest_of(cls, fields: Mapping[str, Any]) -> str:
        """Hash of `fields`, as ``bundle.json`` has them, but for `NOT_HASHED`."""
        return sha256_json({k: value for k, value in fields.items() if k not in cls.NOT_HASHED})

    def write(self, folder: Path) -> Self:
        """Write ``bundle.json`` into `folder`, beside its files; returns it with their digests."""
        known: dict[str, Any] = {
            field: sha256_file(folder / name)
            for name, field in self.FILES.items()
            if (folder / name).is_file()
        }
        created = datetime.now(UTC).isoformat(timespec="seconds")
        known |= {"created": created, "versions": versions()}
        whole = self.model_copy(update=known)
        whole = whole.model_copy(update={"sha256": whole.digest()})
        write_json(folder / "bundle.json", whole.model_dump(mode="json"))
        return whole

    def need_parity(
        self, folder: Path, found: ArrayLike, expected: ArrayLike, tolerance: float
    ) -> None:
        """Refuse a model that scores its reference cases otherwise than when it was saved.

        Parameters
        ----------
        folder : Path
            Of the bundle, for the error.
        found, expected : array_like
            The reference cases' results now, and as they were saved.
        tolerance : float
            Largest difference that will do.

        Raises
        ------
        BundleError
            ``PARITY_LOST``.
        """
        difference = float(np.abs(np.asarray(found) - np.asarray(expected)).max())
        if not difference <= tolerance:  # NaN is lost parity, too
            raise BundleError(
                "PARITY_LOST",
                "The bundle no longer gives the results that it gave when it was saved.",
                path=folder,
                expected=f"a difference of at most {tolerance}",
                actual=difference,
                hint=f"Install {', '.join(map(' '.join, self.versions.items()))}, or train again.",
            )


Kind = TypeVar("Kind", bound=BundleFile)


def need_kind(folder: Path, kinds: Collection[str]) -> str:
    """The kind of the bundle in `folder`, by its own word; it must be one of `kinds`.

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_INVALID``: no JSON; ``BUNDLE_KIND``: of another kind.
    """
    return _kind_of(read_fields(folder), folder, kinds)


def parse_bundle(folder: Path, kind: type[Kind]) -> Kind:
    """Read ``bundle.json`` of `folder` as a `kind`, without a look at the digests.

    Raises
    ------
    BundleError
        As `need_kind`; ``BUNDLE_VERSION``; ``BUNDLE_INVALID``: fields of another form.
    """
    return _parsed(read_fields(folder), folder, kind)


def _parsed(fields: dict[str, Any], folder: Path, kind: type[Kind]) -> Kind:
    declared = kind.model_fields
    _kind_of(fields, folder, [declared["kind"].default])
    version, wanted = fields.get("schema_version"), declared["schema_version"].default
    if version != wanted:
        raise BundleError(
            "BUNDLE_VERSION",
            "The bundle is of another version.",
            path=folder,
            expected=wanted,
            actual=version,
            hint="Try covidx bundle upgrade OLD NEW; else train it again.",
        )
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _invalid(folder, error) from error


def read_bundle(folder: Path, kind: type[Kind]) -> Kind:
    """Read ``bundle.json`` of `folder` as a `kind`, and check every digest.

    Raises
    ------
    BundleError
        As `parse_bundle`, `need_unchanged` and `read_limits`.
    """
    fields = read_fields(folder)
    bundle = _parsed(fields, folder, kind)
    # Of what is written there: a field that a later version added has its default in `bundle`.
    found = {"bundle.json": (bundle.sha256, bundle.digest_of(fields))}
    for name, field in bundle.FILES.items():
        path, recorded = folder / name, getattr(bundle, field)
        if recorded is not None:
            found[name] = (recorded, sha256_file(path) if path.is_file() else "missing")
    need_unchanged(folder, found)
    bundle._limits = read_limits(folder)
    return bundle


def need_unchanged(folder: Path, found: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a bundle with a part whose digest is not the recorded one.

    Parameters
    ----------
    folder : Path
        Of the bundle, for the error.
    found : mapping
        Part -> (recorded, actual) digest.

    Raises
    ------
    BundleError
        ``BUNDLE_CHANGED``.
    """
    for name, (expected, actual) in found.items():
        if expected != actual:
            raise BundleError(
                "BUNDLE_CHANGED",
                "The bundle is not as it was saved.",
                path=folder / name,
                expected=expected,
                actual=actual,
                hint=AGAIN,
            )


def read_fields(folder: Path) -> dict[str, Any]:
    """``bundle.json`` of `folder` as it is written, of any kind and version.

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_INVALID``: no JSON.
    """
    path = folder / "bundle.json"
    if not path.is_file():
        raise BundleError(
            "BUNDLE_MISSING",
            "There is no model bundle here.",
            path=folder,
            expected="a folder with bundle.json",
            actual="no such file" if folder.is_dir() else "no such folder",
            hint="Name the bundle of a run, such as runs/train_ct/latest/bundle.",
        )
    try:
        return TypeAdapter(dict[str, Any]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _invalid(folder, error) from error


def kind_in(fields: Mapping[str, Any]) -> str:
    """The kind that the `fields` of a bundle name, as `read_fields` gives them."""
    return str(fields.get("kind", "image"))  # those of images had no kind before version 2


def _kind_of(fields: Mapping[str, Any], folder: Path, kinds: Collection[str]) -> str:
    kind = kind_in(fields)
    if kind not in kinds:
        known = kind_named(kind)
        raise BundleError(
            "BUNDLE_KIND",
            "This bundle holds another kind of model.",
            path=folder,
            expected=f"a bundle of {' or '.join(map(_maker, kinds))}",
            actual=f"a bundle of {_maker(kind)}" if known else f"kind {kind}",
            hint=f"Use covidx {known.verbs[0]}." if known else "Use the covidx that wrote it.",
        )
    return kind


def _maker(kind: str) -> str:
    """The commands that make bundles of a kind."""
    known = kind_named(kind)
    verbs = [kind] if known is None else [training.verb for training in known.trainings]
    return f"covidx train {' or '.join(verbs)}"


def _invalid(folder: Path, error: Exception) -> BundleError:
    return BundleError(
        "BUNDLE_INVALID",
        "bundle.json does not hold a bundle.",
        path=folder,
        expected="the file as covidx wrote it",
        actual=error,
        hint=AGAIN,
    )
