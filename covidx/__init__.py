"""covidx: from DICOM to audited COVID-19 classifiers. Research use only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covidx.ingest import read_series
    from covidx.volume import Volume

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
