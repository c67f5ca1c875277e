"""Does anything in a run tell who a patient is, or on whose machine it was made?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from covidx.audit.finding import Finding
from covidx.audit.run.folder import AnyRun
from covidx.audit.run.tables import read_found
from covidx.audit.run.texts import Text, texts_of
from covidx.errors import StoreError
from covidx.ingest import read_linkage
from covidx.wording import counted

AUDITS = frozenset({"audit"})
"""Where audits of this run are written: they quote what they found."""
KEYWORDS = """
    PatientName OtherPatientNames OtherPatientIDs PatientBirthName PatientBirthDate
    PatientBirthTime PatientAddress PatientTelephoneNumbers PatientMotherBirthName
    ResponsiblePerson MilitaryRank AccessionNumber ReferringPhysicianName
    ReferringPhysicianAddress PerformingPhysicianName RequestingPhysician OperatorsName
    NameOfPhysiciansReadingStudy PhysiciansOfRecord InstitutionName InstitutionAddress
    InstitutionalDepartmentName StationName DeviceSerialNumber
"""
"""Of DICOM attributes (PS3.6) that name a person or a place."""
COLUMNS = """
    surname first_name last_name full_name birth_date date_of_birth dob mrn ssn insurance
    address phone email
"""
"""What tables of other systems call such columns."""
DATE = r"(?:\d{4}[-./]?\d{2}[-./]?\d{2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})"
PATTERNS = {
    "e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", re.I),
    "name as in DICOM (PN)": re.compile(r"\b[^\W\d_][\w'-]+\^[^\W\d_][\w'-]*"),
    "date of birth": re.compile(
        rf"\b(?:birth|born|dob|geburt\w*|geb\.|n[ée]e? le)\W{{0,3}}(?:date)?\W{{0,3}}{DATE}", re.I
    ),
    "home folder": re.compile(r"(?:/home/|/Users/|[A-Z]:\\Users\\)[^/\\\s\"'<>]+"),
}
UID = re.compile(r"(?<![\d.])[0-2](?:\.\d+){5,}(?![\d.])")
UID_OR_VERSION = re.compile(r"(?<![\d.])[0-2](?:\.\d+){2,}(?![\d.])")
OWN_UID = "2.25."
"""Root of pseudonymous UIDs (PS3.5 B.2)."""
PSEUDONYM = {"patient_id": r"P-[0-9a-f]{12}", "group_id": r"[GP]-[0-9a-f]{12}", "site": r"S-\w{8}"}
SHORTEST = 4
"""Characters of an original id that is looked for anywhere; shorter ones only as an id's cell."""
SHORTEST_FOLDER = 6
ID_COLUMNS = ("patient_id", "group_id", "unit_id", "patient")
BETWEEN = re.compile(r"[\s/\\\"'<>=;,|()\[\]{}]+")
"""What words of running text are cut by."""
ORIGINAL = "original id, name of a folder or UID"


class Originals(NamedTuple):
    """What the pseudonyms stand for, by the linkage file: never to be shown.

    Parameters
    ----------
    ids : frozenset of str
        Patient ids, and names of folders of one patient alone.
    uids : frozenset of str
        Of studies, series and instances.
    apart : pattern, optional
        Finds those of `ids` that running text cannot be cut into words by.
    """

    ids: frozenset[str]
    uids: frozenset[str]
    apart: re.Pattern[str] | None


def originals_of(store: Path | None) -> Originals | None:
    """The originals behind the pseudonyms of a `store`; None where nothing links them here."""
    if store is None:
        return None
    try:
        linkage = read_linkage(store)
    except StoreError:
        return None
    ids = set(linkage["patient_id"].dropna().astype(str)) - {""}
    paths = linkage["source_path"].dropna().astype(str)
    named = linkage.loc[paths.index, "patient_id"].astype(str)
    by_part = pd.DataFrame({"part": paths.str.split("/"), "patient": named}).explode("part")
    several = by_part.groupby("part")["patient"].nunique()
    # A folder of one patient alone may bear the name; `images` or `CT` lie above many.
    alone = [str(part) for part in several.index[several == 1]]
    ids |= {p for p in alone if len(p) >= SHORTEST_FOLDER and re.search(r"[\d ,^_]", p)}
    uids = {str(uid) for name in ("study_uid", "series_uid") for uid in linkage[name].dropna()}
    for instances in linkage["instances"].dropna():
        uids |= {str(uid).partition("#")[0] for uid in instances}
    cut = sorted(i for i in ids if len(i) >= SHORTEST and BETWEEN.search(i))
    apart = re.compile("|".join(map(re.escape, cut))) if cut else None
    return Originals(frozenset(ids), frozenset(uids - {""}), apart)


def identity_finding(run: AnyRun, originals: Originals | None) -> Finding:
    """Look through every file of a run for what tells who a patient is.

    Parameters
    ----------
    run : AnyRun
        Whose every file is read, but for audits of it.
    originals : Originals, optional
        Of a store with pseudonyms; None where ids are public or the linkage is not here.
    """
    public = _ids_are_public(run)
    rows: list[dict[str, Any]] = []
    files = 0
    for text in texts_of(run.folder, AUDITS):
        files += text[0] == "name of a file"
        rows += [{"place": text[0], "what": what} for what in _faults(text, originals, public)]
    rows += [] if public else _not_pseudonyms(run)
    unique = [dict(one) for one in dict.fromkeys(tuple(row.items()) for row in rows)]
    scope = (
        "ids are public by the data card"
        if public
        else (
            "the originals behind the pseudonyms were not here to look for"
            if originals is None
            else f"{len(originals.ids) + len(originals.uids)} originals behind the pseudonyms"
        )
    )
    return Finding(
        "identity",
        "No patient identity",
        "fail" if unique else "pass",
        "original ids, folders and UIDs; names and dates of birth as DICOM and letters write them; "
        "columns and keys that hold such; e-mail addresses; home folders",
        f"{f'{len(unique)} places of' if unique else 'Nothing in'} {counted(files, 'file')}.",
        f"Patterns ({scope}): a name in running text escapes. Text burnt into pictures is not "
        "read.",
        "Do not hand the run on. Remove what was found at its source, and train again."
        if unique
        else "",
        unique,
    )


def _ids_are_public(run: AnyRun) -> bool:
    source = run.record.source
    return source.public_ids if source else run.simulated


def _faults(text: Text, originals: Originals | None, public: bool) -> Iterator[str]:
    """What is wrong with one text; the words themselves are not repeated."""
    place, key, words = text
    plain = re.sub(r"[^a-z]", "", key.rpartition(".")[2].lower())
    if plain in _NAMES and (words or place.endswith(" columns")):
        yield f"a column or key called {key.rpartition('.')[2]}"
    if key in ("another format", "unreadable"):
        yield f"a file that cannot be looked into ({words})"
        return
    home = str(Path.home())
    if len(home) > 1 and home in words:
        yield "home folder"
    for what, pattern in PATTERNS.items():
        if pattern.search(words):
            yield what
    if not public:
        for uid in UID.findall(words):
            if not uid.startswith(OWN_UID):
                yield "UID that is no pseudonym"
    if originals is not None and not public:
        yield from _original(key, words, originals)


_NAMES = {re.sub(r"[^a-z]", "", name.lower()) for name in (KEYWORDS + COLUMNS).split()}


def _original(key: str, words: str, originals: Originals) -> Iterator[str]:
    whole = len(words) >= SHORTEST or key.rpartition(".")[2] in ID_COLUMNS
    pieces = {piece for piece in BETWEEN.split(words) if len(piece) >= SHORTEST}
    if (
        (whole and words in originals.ids)
        or pieces & originals.ids
        or set(UID_OR_VERSION.findall(words)) & originals.uids
        or (originals.apart is not None and originals.apart.search(words))
    ):
        yield ORIGINAL


def _not_pseudonyms(run: AnyRun) -> list[dict[str, Any]]:
    """Ids of the tables that do not look like pseudonyms, though the card does not say public."""
    tables = {name: read_found(run.folder / name) for name in run.known.tables}
    own = {"splits.parquet": run.splits, "manifest.parquet": run.manifest}
    tables |= {name: table for name, table in own.items() if table is not None}
    rows = []
    for name, table in tables.items():
        for column, pattern in PSEUDONYM.items():
            if column in table:
                wrong = ~table[column].dropna().astype(str).str.fullmatch(pattern)
                rows += [
                    {"place": f"{name} row {line + 1}", "what": f"a {column} that is no pseudonym"}
                    for line in wrong.index[wrong][:5]
                ]
    return rows
