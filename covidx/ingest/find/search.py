"""Scans every file of a source, and the members of every archive among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from covidx.ingest.context import Context
from covidx.ingest.find.archives import unpack
from covidx.ingest.find.scan import Progress, ScannedFile, scan_files, silent
from covidx.ingest.find.scratch import Scratch
from covidx.ingest.pool import FEW_FILES, Team, team_of

SCAN_CHUNK = 256
"""Files looked at in one task."""
IMAGE_SUFFIXES = {".dcm", ".dicom", ".dic", ".ima", ".nii", ".png", ".jpg", ".jpeg"}
DAMAGED = (
    "FILE_DAMAGED",
    "Named as an image, but empty or of no known format: damaged or cut off; fetch it again.",
)


@dataclass(frozen=True, eq=False)
class Searched:
    """Every file of a source by format; members of archives lie in `scratch` until it is closed."""

    files: list[ScannedFile]
    context: Context
    scratch: Scratch | None = None

    def close(self) -> None:
        """Remove what was unpacked."""
        if self.scratch is not None:
            self.scratch.close()

    @property
    def paths(self) -> list[str]:
        """Every file seen: of an archive that was looked into, its members."""
        return [file.path for file in self.files]


@contextmanager
def searching(
    files: Sequence[Path], context: Context, workers: int | None, progress: Progress
) -> Iterator[tuple[Searched, Team]]:
    """Scan files; yield them with the team for the work on them; then remove what was unpacked.

    Parameters
    ----------
    files : sequence of Path
        Files of the source.
    context : Context
        What all jobs share.
    workers : int, optional
        Processes; by default all cores, or this one alone for few files.
    progress : callable, optional
        Called with (step, done, total).

    Raises
    ------
    StoreError
        ``SCRATCH_FULL``.
    """
    with ExitStack() as stack:
        team = stack.enter_context(team_of(workers, len(files)))
        searched = stack.enter_context(closing(search(files, context, team, progress)))
        if workers is None and len(files) <= FEW_FILES:  # archives may hold more
            team = stack.enter_context(team_of(workers, len(searched.files)))
        yield searched, team


def search(
    files: Sequence[Path], context: Context, team: Team, progress: Progress = silent
) -> Searched:
    """Scan files, and unpack the archives among them to scan their members.

    Parameters
    ----------
    files : sequence of Path
        Files of the source.
    context : Context
        What all jobs share.
    team : Team
        Maps over the files.
    progress : callable, optional
        Called with (step, done, total).

    Raises
    ------
    StoreError
        ``SCRATCH_FULL``.
    """
    scanned = _scan(files, team, progress)
    archives = [Path(file.path) for file in scanned if file.format == "archive"]
    if not archives:
        return Searched(_with_damaged(scanned), context)
    scratch = Scratch()
    context = replace(context, scratch=scratch.path)
    scanned = [file for file in scanned if file.format != "archive"]
    try:
        scanned += _look_into(archives, context, team, progress)
    except BaseException:
        scratch.close()
        raise
    return Searched(_with_damaged(scanned), context, scratch)


def _with_damaged(scanned: Sequence[ScannedFile]) -> list[ScannedFile]:
    """Refuse files that are named as images are, and are none: empty, zeroed or cut off.

    Files without a telling extension count as such where DICOM files are named alike: bytes in the
    same source, empty files in the same folder.
    """
    images = [Path(file.path) for file in scanned if file.format == "dicom"]
    kin = {_suffix(path) for path in images} | IMAGE_SUFFIXES
    beside = {(path.parent, _suffix(path)) for path in images}

    def is_damaged(file: ScannedFile) -> bool:
        path, suffix = Path(file.path), _suffix(Path(file.path))
        if file.error or file.aside or path.name.startswith("."):  # such as .DS_Store, ._name.dcm
            return False
        if file.format == "empty" and (path.parent, suffix) in beside:
            return True
        return suffix in (kin if file.format == "binary" else IMAGE_SUFFIXES)

    unread = ("binary", "empty", "none")
    return [
        replace(file, error=DAMAGED) if file.format in unread and is_damaged(file) else file
        for file in scanned
    ]


def _suffix(path: Path) -> str:
    """The extension in lower case; numbers, as in names that are UIDs, are none."""
    suffix = path.suffix.lower()
    return "" if suffix[1:].isdigit() else suffix


def _look_into(
    archives: Sequence[Path], context: Context, team: Team, progress: Progress
) -> list[ScannedFile]:
    """What the archives hold."""
    assert context.scratch is not None
    scanned: list[ScannedFile] = []
    members: list[Path] = []
    open_one = partial(unpack, root=context.root, scratch=context.scratch)
    for done, unpacked in enumerate(team(open_one, archives), start=1):
        scanned += unpacked.others
        members += unpacked.members
        progress("unpack", done, len(archives))
    return scanned + _scan(members, team, progress)


def _scan(files: Sequence[Path], team: Team, progress: Progress) -> list[ScannedFile]:
    parts = [files[i : i + SCAN_CHUNK] for i in range(0, len(files), SCAN_CHUNK)]
    scanned: list[ScannedFile] = []
    for part in team(scan_files, parts):
        scanned += part
        progress("scan", len(scanned), len(files))
    return scanned
