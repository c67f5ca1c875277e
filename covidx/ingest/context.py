"""What every job of a run shares, and how the paths of its source are shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from covidx.ingest.identity import Identities
from covidx.ingest.rules import USUAL, Rules

LOCAL_DATASET = "local"


@dataclass(frozen=True)
class Context:
    """What every job of a run shares; below `scratch` lie the members of archives.

    Paths are relative to `root`. Of a picture set it may lie above what was named: then `within` is
    the part of the set that was.
    """

    root: Path
    identities: Identities
    dataset: str = LOCAL_DATASET
    card_sha256: str | None = None
    licence: str | None = None
    rules: Rules = USUAL
    scratch: Path | None = None
    within: Path | None = None


def source_place(source: str, context: Context) -> str:
    """The path `source` for the linkage of `context`: in full beside a key, else relative."""
    source = known_path(source, context)
    if context.identities.key is not None or not Path(source).is_absolute():
        return source
    return relative_to_root(source, context)


def known_path(path: str, context: Context) -> str:
    """The `path` by which a person knows a file of `context`: of a member, through its archive."""
    if context.scratch is not None and Path(path).is_relative_to(context.scratch):
        path = str(context.root / Path(path).relative_to(context.scratch))
    return _readable(path)


def _readable(path: str) -> str:
    """A path as text that a table can hold: bytes that are no UTF-8 become ``\\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def relative_to_root(path: str, context: Context) -> str:
    """The `path` relative to the source of `context`, with forward slashes."""
    root = _readable(str(context.root))
    return Path(known_path(path, context)).relative_to(root).as_posix()
