"""What a folder of images and a table of labels give away, for the draft of a card."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from covidx.cells import alike_columns
from covidx.class_names import (
    by_class,
    class_named,
    label_key,
    names_infection,
    names_no_result,
)
from covidx.errors import InvalidTableError
from covidx.ingest.find.scan import find_files, scan_files
from covidx.wording import counted

SAMPLED = 200
"""Files whose headers are read."""
MOST_CLASSES = 20
"""Different values of a column that may still be labels."""
LEAST_SHARE = 0.5
"""Of a column's cells that lead to a file, if it is to be the one that names files."""
TABLES = (".csv", ".tsv", ".xlsx", ".parquet")
PICTURE = re.compile(r"\.(?:png|jpe?g)$", re.IGNORECASE)
ONE_FILE = re.compile(r"\.(?:png|jpe?g|nii|nii\.gz|nrrd|mha|mhd)$", re.IGNORECASE)
"""Names of files that are an image each."""
COVID = re.compile(r"covid|n-?cov|sars[-_ ]?cov")
NEGATED = re.compile(r"\b(?:non|no|not|neg\w*|without|free)\b|-$")
"""In labels such as non-covid and COVID-19 negative."""
WANTED = ("patient_id", "path", "label")


@dataclass
class Findings:
    """What folder and table give away.

    Parameters
    ----------
    modality : str, optional
        Of pictures, as DICOM has it; they do not give it away.
    pictures : bool
        Whether the images are PNG or JPEG.
    files : list of str
        Paths of files that are an image each, below the folder.
    prefix, extension : str
        What a cell lacks of the path of its file.
    prefixes : list of str
        Where several fit as many names: the user decides.
    columns : dict
        ``patient_id``, ``path`` and ``label`` -> column of the table, as far as they are found.
    labels : dict
        Label -> class, None for none.
    doubtful : list of str
        Labels that may be the positive class, or one of their own: the user decides.
    classes : list of str
        Of the labels.
    positive : str, optional
        Which of them, where its name tells.
    remarks : list of str
        Sentences for the reader of the draft.
    """

    modality: str | None = None
    pictures: bool = False
    files: list[str] = field(default_factory=list)
    prefix: str = ""
    prefixes: list[str] = field(default_factory=list)
    extension: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str | None] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    positive: str | None = None
    remarks: list[str] = field(default_factory=list)


def only_table(data: Path) -> Path | None:
    """The one table that lies at the top of the folder `data`; None where there are more."""
    tables = [one for one in sorted(data.iterdir()) if one.suffix.lower() in TABLES]
    return tables[0] if len(tables) == 1 else None


def examine_images(data: Path, found: Findings) -> None:
    """Look at the content of some files of a folder, and at the names of all.

    Parameters
    ----------
    data : Path
        The folder, absolute.
    found : Findings
        Takes what is found.
    """
    files = find_files(data)
    scanned = scan_files(files[:: max(1, len(files) // SAMPLED)])
    formats = {file.format for file in scanned} & {"dicom", "nifti", "itk", "raster"}
    modalities = Counter(header.modality for file in scanned for header in file.headers[:1])
    found.pictures = formats == {"raster"}
    found.files = [p.relative_to(data).as_posix() for p in files if ONE_FILE.search(p.name)]
    if modalities:
        counts = ", ".join(f"{n} {name or 'none'}" for name, n in modalities.most_common())
        found.remarks.append(f"Modality in {sum(modalities.values())} of the headers: {counts}.")


def examine_table(
    table: pd.DataFrame, found: Findings, columns: Mapping[str, str], positive: str | None
) -> None:
    """Find the columns of a table of labels, and what its labels mean.

    Parameters
    ----------
    table : DataFrame
        As `read_cells` gives it.
    found : Findings
        Takes what is found; has the files of the folder, if there is one.
    columns : mapping
        Columns that the user names.
    positive : str, optional
        The positive label, if the user names it.

    Raises
    ------
    InvalidTableError
        ``COLUMN_MISSING``.
    """
    absent = sorted(set(columns.values()) - set(table.columns))
    if absent:
        raise InvalidTableError(
            "COLUMN_MISSING",
            "The table does not have a column that was named.",
            expected=", ".join(absent),
            actual=", ".join(table.columns),
            hint="Correct the names in --columns OURS=THEIRS.",
        )
    _find_image_column(table, found, columns)
    free = [
        name for name in table.columns if name not in (*found.columns.values(), *columns.values())
    ]
    alike = alike_columns(free, [name for name in WANTED if name not in found.columns])
    if "label" in alike and not _may_be_labels(table[alike["label"]]):
        del alike["label"]
    found.columns = alike | found.columns | dict(columns)
    if "label" not in found.columns:
        left = [name for name in free if name not in found.columns.values()]
        by_content = [name for name in left if _may_be_labels(table[name], by_words=True)]
        found.columns |= {"label": by_content[0]} if len(by_content) == 1 else {}
    if not found.files and "path" in found.columns:  # no folder was named
        cells = table[found.columns["path"]].dropna()
        found.pictures = bool(len(cells)) and cells.str.contains(PICTURE).mean() > LEAST_SHARE
    if "label" in found.columns:
        _find_classes(table[found.columns["label"]].dropna(), found, positive)


def _find_image_column(table: pd.DataFrame, found: Findings, columns: Mapping[str, str]) -> None:
    """The column whose cells lead to files, with what they lack at either end."""
    ends = _path_ends(found.files)
    best: tuple[int, str, list[tuple[str, str]]] | None = None
    for name in [columns["path"]] if "path" in columns else list(table.columns):
        cells = {str(cell).replace("\\", "/").removeprefix("./") for cell in table[name].dropna()}
        lacks = Counter(lack for cell in cells for lack in ends.get(cell, ()))
        if lacks:
            n = max(lacks.values())
            if n > LEAST_SHARE * len(cells) and (best is None or n > best[0]):
                best = (n, name, sorted(lack for lack, count in lacks.items() if count == n))
    if best is None:
        return
    n, name, lack = best
    found.prefix, found.extension = lack[0]
    found.prefixes = [prefix for prefix, _ in lack] if len(lack) > 1 else []
    found.columns["path"] = name
    of = table[name].nunique()
    found.remarks.append(f"{n} of {of} names in the column {name} lead to a file in the folder.")


def _path_ends(files: Sequence[str]) -> dict[str, set[tuple[str, str]]]:
    """Every form in which a cell may name a file -> the prefix and extension that it lacks."""
    ends: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for file in files:
        parts = PurePosixPath(file).parts
        suffix = ONE_FILE.search(file)
        for start in range(len(parts)):
            prefix, rest = "".join(f"{part}/" for part in parts[:start]), "/".join(parts[start:])
            ends[rest].add((prefix, ""))
            if suffix is not None:
                ends[rest[: -len(suffix.group())]].add((prefix, suffix.group()))
    return ends


def _may_be_labels(cells: pd.Series, *, by_words: bool = False) -> bool:
    """Whether a column has few values; `by_words`, whether one of them is the infection's name."""
    values = {label_key(cell) for cell in cells.dropna()}
    few = 2 <= len(values) <= min(MOST_CLASSES, max(2, len(cells) - 1))
    return few and (not by_words or any(names_infection(v) and not v.isdigit() for v in values))


def _find_classes(labels: pd.Series, found: Findings, positive: str | None) -> None:
    """Classes by spelling; other words for the infection are the positive class, too."""
    spelt, _ = by_class(labels)
    counts = spelt.value_counts()
    names = sorted(map(str, counts.index), key=lambda name: (-int(counts[name]), name))
    infected = [name for name in names if names_infection(name)]
    if positive is not None:
        found.positive = class_named(positive, names)
    elif infected:
        found.positive = infected[0]
    for name in names:
        if names_no_result(name) or _is_doubtful(name, found.positive):
            found.labels[name] = None
        else:
            found.labels[name] = found.positive if _is_same(name, found.positive) else name
    found.doubtful = [name for name in names if _is_doubtful(name, found.positive)]
    found.classes = sorted({name for name in found.labels.values() if name})
    if found.positive in found.classes:
        found.classes = [*(n for n in found.classes if n != found.positive), str(found.positive)]
    without = [k for k, one in found.labels.items() if one is None and k not in found.doubtful]
    if without:
        rows = int(counts[without].sum())
        found.remarks.append(f"{counted(rows, 'row')} would be left out, of no class.")


def _is_same(label: str, positive: str | None) -> bool:
    """Whether a label is another word for COVID-19, which is the positive class."""
    both = positive is not None and names_infection(label) and names_infection(positive)
    return both and all(COVID.search(label_key(one)) for one in (label, positive))


def _is_doubtful(label: str, positive: str | None) -> bool:
    """Whether a label may be the positive class or another: SARS, or COVID-19 with more words."""
    if positive is None or label == positive or not names_infection(positive):
        return False
    key = label_key(label)
    alike = names_infection(label) or COVID.search(key) is not None
    return alike and not NEGATED.search(key) and not _is_same(label, positive)
