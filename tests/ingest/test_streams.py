"""Text in compressed streams is blanked where it is; lengths and samples stay."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from covidx.errors import InvalidInputError
from covidx.ingest.deid.streams import JPEG_LS, JPEGS, JPEGS_2000, without_text

from .leaks import leaks

SECRET = "Zwiebelfisch"
COMMENT = SECRET.encode()


def jpeg(**options: object) -> bytes:
    values = np.arange(64 * 48).reshape(48, 64) % 251
    stream = BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(stream, "JPEG", **options)
    return stream.getvalue()


def samples(stream: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(stream)))


def test_comments_and_application_data_of_jpeg() -> None:
    stream = jpeg(comment=SECRET, exif=b"Exif\0\0" + COMMENT)
    assert leaks(stream, [SECRET])
    data = encapsulate([stream, jpeg()])
    clean = without_text(data, JPEGBaseline8Bit)
    assert len(clean) == len(data)
    assert not leaks(clean, [SECRET])
    place = data.index(stream)
    np.testing.assert_array_equal(samples(clean[place : place + len(stream)]), samples(stream))
    assert clean[place:].startswith(stream[:20])  # JFIF stays


def test_what_is_behind_the_end() -> None:
    clean = without_text(encapsulate([jpeg() + COMMENT]), JPEGBaseline8Bit)
    assert not leaks(clean, [SECRET])


def test_a_frame_in_several_fragments() -> None:
    stream = jpeg(comment=SECRET)
    cut = stream.index(COMMENT) + 4  # in the midst of the comment
    cut += cut % 2
    items = [b"", stream[:cut], stream[cut:] + bytes(len(stream) % 2)]
    data = b"".join(b"\xfe\xff\x00\xe0" + len(i).to_bytes(4, "little") + i for i in items)
    clean = without_text(data, JPEGBaseline8Bit)
    assert not leaks(clean, [SECRET, SECRET[:4], SECRET[5:]])
    assert len(clean) == len(data)


def test_comments_of_jpeg_2000() -> None:
    stream = BytesIO()
    image = Image.fromarray((np.arange(4096).reshape(64, 64) % 256).astype(np.uint8))
    image.save(stream, "JPEG2000", comment=SECRET, no_jp2=True, tile_size=(32, 32))
    data = encapsulate([stream.getvalue()])
    assert leaks(data, [SECRET])
    clean = without_text(data, JPEG2000Lossless)
    assert not leaks(clean, [SECRET]) and len(clean) == len(data)
    place = data.index(stream.getvalue())
    np.testing.assert_array_equal(samples(clean[place:]), np.asarray(image))


def test_comments_of_jpeg_ls() -> None:
    import jpeg_ls

    values = (np.arange(4096).reshape(64, 64) * 37 % 251).astype(np.uint8)
    stream = bytes(jpeg_ls.encode(values))
    comment = b"\xff\xfe" + (len(COMMENT) + 2).to_bytes(2, "big") + COMMENT
    stream = stream[:2] + comment + stream[2:]
    data = encapsulate([stream])
    clean = without_text(data, JPEGLSLossless)
    assert not leaks(clean, [SECRET]) and len(clean) == len(data)
    place = data.index(stream)
    np.testing.assert_array_equal(
        jpeg_ls.decode(np.frombuffer(clean[place : place + len(stream)], np.uint8)), values
    )


def test_run_lengths_have_no_place_for_text() -> None:
    assert without_text(b"anything", RLELossless) == b"anything"


@pytest.mark.parametrize(
    ("data", "syntax", "code"),
    [
        (encapsulate([jpeg()[:-2]]), JPEGBaseline8Bit, "STREAM_BROKEN"),
        (encapsulate([b"no stream"]), JPEGBaseline8Bit, "STREAM_BROKEN"),
        (encapsulate([jpeg()])[:50], JPEGBaseline8Bit, "STREAM_BROKEN"),
        (encapsulate([b"\xff\x4f\xff\x90\x00\x0a" + bytes(20)]), JPEG2000Lossless, "STREAM_BROKEN"),
        (encapsulate([jpeg()]), MPEG2MPML, "SYNTAX_UNSUPPORTED"),
    ],
)
def test_what_cannot_be_followed_is_refused(data: bytes, syntax: UID, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        without_text(data, syntax)
    assert caught.value.code == code


def test_every_real_stream_keeps_its_samples(shared: Path) -> None:
    seen = set()
    for path in sorted((shared / "dicom").rglob("*")):
        if not path.is_file() or path.read_bytes()[128:132] != b"DICM":
            continue
        ds = dcmread(path, force=True)
        syntax = ds.file_meta.get("TransferSyntaxUID")
        if syntax not in (*JPEGS, *JPEG_LS, *JPEGS_2000) or "PixelData" not in ds:
            continue
        if (syntax, ds.Rows) in seen:
            continue
        try:
            expected = ds.pixel_array
            clean = without_text(ds.PixelData, syntax)
        except Exception:  # broken on purpose, or of a syntax that nothing here decodes
            continue
        seen.add((syntax, ds.Rows))
        ds.PixelData = clean
        np.testing.assert_array_equal(ds.pixel_array, expected)
    assert len({syntax for syntax, _ in seen}) >= 5
