"""The tables of `table_fuzz`: sound content, made odd in ways that people's tables are."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as pq
from openpyxl import Workbook

FORMATS = ("csv", "xlsx", "parquet")
WORDS = ("None", "asthma", "diabetes", "NA", "null")
"""Values of a text column; three of them look like an empty cell."""


@dataclass(eq=False)
class Content:
    """A table before it is written.

    Parameters
    ----------
    kind : str
        predictions, labels or clinical.
    columns : list of str
        A name may occur twice.
    rows : list of list
        Cells: text, numbers, booleans, None.
    truth : dict
        Patient -> whether of the positive class; None where it may be of neither.
    classes : tuple of str
        The negative and the positive class.
    named : bool
        Whether the classes are named to the reader of labels.
    comma : bool
        Whether CSV has decimal commas.
    odd : bool
        Whether a refusal is right.
    oddities : list of str
        What was done to it.
    """

    kind: str
    columns: list[str]
    rows: list[list[Any]]
    truth: dict[str, bool | None]
    classes: tuple[str, str] = ("normal", "covid-19")
    named: bool = True
    comma: bool = False
    odd: bool = False
    oddities: list[str] = field(default_factory=list)
    extra_rows: int = 0

    @property
    def positive(self) -> str:
        """The positive class."""
        return self.classes[1]

    @property
    def n_rows(self) -> int:
        """Rows with a cell."""
        return sum(any(cell is not None for cell in row) for row in self.rows)

    def column(self, name: str) -> int:
        """The place of a column."""
        return self.columns.index(name)


def _sound(chance: random.Random) -> Content:
    """Six to twelve patients."""
    kind = chance.choice(("predictions", "labels", "clinical"))
    n = chance.randint(6, 12)
    ids = [f"{chance.choice(('', '0', '00', 'p'))}{7 + i}" for i in range(n)]
    positive = [i % 2 == 0 for i in range(n)]
    labels: list[Any] = ["covid-19" if yes else "normal" for yes in positive]
    columns, rows = ["patient_id", "label"], [[a, b] for a, b in zip(ids, labels, strict=True)]

    def add(name: str, values: list[Any]) -> None:
        columns.append(name)
        for row, value in zip(rows, values, strict=True):
            row.append(value)

    if kind == "predictions":
        scores = [chance.randint(1, 99) / 100 for _ in ids]
        add("prob_covid-19", scores)
        if chance.random() < 0.5:
            add("prob_normal", [round(1 - score, 2) for score in scores])
    else:
        add("age", [float(chance.randint(20, 90)) for _ in ids])
        add("wbc", [round(chance.uniform(2, 20), 2) for _ in ids])
        add("cough", [chance.choice(WORDS) for _ in ids])
    if kind != "labels":
        add("group_id", [chance.choice((f"g{i}", None, None)) for i in range(n)])
    truth: dict[str, bool | None] = dict(zip(ids, positive, strict=True))
    return Content(kind, columns, rows, truth, named=chance.random() < 0.5)


def _some_row(of: Content, chance: random.Random) -> list[Any]:
    return chance.choice(of.rows)


def _numeric(of: Content, chance: random.Random) -> int:
    names = [name for name in of.columns if name.startswith("prob_") or name in ("age", "wbc")]
    return of.column(chance.choice(names))


def spelling(of: Content, chance: random.Random) -> None:
    """A label that differs from its class by case, blanks, dashes or Unicode's forms alone."""
    for _ in range(chance.choice((1, 1, 3))):
        row, k = _some_row(of, chance), of.column("label")
        if isinstance(row[k], str) and row[k] in of.classes:
            change: Callable[[str], str] = chance.choice(
                (
                    str.upper,
                    str.title,
                    lambda text: f" {text}",
                    lambda text: f"{text}  ",
                    lambda text: f"\u00a0{text}\u200b",
                    lambda text: text.replace("-", "\u2011"),
                    lambda text: text.replace("-", "\u2013"),
                    lambda text: text.replace("1", "\uff11"),
                )
            )
            row[k] = change(row[k])


def other_label(of: Content, chance: random.Random) -> None:
    """A label that is none of the classes: never the negative one."""
    row, k = _some_row(of, chance), of.column("label")
    row[k] = chance.choice(
        (
            *("inconclusive", "not done", "NA", "nan", "pending", "positive", "covid19"),
            *("covid_19", "COVID", "SARS-CoV-2", "?", "unknown", "n/a", "Not tested", "POS"),
        )
    )
    of.truth[row[0]] = None
    of.odd = True


def no_label(of: Content, chance: random.Random) -> None:
    """An empty label, or one of blanks."""
    row = _some_row(of, chance)
    row[of.column("label")] = chance.choice((None, " "))
    of.truth[row[0]] = None
    of.odd = True


def labels_as_numbers(of: Content, chance: random.Random) -> None:
    """Labels as integers, floats, booleans or their texts."""
    if any(row[1] not in of.classes for row in of.rows) or of.classes[0] == "0":
        return
    kind: Callable[[bool], Any] = chance.choice((int, float, bool, lambda yes: str(int(yes))))
    for row in of.rows:
        row[1] = kind(row[1] == of.positive)
    of.classes, of.named = ("0", "1"), True
    renames = {"prob_covid-19": "prob_1", "prob_normal": "prob_0"}
    of.columns = [renames.get(name, name) for name in of.columns]


def unknown_number(of: Content, chance: random.Random) -> None:
    """A number that is unknown: an empty cell, or how R and Python write it."""
    k = _numeric(of, chance)
    _some_row(of, chance)[k] = chance.choice((None, "", "NA", "NaN", "nan"))
    of.odd |= of.kind == "predictions"


def word_for_number(of: Content, chance: random.Random) -> None:
    """A word, or an ambiguous number, among numbers."""
    _some_row(of, chance)[_numeric(of, chance)] = chance.choice(
        ("high", "None", "null", "n/a", "<5", "5.200,1", "1,234,567", "-", "1 000", "#N/A")
    )
    of.odd = True


def decimal_comma(of: Content, chance: random.Random) -> None:
    """A CSV of a country with decimal commas; the other formats have numbers."""
    of.comma = True


def blanks(of: Content, chance: random.Random) -> None:
    """Blanks around ids."""
    for row in of.rows:
        if isinstance(row[0], str) and chance.random() < 0.5:
            row[0] = chance.choice((f" {row[0]}", f"{row[0]} ", f"{row[0]}\u00a0"))


def no_id(of: Content, chance: random.Random) -> None:
    """A row without an id."""
    _some_row(of, chance)[0] = chance.choice((None, "  "))
    of.odd = True


def word_for_id(of: Content, chance: random.Random) -> None:
    """An id that looks like an empty cell."""
    row = _some_row(of, chance)
    if row[0] in of.truth:
        word = chance.choice(("NA", "null", "None", "nan"))
        of.truth[word] = of.truth.pop(row[0])
        row[0] = word


def same_id(of: Content, chance: random.Random) -> None:
    """A patient with two rows."""
    one, two = chance.sample(of.rows, 2)
    two[0] = one[0]
    of.truth.clear()
    of.odd = True


def repeated_row(of: Content, chance: random.Random) -> None:
    """A row twice."""
    of.rows.append(list(_some_row(of, chance)))
    of.odd |= of.kind != "labels"


def empty_row(of: Content, chance: random.Random) -> None:
    """A line without any cell."""
    of.rows.insert(chance.randrange(len(of.rows)), [None] * len(of.columns))


def header_twice(of: Content, chance: random.Random) -> None:
    """Two columns of one name."""
    name = chance.choice(of.columns)
    of.columns.append(name)
    for row in of.rows:
        row.append(chance.choice((None, "x", 1)))
    of.odd = True


def other_header(of: Content, chance: random.Random) -> None:
    """A column under another name."""
    k = of.column(chance.choice(("patient_id", "label")))
    of.columns[k] = chance.choice(("PatientID", "Diagnosis", "", "Label", "id", "label2"))
    of.odd = True


def blank_header(of: Content, chance: random.Random) -> None:
    """Blanks around a header."""
    k = chance.randrange(len(of.columns))
    of.columns[k] = f" {of.columns[k]} "


def more_columns(of: Content, chance: random.Random) -> None:
    """A column that nobody asks for: words, some like empty cells, or numbers."""
    of.columns.append("remark")
    for row in of.rows:
        if any(cell is not None for cell in row):
            row.append(chance.choice((None, "None", "ok; fine", 'said "no"', "a, b", "ä")))
        else:
            row.append(None)


ODDITIES: tuple[Callable[[Content, random.Random], None], ...] = (
    spelling,
    spelling,
    labels_as_numbers,
    other_label,
    no_label,
    unknown_number,
    word_for_number,
    decimal_comma,
    blanks,
    word_for_id,
    no_id,
    same_id,
    more_columns,
    repeated_row,
    empty_row,
    other_header,
    header_twice,
    blank_header,
)


def content(chance: random.Random) -> Content:
    """A sound table with up to four oddities, in the order of `ODDITIES`.

    Parameters
    ----------
    chance : Random
        Decides everything.
    """
    of = _sound(chance)
    chosen = sorted(chance.sample(range(len(ODDITIES)), chance.choice((0, 1, 1, 2, 2, 3, 4))))
    for k in chosen:
        ODDITIES[k](of, chance)
        of.oddities.append(ODDITIES[k].__name__)
    return of


def write(of: Content, path: Path, chance: random.Random) -> None:
    """Write the content in the format of the path.

    Parameters
    ----------
    of : Content
        The table.
    path : Path
        Ends in one of `FORMATS`.
    chance : Random
        Chooses what divides the cells of CSV.
    """
    if path.suffix == ".csv":
        divider = chance.choice((",", ";", "\t"))
        with path.open("w", newline="", encoding=chance.choice(("utf-8", "utf-8-sig"))) as stream:
            writer = csv.writer(stream, delimiter=divider)
            writer.writerow(of.columns)
            writer.writerows([_as_csv(cell, of.comma) for cell in row] for row in of.rows)
    elif path.suffix == ".xlsx":
        book = Workbook(write_only=True)
        sheet = book.create_sheet("patients")
        sheet.append(of.columns)
        for row in of.rows:
            sheet.append(row)
        book.save(path)
    else:
        pq.write_table(
            arrow.Table.from_arrays(
                [_as_array([row[k] for row in of.rows]) for k in range(len(of.columns))],
                names=of.columns,
            ),
            path,
        )


def _as_csv(cell: Any, comma: bool) -> str:
    if cell is None:
        return ""
    text = str(cell)
    return text.replace(".", ",") if comma and isinstance(cell, float) else text


def _as_array(cells: list[Any]) -> arrow.Array:
    """Typed where all cells are of one type, else text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) > 1:
        return arrow.array([None if cell is None else str(cell) for cell in cells])
    return arrow.array(cells)
