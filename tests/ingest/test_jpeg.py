"""A JPEG stream is checked before GDCM sees it, in a process of its own, which some end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames

from benchmarks.series import SERIES, write
from covidx.errors import CovidxError
from covidx.ingest.dicom import gdcm_process
from covidx.ingest.dicom.decode import decode, read_dataset
from covidx.ingest.dicom.jpeg import EXTENDED, LOSSLESS, sound_stream

# 2 x 3 pixels of 16 bits, one sample; a table of two codes; predictor 1; coded data with a 00.
FRAME = bytes.fromhex("ffc3 000b 10 0002 0003 01 01 11 00")
TABLE = bytes.fromhex("ffc4 0015 00 0200 0000 0000 0000 0000 0000 0000 0000 0001")
SCAN = bytes.fromhex("ffda 0008 01 01 00 01 00 00 1234 ff00 56")
APPLICATION = bytes.fromhex("ffe0 0004 4a46")
START, END = bytes.fromhex("ffd8"), bytes.fromhex("ffd9")
SIZE = (2, 3, 1)


def test_a_sound_stream_loses_what_says_nothing_of_the_samples() -> None:
    stream = START + APPLICATION + FRAME + TABLE + SCAN + END + b"\0"
    assert sound_stream(stream, LOSSLESS, SIZE) == START + FRAME + TABLE + SCAN + END


@pytest.mark.parametrize(
    ("why", "stream"),
    [
        ("no start", FRAME + TABLE + SCAN + END),
        ("no end", START + FRAME + TABLE + SCAN),
        ("no frame", START + TABLE + SCAN + END),
        ("no scan", START + FRAME + TABLE + END),
        ("two frames", START + FRAME + FRAME + TABLE + SCAN + END),
        ("no marker", START + b"\0\0" + FRAME + TABLE + SCAN + END),
        ("another frame", START + FRAME.replace(b"\xc3", b"\xc1") + TABLE + SCAN + END),
        ("other rows", START + FRAME.replace(b"\0\2\0\3", b"\0\3\0\3") + TABLE + SCAN + END),
        ("17 bits", START + FRAME.replace(b"\x10", b"\x11") + TABLE + SCAN + END),
        ("two samples", START + FRAME.replace(b"\3\1\1", b"\3\2\1") + TABLE + SCAN + END),
        ("three codes of one bit", START + FRAME + TABLE.replace(b"\2", b"\3") + SCAN + END),
        ("table 4", START + FRAME + TABLE.replace(b"\x15\0", b"\x15\4") + SCAN + END),
        ("table too short", START + FRAME + TABLE.replace(b"\2", b"\1") + SCAN + END),
        ("predictor 8", START + FRAME + TABLE + SCAN.replace(b"\1\0\0", b"\x08\0\0") + END),
        ("a progressive scan", START + FRAME + TABLE + b"\xff\xc2\0\2" + SCAN + END),
        ("a length of 1", START + b"\xff\xdd\0\1" + FRAME + TABLE + SCAN + END),
    ],
)
def test_a_broken_stream_is_refused(why: str, stream: bytes) -> None:
    with pytest.raises(ValueError):
        sound_stream(stream, LOSSLESS, SIZE)


def _lossless(folder: Path) -> Path:
    write(SERIES["syntax-jpeg"], folder)
    return min(folder.iterdir())


def test_bits_that_end_gdcm_are_refused_and_the_next_file_is_read(tmp_path: Path) -> None:
    """64 bits allocated make GDCM throw what it does not catch (found by fuzzing)."""
    sound = _lossless(tmp_path / "series")
    ds = dcmread(sound)
    ds.BitsAllocated = 64
    ds.save_as(tmp_path / "broken")
    for _ in range(2):
        with pytest.raises(CovidxError) as caught:
            decode(read_dataset(str(tmp_path / "broken")), "broken", None)
        assert caught.value.code == "PIXELS_UNREADABLE"
    assert decode(read_dataset(str(sound)), "sound", None).shape == (40, 36)


def test_a_decoder_that_is_gone_or_does_not_answer_refuses_one_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = str(_lossless(tmp_path / "series"))
    expected = decode(read_dataset(sound), "sound", None)
    monkeypatch.setattr(gdcm_process, "SECONDS", 0.2)
    gdcm_process._process(os.getpid()).send_signal(signal.SIGSTOP)
    with pytest.raises(CovidxError):
        decode(read_dataset(sound), "sound", None)
    monkeypatch.undo()
    assert (decode(read_dataset(sound), "sound", None) == expected).all()
    process = gdcm_process._process(os.getpid())
    process.kill()
    process.wait()
    with pytest.raises(CovidxError):
        decode(read_dataset(sound), "sound", None)
    assert (decode(read_dataset(sound), "sound", None) == expected).all()


def test_the_lossless_stream_is_no_extended_one() -> None:
    with pytest.raises(ValueError):
        sound_stream(START + FRAME + TABLE + SCAN + END, EXTENDED, SIZE)


def changed(tmp_path: Path, place: int, value: int) -> Path:
    """12-bit JPEG of pydicom with one byte of its stream changed."""
    ds = dcmread(str(get_testdata_file("JPGExtended.dcm", download=False)))
    stream = bytearray(next(generate_frames(ds.PixelData, number_of_frames=1)))
    stream[place] = value
    ds.PixelData = encapsulate([bytes(stream)])
    ds.save_as(tmp_path / "f")
    return tmp_path / "f"


@pytest.mark.parametrize(("place", "value"), [(1, 0), (2, 0), (4, 0x60)])
def test_a_broken_file_is_refused(tmp_path: Path, place: int, value: int) -> None:
    path = changed(tmp_path, place, value)
    with pytest.raises(CovidxError) as caught:
        decode(read_dataset(str(path)), str(path), None)
    assert caught.value.code == "PIXELS_UNREADABLE"


STREAMS = """
import logging, random, sys
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from benchmarks.series import SERIES, write
from covidx.errors import CovidxError
from covidx.ingest.dicom import gdcm_process
from covidx.ingest.dicom.decode import decode
logging.disable(logging.CRITICAL)
ds = dcmread(sys.argv[1])
stream = next(generate_frames(ds.PixelData, number_of_frames=1))
refused = 0
for seed in range(120):
    chance, broken = random.Random(seed), bytearray(stream)
    for _ in range(chance.choice([1, 3, 20])):
        end = min(len(broken), chance.choice([100, 1000, 10000]))
        broken[chance.randrange(end)] = chance.randrange(256)
    ds.PixelData = encapsulate([bytes(broken)])
    try:
        decode(ds, "f", None)
    except CovidxError as error:
        refused += error.code == "PIXELS_UNREADABLE"
print(refused)
"""


@pytest.mark.parametrize(
    "name",
    [
        "JPGExtended.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
    ],
)
def test_no_broken_stream_ends_the_process(name: str) -> None:
    """pydicom's first choice of decoders does, or lets a panic of Rust pass."""
    path = str(get_testdata_file(name, download=False))
    done = subprocess.run(
        [sys.executable, "-c", STREAMS, path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) > 10


@pytest.mark.parametrize("name", ["JPEGLSNearLossless_16.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_a_jpeg_ls_stream_is_refused_where_it_is_cut_not_where_only_its_end_is_missing(
    name: str,
) -> None:
    """CharLS itself goes on for half a minute on some streams that are cut."""
    ds = read_dataset(str(get_testdata_file(name)))
    frame = 0 if ds.get("NumberOfFrames", 1) > 1 else None
    whole = decode(ds, name, frame)
    stream = next(generate_frames(ds.PixelData, number_of_frames=ds.get("NumberOfFrames", 1)))
    stream = stream[: stream.rindex(END)]
    ds.NumberOfFrames = 1
    ds.PixelData = encapsulate([stream])
    np.testing.assert_array_equal(decode(ds, name, frame), whole)
    for size in range(60, len(stream) - 60, len(stream) // 12):
        ds.PixelData = encapsulate([stream[:size]])
        with pytest.raises(CovidxError, match="PIXELS_UNREADABLE"):
            decode(ds, name, frame)
