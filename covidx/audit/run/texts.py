"""All words that a run's files hold, by file and place, however they are packed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as pq
from PIL import Image

Text = tuple[str, str, str]
"""Place (file, and key or row), what names it (key or column; empty in running text), words."""
PLAIN = (".md", ".csv", ".txt", ".yaml", ".log", ".svg", ".xml", ".css", ".js")
DATA_SCRIPT = re.compile(r'covidx\.receive\("([\w-]+)", (.*)\);\s*', re.DOTALL)
"""As `report.viewer.assets.write_data` writes it."""
PICTURES = (".png", ".jpg", ".jpeg")


def texts_of(folder: Path, leave_out: frozenset[str] = frozenset()) -> Iterator[Text]:
    """Every text below a folder: names of files, tables, JSON, pages, headers of weights.

    Parameters
    ----------
    folder : Path
        Of the run.
    leave_out : frozenset of str
        Names of folders directly below it that are not read.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if name.parts[0] in leave_out:
            continue
        yield "name of a file", "", name.as_posix()
        for place, key, text in _of_file(path):
            yield f"{name.as_posix()}{place}", key, text


def _of_file(path: Path) -> Iterator[Text]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _parquet(path)
        elif suffix == ".json":
            yield from _json(json.loads(path.read_text()))
        elif suffix == ".html":
            yield from _html(path.read_text(encoding="utf-8"))
        elif suffix in PLAIN:
            yield from _plain(path.read_text(encoding="utf-8"))
        elif suffix in PICTURES:
            with Image.open(path) as image:
                yield from (("", str(k), str(v)) for k, v in image.info.items())
                yield from (("", f"Exif {k}", str(v)) for k, v in image.getexif().items())
        elif suffix == ".safetensors":
            with path.open("rb") as stream:
                size = int.from_bytes(stream.read(8), "little")
                yield from _json(json.loads(stream.read(size)).get("__metadata__", {}))
        elif suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                yield from (("", "array", name) for name in arrays.files)
        elif suffix == ".skops":
            yield from _skops(path)
        else:
            yield "", "another format", suffix or "no suffix"
    except (OSError, ValueError, arrow.ArrowException, zipfile.BadZipFile) as error:
        yield "", "unreadable", type(error).__name__


def _plain(text: str) -> Iterator[Text]:
    """Line by line; of a page's script that hands over data those, without voxels in base64."""
    data = DATA_SCRIPT.fullmatch(text)
    if data is None:
        yield from ((f" line {n}", "", line) for n, line in enumerate(text.splitlines(), 1))
        return
    for place, key, words in _json(json.loads(data[2])):
        if not (key.endswith("cells") or data[1].startswith("voxels-")):
            yield place, key, words


def _parquet(path: Path) -> Iterator[Text]:
    table = pq.read_table(path)
    for key, value in (table.schema.metadata or {}).items():
        yield " metadata", "", f"{key.decode()}: {value.decode(errors='replace')}"
    for name in table.column_names:
        yield " columns", name, ""
        column = table.column(name)
        if arrow.types.is_string(column.type) or arrow.types.is_large_string(column.type):
            for row, value in enumerate(column.to_pylist(), 1):
                if value is not None:
                    yield f" row {row}", name, value


def _json(value: Any, key: str = "") -> Iterator[Text]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _json(part, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for part in value:
            yield from _json(part, key)
    elif value is not None and not isinstance(value, bool):
        yield f" {key}", key, str(value)


class _Words(HTMLParser):
    """Running text, attributes and data of a page, without its style and programs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self.skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        program = tag == "script" and ("type", "application/json") not in attrs
        self.skipped += program or tag == "style"
        values = [v for k, v in attrs if v and not v.startswith("data:") and k != "d"]
        self.found += [(self.getpos()[0], value) for value in values]

    def handle_endtag(self, tag: str) -> None:
        self.skipped = 0 if tag in ("style", "script") else self.skipped

    def handle_data(self, data: str) -> None:
        if not self.skipped and data.strip():
            self.found.append((self.getpos()[0], data.strip()))


def _html(text: str) -> Iterator[Text]:
    words = _Words()
    words.feed(text)
    yield from ((f" line {line}", "", text) for line, text in words.found)


def _skops(path: Path) -> Iterator[Text]:
    """A ZIP of JSON and arrays; its schema names columns and types."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".json"):
                with archive.open(member) as stream:
                    yield from _json(json.load(io.TextIOWrapper(stream, "utf-8")))
