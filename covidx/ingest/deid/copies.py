"""De-identified copies of DICOM files, under the pseudonyms that `ingest` gives."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from covidx.errors import InvalidInputError
from covidx.files import locked, remove_unfinished, replacing, write_json
from covidx.ingest.context import Context, source_place
from covidx.ingest.deid.confidentiality import DEFAULT_RETAIN, Retain, codes_of
from covidx.ingest.deid.copying import Copied, copy_instance
from covidx.ingest.dicom.aside import why_set_aside
from covidx.ingest.dicom.series import Outcome
from covidx.ingest.find.scan import Progress, ScannedFile, check_apart, find_files, silent
from covidx.ingest.find.search import searching
from covidx.ingest.identity import Identities
from covidx.ingest.linkage import write_linkage
from covidx.ingest.plan import make_context, quarantine_path
from covidx.ingest.rules import USUAL
from covidx.wording import counted

ACCOUNT, SUMMARY = "account.csv", "deidentify.json"
COLUMNS = ("path", "kind", "code", "reason", "copy")
UID_NAME = r"2\.25\.\d+"
COPY_NAME = re.compile(rf"P-[0-9a-f]{{12}}/{UID_NAME}/{UID_NAME}/{UID_NAME}\.dcm")

COPIED_TOO = ("LOCALIZER", "PROJECTION")
"""What is no volume, but shows no text."""
PICTURES = ("SECONDARY_CAPTURE", "DOSE_REPORT", "NOT_GREYSCALE")
"""What may show a name in its pixels."""
NOT_DICOM = ("NOT_DICOM", "Only DICOM is copied; ingest reads NIfTI and pictures.")


@dataclass(frozen=True, eq=False)
class Copies:
    """What was copied, and why the rest was not.

    Attributes
    ----------
    out : Path
        The folder of the copies.
    account : DataFrame
        One row a file seen: path (a pseudonym), kind (copied, set_aside or quarantined), code,
        reason, and the copy's path below `out`.
    patients : int
        Number of patients that were copied.
    """

    out: Path
    account: pd.DataFrame
    patients: int

    @property
    def reasons(self) -> dict[str, int]:
        """Files not copied, by code."""
        counts = self.account.loc[self.account["code"] != "", "code"].value_counts()
        return {str(code): int(count) for code, count in counts.sort_index().items()}

    @property
    def kinds(self) -> dict[str, int]:
        """Files by kind."""
        counts = self.account["kind"].value_counts()
        return {kind: int(counts.get(kind, 0)) for kind in ("copied", "set_aside", "quarantined")}


def deidentify(
    source: Path,
    out: Path,
    *,
    retain: Set[Retain] = DEFAULT_RETAIN,
    captures: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Copies:
    """Write copies without identity of the DICOM images below `source` (PS3.15 annex E).

    Writes ``<patient>/<study>/<series>/<instance>.dcm``, all pseudonyms, ``account.csv`` and
    ``deidentify.json``; the originals go into the linkage beside the key.

    Parameters
    ----------
    source : Path
        A folder, a file or an archive, as for `ingest`.
    out : Path
        Made if need be, and held against other writers meanwhile.
    retain : set of str
        Options of the basic profile: ``dates`` (shifted, each patient's by days of its own),
        ``descriptors`` (cleaned), ``device``, ``patient`` (sex, age, size, weight), ``private``
        (numbers of a short list). All by default.
    captures : bool
        Copy secondary captures and images with BurnedInAnnotation too, whose pixels may show names.
    workers : int, optional
        Processes; by default all cores, or this one alone for few files.
    progress : callable, optional
        Called with ("scan", "unpack" or "copy", done, total).

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING``, ``SOURCE_EMPTY``, ``NO_COPIES``, ``KEY_EXPOSED``, ``OUTPUT_IN_SOURCE``.
    StoreError
        ``UNWRITABLE``, ``IN_USE``, ``DISK_FULL`` or ``SCRATCH_FULL``.
    """
    source, out = source.absolute(), out.absolute()
    check_apart(source, out)
    files = find_files(source)
    with locked(out), ExitStack() as stack:
        for folder in (out, *out.glob("P-*/*/*")):
            remove_unfinished(folder)
        context = make_context(source, Identities.keyed(out=out), None, USUAL)
        searched, team = stack.enter_context(searching(files, context, workers, progress))
        context = searched.context
        instances, outcomes = _sort(searched.files, captures)
        copied: list[Copied] = []
        copy_one = partial(
            copy_instance, context=context, out=out, retain=frozenset(retain), captures=captures
        )
        for done, results in enumerate(team(copy_one, instances), start=1):
            copied += [result for result in results if isinstance(result, Copied)]
            outcomes += [result for result in results if isinstance(result, Outcome)]
            progress("copy", done, len(instances))
        return _finish(copied, outcomes, context, out, retain)


def _sort(
    files: Sequence[ScannedFile], captures: bool
) -> tuple[list[tuple[str, ...]], list[Outcome]]:
    """The files of each instance, most often one, and those that are not copied."""
    instances: defaultdict[str, list[str]] = defaultdict(list)
    outcomes: list[Outcome] = []
    for file in files:
        why: tuple[str, str] | None = None
        kind = "set_aside"
        if file.error is not None:
            kind, why = "quarantined", file.error
        elif file.format != "dicom":
            why = NOT_DICOM
        else:
            why = file.aside or why_set_aside(file.headers[0])
            pictures = PICTURES if captures and file.headers[0].rows else ()  # reports are none
            if why is not None and why[0] in (*COPIED_TOO, *pictures):
                why = None
        if why is not None:
            outcomes.append(Outcome(file.path, kind, *_without_values(why)))
        else:
            instances[file.headers[0].sop_uid or file.path].append(file.path)
    return [tuple(sorted(paths)) for paths in instances.values()], outcomes


def _without_values(why: tuple[str, str]) -> tuple[str, str]:
    """A modality that no standard knows may be anything."""
    if why[0] == "MODALITY_UNSUPPORTED":
        return why[0], "Its modality is not read by covidx."
    return why


def _finish(
    copied: Sequence[Copied],
    outcomes: Iterable[Outcome],
    context: Context,
    out: Path,
    retain: Set[Retain],
) -> Copies:
    """Write the linkage and the account; remove copies of an earlier run that are not of this."""
    rows = [(quarantine_path(c.path, context), "copied", "", "", c.copy) for c in copied]
    rows += [(quarantine_path(o.path, context), o.kind, o.code, o.reason, "") for o in outcomes]
    account = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(
        ["path", "code"], ignore_index=True
    )
    if not copied:
        raise InvalidInputError(
            "NO_COPIES",
            f"None of {counted(len(account), 'file')} could be copied.",
            path=out,
            expected="DICOM images of CT, MR, CR or DX",
            actual=", ".join(f"{k}: {v}" for k, v in account["code"].value_counts().items()),
        )
    links = [copy.link for copy in copied]
    links += [
        {"path": quarantine_path(o.path, context), "source_path": source_place(o.path, context)}
        for o in outcomes
    ]
    write_linkage(links, out, context.identities)
    _remove_strays(out, {copy.copy for copy in copied})
    with replacing(out / ACCOUNT) as temporary:
        account.to_csv(temporary, index=False)
    patients = len({copy.copy.partition("/")[0] for copy in copied})
    result = Copies(out, account, patients)
    methods = {code.value: code.meaning for code in codes_of(retain)}
    write_json(
        out / SUMMARY,
        {"methods": methods, "patients": patients, **result.kinds, "reasons": result.reasons},
    )
    return result


def _remove_strays(out: Path, copies: Set[str]) -> None:
    for path in out.glob("P-*/*/*/*.dcm"):
        name = path.relative_to(out).as_posix()
        if COPY_NAME.fullmatch(name) and name not in copies:
            path.unlink()
