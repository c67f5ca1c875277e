"""The audit of a data set: leakage, copies, and labels that the table gives away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.audit.data.audit import DataAudit, audit_data
    from covidx.audit.data.copies import Copy, describe_all, find_copies
    from covidx.audit.data.pictures import read_picture, shrunk
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
