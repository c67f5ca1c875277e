"""Looking for planted secrets in all that was written, in every form that they may have taken."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

SHORTEST = 4
ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


def _forms(secret: str) -> set[bytes]:
    cases = {secret, secret.upper(), secret.lower(), secret.title(), secret.swapcase()}
    forms = {case.encode(encoding, "ignore") for case in cases for encoding in ENCODINGS}
    escaped = {json.dumps(case)[1:-1].encode() for case in cases}
    least = min(len(secret), SHORTEST)  # what latin-1 leaves of a name in another script is none
    return {form for form in forms | escaped if len(form) >= least}


def leaks(data: bytes, secrets: Iterable[str]) -> list[str]:
    """The secrets that some bytes hold."""
    return [secret for secret in secrets if any(form in data for form in _forms(secret))]


def leaks_below(folder: Path, secrets: Iterable[str]) -> list[tuple[str, str]]:
    """(path, secret) of every file, name of a file, and unpacked file below a folder."""
    secrets = list(secrets)
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        data = path.read_bytes() if path.is_file() else b""
        if data.startswith(b"\x1f\x8b"):
            data += gzip.decompress(data)
        found += [(name, secret) for secret in leaks(name.encode() + b"\0" + data, secrets)]
    return found
