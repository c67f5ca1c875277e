"""The audit of a data set: leakage, copies, and labels that the table gives away."""

from covidx.audit.data.audit import DataAudit, audit_data
from covidx.audit.data.copies import Copy, describe_all, find_copies
from covidx.audit.data.pictures import read_picture, shrunk

__all__ = [
    "Copy",
    "DataAudit",
    "audit_data",
    "describe_all",
    "find_copies",
    "read_picture",
    "shrunk",
]
