"""Folders of two runs of one kind, compared by value: tables, weights, pipelines, thresholds."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmarks.same_values import KEYS, Comparison, compare_tables, compare_tensors, names_now

TABLES = ("predictions", "models", "contributions", "scores", "boxes", "truth")
"""Names of the tables to compare, each .parquet or .csv; a new name belongs here too."""
RESULTS = ("threshold", "lines", "scale", "prior", "half_width", "anchors")
"""Keys of a bundle.json below which numbers are results and not settings."""
UNSTABLE = ("__id__", "file", "protocol", "_skops_version")
"""Of a skops schema: addresses in memory, names made of them, and versions of the format."""
OWN = "covidx"
"""Classes of this package may move to another of its modules."""


def compare_run_folders(old: Path, new: Path) -> Comparison:
    """Compare the tables and the bundles of two finished runs.

    Parameters
    ----------
    old, new : Path
        Folders of the runs, each with tables and a folder ``bundle``.

    Returns
    -------
    Comparison
        Never equal where there are no rows, no values or no tensors to compare.
    """
    total = Comparison()
    old_tables, new_tables = ({p.stem: p for p in _tables(run)} for run in (old, new))
    for name, path in old_tables.items():
        names = names_now(name, new_tables)
        total += (
            compare_tables(_read(path), _read(new_tables[names[0]]), path.name)
            if names
            else Comparison.unmatched(f"{path.name}: the table is missing")
        )
    total += _compare_bundles(old / "bundle", new / "bundle")
    for what in ("rows", "values", "tensors"):
        if not getattr(total, what):
            total += Comparison.unmatched(f"there are no {what} to compare")
    return total


def _compare_bundles(old: Path, new: Path) -> Comparison:
    total = compare_tensors(_weights(old), _weights(new))
    new_pipelines = {p.relative_to(new).as_posix(): p for p in new.rglob("*.skops")}
    for path in sorted(old.rglob("*.skops")):
        name = path.relative_to(old).as_posix()
        names = names_now(name, new_pipelines)
        total += (
            compare_pipelines(path, new_pipelines[names[0]], name)
            if names
            else Comparison.unmatched(f"{name}: the pipeline is missing")
        )
    return total + compare_numbers(_descriptions(old), _descriptions(new))


def compare_pipelines(old: Path, new: Path, name: str) -> Comparison:
    """Compare two skops files: every array and every parameter, by its place in the pipeline.

    The bytes of two such files are never the same: they hold addresses in memory and times.

    Parameters
    ----------
    old, new : Path
        Archives of ``schema.json`` and arrays.
    name : str
        What to call the pipeline in a line about a difference.
    """
    places = []
    for path in (old, new):
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
            places.append(dict(_parameters(schema, archive, name)))
    old_texts, new_texts = ({k: v for k, v in p.items() if isinstance(v, str)} for p in places)
    old_arrays, new_arrays = (
        {k: v for k, v in p.items() if isinstance(v, np.ndarray)} for p in places
    )
    total = compare_tensors(old_arrays, new_arrays)
    for place in dict.fromkeys([*old_texts, *new_texts]):
        then, now = old_texts.get(place), new_texts.get(place)
        if then != now:
            total += Comparison.unmatched(f"{place}: {then} is now {now}")
    return total


def compare_numbers(old: Any, new: Any) -> Comparison:
    """Compare the results that ``bundle.json`` holds: thresholds, lines of late fusion, anchors.

    Parameters
    ----------
    old, new : dict
        Read from JSON. A number of the old one below a key of `RESULTS` must occur in the new one,
        in whatever place.
    """
    present = {value for _, value in _numbers(new)}
    results = [(p, value) for p, value in _numbers(old) if set(p.split(".")) & set(RESULTS)]
    lost = (
        f"bundle.json: {p} = {value} is missing" for p, value in results if value not in present
    )
    return sum(map(Comparison.unmatched, lost), Comparison(values=len(results)))


def _tables(run: Path) -> list[Path]:
    paths = sorted(run.iterdir())
    return [p for p in paths if p.stem in TABLES and p.suffix in (".parquet", ".csv")]


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=dict.fromkeys(KEYS, str))


def _weights(bundle: Path) -> dict[str, NDArray[Any]]:
    return {
        f"{path.relative_to(bundle).as_posix()}:{name}": array
        for path in sorted(bundle.rglob("*.safetensors"))
        for name, array in load_file(path).items()
    }


def _descriptions(bundle: Path) -> dict[str, Any]:
    paths = sorted(bundle.rglob("bundle.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def _numbers(node: Any, place: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _numbers(value, f"{place}.{key}".lstrip("."))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield place, float(node)


def _parameters(
    node: Any, archive: zipfile.ZipFile, place: str
) -> Iterator[tuple[str, NDArray[Any] | str]]:
    """Every array and every text of a skops schema, by its place."""
    if not isinstance(node, dict | list):
        yield place, str(node)
        return
    skipped = list(UNSTABLE)
    if isinstance(node, dict):
        if "file" in node:
            yield from _fields(archive, node["file"], place)
        if str(node.get("__module__")).startswith(OWN):
            skipped.append("__module__")
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key not in skipped:
            yield from _parameters(value, archive, f"{place}.{key}")


def _fields(archive: zipfile.ZipFile, file: str, place: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """An array, or each field of an array of records, which have padding of any bytes between."""
    array = np.load(io.BytesIO(archive.read(file)), allow_pickle=False)
    if array.dtype.names is None:
        yield place, array
    else:
        yield from ((f"{place}.{name}", array[name]) for name in array.dtype.names)
