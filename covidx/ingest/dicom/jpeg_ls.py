"""JPEG-LS by CharLS, which on a cut stream would go on for half a minute: a plugin for pydicom."""

from __future__ import annotations

from pydicom.pixels.decoders import pyjpegls
from pydicom.pixels.decoders.base import DecodeRunner

DECODER_DEPENDENCIES = pyjpegls.DECODER_DEPENDENCIES
"""What pydicom tells where a plugin is not available."""
EOI = b"\xff\xd9"


def is_available(uid: str) -> bool:
    """Whether this plugin decodes the transfer syntax `uid`."""
    return uid in DECODER_DEPENDENCIES and pyjpegls.is_available(uid)


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame `src`, as `runner` describes it.

    An end of image is put behind it: CharLS then refuses a cut stream where the data end. A whole
    one is decoded as ever, one without its end too: coded data hold no marker (ITU-T T.87, A.1).

    Raises
    ------
    RuntimeError
        Where CharLS does not understand the stream.
    """
    return pyjpegls._decode_frame(src + EOI, runner)
