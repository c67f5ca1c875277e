"""The audit of a run: does it hold together, and does it come out again?"""

from covidx.audit.run.audit import Places, RunAudit, audit_run
from covidx.audit.run.checklist import CHECKLISTS, write_checklists
from covidx.audit.run.compare import ELSEWHERE, RunComparison, compare_runs
from covidx.audit.run.folder import RunParts, read_run

__all__ = [
    "CHECKLISTS",
    "ELSEWHERE",
    "Places",
    "RunAudit",
    "RunComparison",
    "RunParts",
    "audit_run",
    "compare_runs",
    "read_run",
    "write_checklists",
]
