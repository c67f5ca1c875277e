"""Pseudonyms: no patient identity leaves ingest unless a card says that the ids are public."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path, PurePosixPath

from covidx.cards import DataCard
from covidx.errors import InvalidInputError, StoreError
from covidx.files import make_folder

KEY_VARIABLE = "COVIDX_KEY"
KEY_BYTES = 32
KEPT_SUFFIXES = (
    *(".dcm", ".ima", ".nii", ".gz", ".nrrd", ".mha", ".mhd", ".raw"),
    *(".png", ".jpg", ".jpeg", ".csv", ".txt"),
)
"""File extensions that say nothing about a person."""
LONGEST_SHIFT_DAYS = 3650
OLDEST = 90
"""Years; ages above 89 are few enough to name a person (45 CFR 164.514(b)(2)(i)(C))."""


def default_key_path() -> Path:
    """``$COVIDX_KEY``, or ``~/.config/covidx/key``."""
    named = os.environ.get(KEY_VARIABLE)
    return Path(named) if named else Path.home() / ".config" / "covidx" / "key"


@dataclass(frozen=True)
class Identities:
    """Turns identifiers into pseudonyms, the same ones wherever the same key is used.

    Make one with `public`, `keyed` or `for_card`.

    Attributes
    ----------
    key : bytes, optional
        None keeps every identifier as it is.
    key_path : Path, optional
        Where the key lies; linkage files lie beside it.
    """

    key: bytes | None = field(default=None, repr=False)
    key_path: Path | None = field(default=None, repr=False)

    @classmethod
    def public(cls) -> Identities:
        """Keep identifiers: for public data sets and phantoms."""
        return cls()

    @classmethod
    def keyed(cls, key_path: Path | None = None, *, out: Path | None = None) -> Identities:
        """Pseudonyms by HMAC-SHA256 with the key in a file, which is made if there is none.

        Parameters
        ----------
        key_path : Path, optional
            `default_key_path` if not given.
        out : Path, optional
            Folder that will be written; the key must not lie in it.

        Raises
        ------
        InvalidInputError
            ``KEY_EXPOSED`` or ``KEY_INVALID``.
        StoreError
            ``UNWRITABLE``.
        """
        path = (key_path or default_key_path()).expanduser().absolute()
        if out is not None and path.resolve().is_relative_to(out.resolve()):
            raise InvalidInputError(
                "KEY_EXPOSED",
                "The key of the pseudonyms lies inside the output folder.",
                path=path,
                hint=f"Set {KEY_VARIABLE} to a file elsewhere that only you can read.",
            )
        return cls(_read_key(path), path)

    @classmethod
    def for_card(cls, card: DataCard | None, *, out: Path | None = None) -> Identities:
        """`public` where `card` says that ids are, else `keyed` with a key that is not in `out`."""
        return cls.public() if card is not None and card.public_ids else cls.keyed(out=out)

    def _mac(self, kind: str, text: str) -> bytes:
        assert self.key is not None
        return hmac.digest(self.key, f"{kind}\0{text}".encode(), "sha256")

    def patient(self, original: str) -> str:
        """Pseudonym of a patient id `original`: ``P-`` and 12 hex digits."""
        text = str(original).strip()
        return text if self.key is None else f"P-{self._mac('patient', text).hex()[:12]}"

    def group(self, original: str) -> str:
        """Pseudonym of a group `original` that must not be divided."""
        text = str(original).strip()
        return text if self.key is None else f"G-{self._mac('group', text).hex()[:12]}"

    def site(self, original: str) -> str | None:
        """Pseudonym of a site `original`; None where it is empty."""
        text = str(original).strip()
        if not text or self.key is None:
            return text or None
        return f"S-{self._mac('site', text).hex()[:8]}"

    def uid(self, original: str) -> str | None:
        """A UID of the 2.25 root (PS3.5 B.2), the same for the same `original`; None for none."""
        text = str(original).strip()
        if not text or self.key is None:
            return text or None
        root, mark, frame = text.rpartition("#")
        if not frame.isdecimal() or not mark:
            root, mark, frame = text, "", ""
        return f"2.25.{int.from_bytes(self._mac('uid', root)[:16], 'big')}{mark}{frame}"

    def image(self, digest: str) -> str:
        """Id of an image by the `digest` of its original.

        With a key it tells nobody who holds a file whether it is that of the store.
        """
        return digest if self.key is None else self._mac("image", digest).hex()[: len(digest)]

    def age(self, years: float | None) -> float | None:
        """An age in `years`, 90 for all above 89."""
        return years if years is None or self.key is None else min(years, float(OLDEST))

    def age_string(self, age: str) -> str:
        """As `age`, for a value of VR AS (PS3.5 6.2)."""
        old = age[3:] == "Y" and age[:3].isdigit() and int(age[:3]) > OLDEST
        return f"{OLDEST:03d}Y" if old and self.key is not None else age

    def date(self, iso: str, patient: str) -> str | None:
        """The date `iso` moved back by days of the `patient`'s own, so that intervals stay.

        PS3.15 E.3.6, retain longitudinal temporal information with modified dates.
        """
        if not iso or self.key is None:
            return iso or None
        days = 1 + int.from_bytes(self._mac("days", patient)[:4], "big") % LONGEST_SHIFT_DAYS
        try:
            return (date.fromisoformat(iso) - timedelta(days=days)).isoformat()
        except (ValueError, OverflowError):
            return None

    def path(self, relative: str) -> str:
        """The path `relative`, each name replaced, with its depth and a harmless extension."""
        if self.key is None:
            return relative
        parts = PurePosixPath(relative).parts
        named = [self._mac("path", part).hex()[:8] for part in parts]
        suffixes = PurePosixPath(relative).suffixes
        kept = [s.lower() for s in suffixes[-2:] if s.lower() in KEPT_SUFFIXES]
        return "/".join(named) + "".join(kept)

    def linkage_path(self, out: Path) -> Path | None:
        """Where the originals of the store `out` are kept: beside the key; None if public."""
        if self.key_path is None:
            return None
        name = hashlib.sha256(str(out.absolute()).encode()).hexdigest()[:12]
        return self.key_path.parent / f"linkage-{name}.parquet"


def original_patient(patient_id: str, study_uid: str) -> tuple[str, str]:
    """What stands for the patient, `patient_id` or else `study_uid`, and its attribute."""
    if patient_id:
        return patient_id, "PatientID"
    return study_uid, "StudyInstanceUID, since PatientID is absent"


def _read_key(path: Path) -> bytes:
    try:
        _make_key(path)
        mode = path.stat().st_mode
        key = path.read_bytes()
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            "UNWRITABLE",
            "The key of the pseudonyms cannot be read or made.",
            path=path,
            actual=error.strerror,
            hint=f"Set {KEY_VARIABLE} to a file that you may write.",
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise InvalidInputError(
            "KEY_EXPOSED",
            "Others may read the key of the pseudonyms.",
            path=path,
            expected="mode 600",
            actual=f"mode {stat.S_IMODE(mode):o}",
            hint=f"chmod 600 {path}",
        )
    if len(key) < KEY_BYTES:
        raise InvalidInputError(
            "KEY_INVALID",
            "The key of the pseudonyms is too short.",
            path=path,
            expected=f"at least {KEY_BYTES} bytes",
            actual=len(key),
        )
    return key


def _make_key(path: Path) -> None:
    """Make a key where there is none; of two processes at once, one wins and both read its key."""
    if path.exists():
        return
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
