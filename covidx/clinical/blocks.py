"""A large table in blocks of lines, each a file that the reader of whole tables takes.

So a table of millions of rows needs the memory of one block, whatever its reader does with cells.
"""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import pyarrow.parquet as parquet
from pyarrow import Table

from covidx.errors import CovidxError

LINES = 100_000
"""Of a block: some 50 MB as text in memory. Modelling choice."""
PACKED = (".zip", ".gz")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LONGEST = 1000
"""Lines that a cell in quotes may go over; more are a stray quote, of which the reader tells."""
SMALL = 16_000_000
"""Bytes of a file that is read whole: a block would save nothing."""


def table_blocks(path: Path, lines: int = LINES) -> Iterator[tuple[Path, int]]:
    """Cut a table into blocks.

    Parameters
    ----------
    path : Path
        CSV or TSV (zipped or gzipped too), or parquet, is cut; any other table, and a small one, is
        one block.
    lines : int
        Of a block, the header not counted.

    Yields
    ------
    block : Path
        The table's own path, or a file with the same header in a private folder, which is gone
        when the next one is asked for.
    before : int
        Lines of data in the table before it.
    """
    suffix = path.suffix.lower()
    cut = suffix in (".csv", ".tsv", ".zip", ".gz", ".parquet")
    if not cut or not path.is_file() or (suffix not in PACKED and path.stat().st_size < SMALL):
        yield path, 0
        return
    with TemporaryDirectory(prefix="covidx-table-") as folder:
        if suffix == ".parquet":
            yield from _rows(path, Path(folder), lines)
        else:
            yield from _lines(path, Path(folder), lines)


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Let errors about a block name the table at `path`."""
    try:
        yield
    except CovidxError as error:
        error.path = str(path)
        raise


def _rows(path: Path, folder: Path, lines: int) -> Iterator[tuple[Path, int]]:
    done = 0
    with parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(lines):
            block = folder / "block.parquet"
            parquet.write_table(Table.from_batches([batch]), block)
            yield block, done
            done += batch.num_rows


def _lines(path: Path, folder: Path, lines: int) -> Iterator[tuple[Path, int]]:
    """A line that lies within quotes goes on in the next one."""
    name = "block.tsv" if ".tsv" in path.name.lower() else "block.csv"
    done = 0
    with ExitStack() as stack:
        stream = _opened(path, stack)
        header = b"" if stream is None else _whole_line(stream)
        if stream is None or header.startswith((b"sep=", b"#", *UTF_16)):  # its reader knows how
            yield path, 0
            return
        while True:
            block = folder / name
            count = 0
            with block.open("wb") as out:
                out.write(header)
                while count < lines and (line := _whole_line(stream)):
                    out.write(line)
                    count += line.count(b"\n") or 1
            if not count and done:
                return
            yield block, done
            if not count:
                return
            done += count


def _whole_line(stream: IO[bytes]) -> bytes:
    line = stream.readline()
    for _ in range(LONGEST):
        if line.count(b'"') % 2 == 0 or not (more := stream.readline()):
            break
        line += more
    return line


def _opened(path: Path, stack: ExitStack) -> IO[bytes] | None:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return stack.enter_context(gzip.open(path))  # type: ignore[return-value]
    if suffix != ".zip":
        return stack.enter_context(path.open("rb"))
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except zipfile.BadZipFile:
        return None
    members = archive.infolist()
    if len(members) != 1 or members[0].file_size < SMALL:
        return None
    return stack.enter_context(archive.open(members[0]))
