"""PNG and JPEG: pictures of images, in display greys, with no geometry and no units."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from covidx.constants import DISPLAY_MAX, MAX_PLANE_PIXELS
from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.volume import Volume

FORMATS = ("PNG", "JPEG")
SIXTEEN_BIT = 65535
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L")
FEWER_BITS = (255, 4095)
WITHIN = {255: ", of which 8 are used", 4095: ", of which 12 are used", SIXTEEN_BIT: ""}
DARK = 64
"""Of 255: a greatest grey below it shows that a picture was made for fewer bits than it has."""
COMPRESSION = 6
EXIF_ORIENTATION = 0x0112


def read_picture(
    path: Path, modality: str = "OT", *, fewer_bits: bool = True
) -> tuple[Volume, str, str]:
    """Read a picture as greys of 0 to 255 (32-bit float where it has 16 bits).

    The EXIF rotation is applied, alpha is laid over black, colour becomes luma (ITU-R BT.601).

    Parameters
    ----------
    path : Path
        PNG or JPEG, by content.
    modality : str
        Of the volume.
    fewer_bits : bool
        Take greys of 16 bits for such of 12 or 8 where they have no more, as detectors' have; else
        white is 65,535.

    Returns
    -------
    volume : Volume
        One slice; units ``display``, geometry ``none``.
    mode : str
        Pillow's name of the mode in the file, such as ``L`` or ``RGBA``.
    note : str
        What was changed, or empty.

    Raises
    ------
    InvalidInputError
        ``RASTER_UNREADABLE``, ``RASTER_TOO_LARGE`` or ``RASTER_ANIMATED``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's bound is another than ours, and only warns
            with Image.open(path, formats=FORMATS) as image:
                _check(image, path)
                cut = image.mode not in DEEP_MODES and "16B" in str(image.tile)
                image.load()
                mode, notes = image.mode, ["16-bit channels cut to 8 bits"] if cut else []
                turned = ImageOps.exif_transpose(image)
                if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
                    notes.append("EXIF rotation applied")
                array, grey_notes = _greys(turned, fewer_bits)
    except InvalidInputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, "more than Pillow opens") from error
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, MemoryError) as error:
        raise InvalidInputError(
            "RASTER_UNREADABLE",
            f"The picture cannot be read ({type(error).__name__}); it may be truncated.",
            path=path,
        ) from error
    return Volume(array[None], modality, "display", "none"), mode, "; ".join(notes + grey_notes)


def _check(image: Image.Image, path: Path) -> None:
    """Refuse what its header gives away, before pixels are unpacked."""
    if image.width * image.height > MAX_PLANE_PIXELS:
        raise _too_large(path, f"{image.width} x {image.height}")
    if image.format == "PNG" and getattr(image, "is_animated", False):
        raise InvalidInputError(
            "RASTER_ANIMATED",
            "The picture is an animation, and so more than one.",
            path=path,
            actual=f"{getattr(image, 'n_frames', 2)} frames",
        )


def _too_large(path: Path, actual: str) -> InvalidInputError:
    return InvalidInputError(
        "RASTER_TOO_LARGE",
        "The picture is too large.",
        path=path,
        expected=f"at most {MAX_PLANE_PIXELS:,} pixels",
        actual=actual,
    )


def _greys(image: Image.Image, fewer_bits: bool) -> tuple[NDArray[Any], list[str]]:
    """Greys of shape (rows, columns)."""
    if image.mode in DEEP_MODES:
        deep = np.clip(np.asarray(image, dtype=np.int64), 0, SIXTEEN_BIT).astype(np.float32)
        whites = (*FEWER_BITS, SIXTEEN_BIT) if fewer_bits else (SIXTEEN_BIT,)
        white = next(white for white in whites if deep.max() <= white)
        notes = [f"16-bit greys scaled to 255{WITHIN[white]}"]
        greys = deep * np.float32(DISPLAY_MAX / white)
        if greys.max() < DARK:
            notes.append(f"nearly black: its greatest grey is {greys.max():.0f} of 255")
        return greys, notes
    notes = []
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        notes.append("alpha laid over black")
        image = Image.alpha_composite(black, coloured).convert("RGB")
    if image.mode not in ("L", "1"):
        notes.append("colour made luma")
    return np.array(image.convert("L")), notes


def write_picture(volume: Volume, path: Path) -> None:
    """Write a one-slice display `volume` to `path` as PNG, atomically: 8 bits, 16 for floats."""
    plane = volume.array[0]
    if plane.dtype == np.uint8:
        image = Image.fromarray(plane)
    else:
        deep = np.rint(plane.astype(np.float64) * (SIXTEEN_BIT / DISPLAY_MAX))
        image = Image.fromarray(deep.astype(np.uint16))
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", compress_level=COMPRESSION)


def read_stored_picture(path: Path, modality: str) -> Volume:
    """Read back from `path` what `write_picture` wrote, as an image of `modality`."""
    return read_picture(path, modality, fewer_bits=False)[0]
