"""covidx: from DICOM to audited COVID-19 classifiers. Research use only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covidx.ingest import read_series
    from covidx.volume import Volume

# OpenMP's threads spin while they wait, so that one other busy process makes training ten times
# slower. Its library reads this when torch is loaded; the user's own value stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = ["Volume", "__version__", "read_series"]


def __getattr__(name: str) -> Any:
    """`read_series` and `Volume`, loaded when asked for: importing covidx stays instant."""
    if name == "read_series":
        from covidx.ingest import read_series

        return read_series
    if name == "Volume":
        from covidx.volume import Volume

        return Volume
    raise AttributeError(f"module 'covidx' has no attribute {name!r}")
