"""Holding back what libraries say while they read: it names files and quotes a patient's values."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("pydicom", "openjpeg", "highdicom")


@contextmanager
def quiet() -> Iterator[None]:
    """Neither warn nor log; what matters comes back as an error or in a receipt."""
    levels = [(logger, logger.level) for logger in map(logging.getLogger, LOGGERS)]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
