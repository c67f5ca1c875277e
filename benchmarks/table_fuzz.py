"""Thousands of odd and damaged tables: no traceback, no class lost in silence, each row counted.

The same content is written as CSV, XLSX and parquet, and must get the same answer; a fourth file is
one of them with damaged bytes.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.damage import MUTATIONS
from benchmarks.results import Result, commit_now
from benchmarks.table_fuzz_content import FORMATS, Content, content, write
from covidx.cards import ClinicalTable, Column, DataCard
from covidx.clinical import read_rows
from covidx.cohort import clinical_of, join_labels, read_labels
from covidx.errors import CovidxError
from covidx.evaluate import Rows, read_predictions
from covidx.files import make_folder, read_json, write_json
from covidx.ingest import Identities

COMMAND = "python -m benchmarks table-fuzz"
FILES = 10_000
SEED = 2026
CHUNK = 250
"""Contents a process."""

COUNTED = r"^(\d+) (?:label )?rows? left out"
"""How a note counts rows that are not used."""

Answer = dict[str, tuple[Any, ...]] | str
"""Patient -> whether the class is the positive one, then numbers; or the code of a refusal."""

CARD = DataCard(
    identifier="fuzzed",
    title="t",
    description="d",
    version="1",
    licence="x",
    creators=["c"],
    citation="c",
    domain="simulated",
    provenance="p",
    population="p",
    label_origin="l",
    classes=["normal", "covid-19"],
    positive="covid-19",
    known_biases=[],
    public_ids=True,
    clinical=ClinicalTable(
        table="t.csv",
        patient="patient_id",
        group="group_id",
        label="label",
        features=["age", "wbc", "cough"],
    ),
    columns=[
        Column(name="patient_id", meaning="m"),
        Column(name="group_id", meaning="m"),
        Column(name="label", meaning="m"),
        Column(name="age", meaning="m", type="number"),
        Column(name="wbc", meaning="m", type="number"),
        Column(name="cough", meaning="m", type="category"),
    ],
)
BY_NUMBER = CARD.model_copy(
    update={
        "clinical": CARD.clinical
        and CARD.clinical.model_copy(update={"labels": {"0": "normal", "1": "covid-19"}})
    }
)


def _numbers(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(None if v is None or v != v else v for v in values)


def answer(path: Path, of: Content) -> tuple[Answer, list[str]]:
    """What covidx reads from a table, and what it says besides.

    Raises
    ------
    Exception
        Whatever is no `CovidxError`: that is a fault.
    """
    try:
        return {"predictions": _predictions, "labels": _labels, "clinical": _clinical}[of.kind](
            path, of
        )
    except CovidxError as error:
        return error.code, [str(error)]


def _predictions(path: Path, of: Content) -> tuple[Answer, list[str]]:
    read = read_predictions(path)
    rows = Rows.of(read.table, of.positive)
    values = zip(rows.truth.tolist(), rows.scores.tolist(), rows.groups.tolist(), strict=True)
    return dict(zip(rows.units.tolist(), values, strict=True)), read.assumed


def _labels(path: Path, of: Content) -> tuple[Answer, list[str]]:
    classes = of.classes if of.named else ()
    table = read_labels(path, classes=classes, positive=of.positive)
    notes = list(table.attrs["notes"])
    ids = list(table["patient_id"])
    manifest = pd.DataFrame({"image_id": ids, "patient_id": ids, "label": None})
    joined, labels = join_labels(manifest, table, path, Identities.public())
    clinical = clinical_of(labels, path)
    assert clinical is not None
    notes += clinical.attrs["notes"]
    known = clinical.set_index("patient_id")
    values = (known[name].tolist() for name in sorted(known))
    by_patient = dict(zip(known.index, zip(*values, strict=True), strict=True))
    return {
        patient: (label == of.positive, *_numbers(by_patient[patient]))
        for patient, label in zip(ids, joined["label"], strict=True)
    }, notes


def _clinical(path: Path, of: Content) -> tuple[Answer, list[str]]:
    rows = read_rows(path, CARD if of.positive == CARD.positive else BY_NUMBER)
    words = next(f.values or [] for f in rows.features if f.type == "category")
    table = rows.table.assign(
        cough=[None if np.isnan(v) else words[int(v)] for v in rows.table["cough"]]
    )
    values = table[["group_id", *rows.names]].to_numpy(object).tolist()
    return {
        str(patient): (positive, *_numbers(row))
        for patient, positive, row in zip(
            table["patient_id"], rows.truth.tolist(), values, strict=True
        )
    }, rows.notes


def faults_of(of: Content, answers: dict[str, tuple[Answer, list[str]]]) -> Iterator[str]:
    """What is wrong with the answers to one content in several formats."""
    first, *others = answers
    for name in others:
        if answers[name][0] != answers[first][0]:
            yield f"{name} differs from {first}: {answers[name][0]} {answers[first][0]}"
    for name, (found, notes) in answers.items():
        if isinstance(found, str):
            if not of.odd:
                yield f"{name} is refused though nothing is wrong: {notes[0]}"
            continue
        for patient, truth in of.truth.items():
            if patient in found and found[patient][0] is not truth:
                yield f"{name}: {patient} is {found[patient][0]}, and not {truth}"
        counted = sum(int(n) for note in notes for n in re.findall(COUNTED, note))
        if len(found) + counted != of.n_rows:
            yield f"{name}: {len(found)} rows used and {counted} counted of {of.n_rows}"


def one(index: int, folder: Path, seed: int = SEED) -> tuple[list[str], Counter[str]]:
    """Write, read and judge one content in three formats, and a damaged file.

    Returns
    -------
    faults : list of str
    kinds : Counter
        What became of each file: read, or the code of the refusal.
    """
    chance = random.Random(f"{seed}-{index}")  # noqa: S311 (oddities, no secrets)
    of = content(chance)
    paths = {name: folder / f"table.{name}" for name in FORMATS}
    answers: dict[str, tuple[Answer, list[str]]] = {}
    faults: list[str] = []
    kinds: Counter[str] = Counter()
    for name, path in paths.items():
        write(of, path, chance)
        _try(path, of, answers, name, faults, kinds)
    faults += faults_of(of, answers)
    damaged = paths[chance.choice(FORMATS)]
    data = bytearray(damaged.read_bytes())
    for damage in chance.sample(MUTATIONS, chance.choice((1, 1, 2))):
        data = damage(data, chance) or bytearray(1)
    damaged.write_bytes(data)
    _try(damaged, of, {}, "damaged", faults, kinds)
    return [f"{index} ({of.kind}; {', '.join(of.oddities)}): {fault}" for fault in faults], kinds


def _try(
    path: Path,
    of: Content,
    answers: dict[str, tuple[Answer, list[str]]],
    name: str,
    faults: list[str],
    kinds: Counter[str],
) -> None:
    try:
        answers[name] = found = answer(path, of)
    except Exception as error:
        faults.append(f"{name}{path.suffix}: {type(error).__name__}: {error}")
        return
    kinds[found[0] if isinstance(found[0], str) else "read"] += 1


def table_fuzz(
    count: int = FILES, seed: int = SEED, work: Path | None = None, say: Callable[..., None] = print
) -> dict[str, Result]:
    """Try tables, four files a content, in processes of `CHUNK` contents.

    Parameters
    ----------
    count, seed : int
        Number of files; what they are made from.
    work : Path, optional
        Keeps what finished processes found, so that an interrupted benchmark goes on.
    say : callable
        Takes lines on what was found.

    Returns
    -------
    dict
        ``table_fuzz_files`` and ``table_fuzz_failures``: contents with a traceback, another answer
        in another format, a class changed in silence or a row that nothing counts.
    """
    begun, commit = time.perf_counter(), commit_now()
    faults: list[str] = []
    kinds: Counter[str] = Counter()
    contents = -(-count // 4)
    with tempfile.TemporaryDirectory() as scratch:
        kept = make_folder((work or Path(scratch)) / f"table-fuzz-{str(commit)[:12]}-{seed}")
        for start in range(0, contents, CHUNK):
            stop = min(start + CHUNK, contents)
            path = kept / f"{start}-{stop}.json"
            if not path.is_file():
                write_json(path, _chunk(start, stop, seed))
            found = read_json(path)
            faults += found["faults"]
            kinds.update(found["kinds"])
            for fault in found["faults"]:
                say(fault)
            say(f"{4 * stop} of {count}")
    bad = len({fault.partition(" ")[0] for fault in faults})
    minutes = (time.perf_counter() - begun) / 60
    counts = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
    return {
        "table_fuzz_files": Result(
            value=4 * contents, low=4 * contents, high=4 * contents, n=4 * contents,
            command=COMMAND, commit=commit,
            against=f"10,000; {contents} contents as CSV, XLSX and parquet, one damaged;"
            f" seed {seed}; {minutes:.0f} minutes; {counts}",
        ),
        "table_fuzz_failures": Result(
            value=bad, low=bad, high=bad, n=contents, command=COMMAND, commit=commit,
            against="0; a traceback, another answer in another format, a class changed in silence,"
            " or a row neither used, refused nor counted",
        ),
    }  # fmt: skip


def _chunk(start: int, stop: int, seed: int) -> dict[str, Any]:
    """Contents in a process of their own; one that ends it is a fault, and the next goes on."""
    faults: list[str] = []
    kinds: Counter[str] = Counter()
    while start < stop:
        command = [sys.executable, "-m", "benchmarks.table_fuzz", str(start), str(stop), str(seed)]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        for line in lines:
            faults += line["faults"]
            kinds.update(line["kinds"])
        start += len(lines)
        if start < stop:
            faults.append(f"{start} ended the process: {process.stderr[-200:].strip()}")
            start += 1
    return {"faults": faults, "kinds": dict(kinds)}


def _each(start: int, stop: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(start, stop):
            faults, kinds = one(index, Path(scratch), seed)
            print(json.dumps({"faults": faults, "kinds": kinds}), flush=True)


if __name__ == "__main__":
    _each(*map(int, sys.argv[1:4]))
