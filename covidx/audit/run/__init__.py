"""The audit of a run: does it hold together, and does it come out again?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.audit.run.audit import Places, RunAudit, audit_run
    from covidx.audit.run.checklist import CHECKLISTS, write_checklists
    from covidx.audit.run.compare import ELSEWHERE, RunComparison, compare_runs
    from covidx.audit.run.folder import RunParts, read_run
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
