"""Reporting checklists: whole lists, links that lead somewhere, no claim without evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from covidx.audit.finding import Finding
from covidx.audit.run import CHECKLISTS, read_run, write_checklists
from covidx.audit.run.checklist import NOT_EVIDENCED, fill, read_checklist
from covidx.audit.run.evidence_kinds import ImageEvidence
from tests.conftest import Run

CHECKS = (
    "bundle_unchanged",
    "groups_and_patients",
    "identity",
    "metrics_recompute",
    "predictions_recompute",
    "threshold",
)
# Of the published lists: 44 items; 27 of which some have parts; 2, 3, 6 and 9 questions.
NUMBERS = {
    "claim_2024": [str(n) for n in range(1, 45)],
    "tripod_ai": [
        *("1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c"),
        *("9a", "9b", "9c", "10", "11", *(f"12{part}" for part in "abcdefg"), "13", "14", "15"),
        *("16", "17", *(f"18{part}" for part in "abcdef"), "19", "20a", "20b", "20c", "21", "22"),
        *("23a", "23b", "24", "25", "26", "27a", "27b", "27c"),
    ],
    "probast": [f"{d}.{n}" for d, last in enumerate((2, 3, 6, 9), 1) for n in range(1, last + 1)],
}


def findings(verdict: str) -> list[Finding]:
    return [Finding(name, name, verdict, "", "", "") for name in CHECKS]  # type: ignore[arg-type]


def rows(text: str) -> dict[str, list[str]]:
    """Item -> its cells."""
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return {cells[0]: cells for line in lines if (cells := line.strip("| ").split(" | "))}


@pytest.mark.parametrize("name", CHECKLISTS)
def test_the_lists_are_whole(name: str) -> None:
    assert [str(item.item) for item in read_checklist(name).items] == NUMBERS[name]


def test_links_lead_to_what_the_run_has(trained: Run, tmp_path: Path) -> None:
    out = tmp_path / "somewhere" / "else"
    for path in write_checklists(read_run(trained.folder), findings("pass"), out):
        links = re.findall(r"\]\(([^)]+)\)", path.read_text())
        assert links and all((out / link).exists() for link in links)


def test_what_the_run_shows_is_said(trained: Run) -> None:
    run = read_run(trained.folder)
    text = fill(read_checklist("claim_2024"), ImageEvidence(run, findings("pass"), "."), True)
    found = rows(text)
    assert len(found) == 44
    assert "18 train, 6 validation, 6 test groups" in found["19"][3]
    assert "torch" in found["23"][3] and "ImageNet, seed 0" in found["24"][3]
    assert "epochs 1" in found["25"][3]
    assert found["44"][3] == found["4"][3] == NOT_EVIDENCED  # nobody but the authors knows
    assert "simulated" in text.split("| item")[0]


def test_a_check_that_failed_is_no_evidence(trained: Run) -> None:
    run = read_run(trained.folder)
    for name, items in {
        "claim_2024": ("11", "20", "37", "38"),
        "tripod_ai": ("12g", "15", "22", "23a"),
        "probast": ("4.8", "4.9"),
    }.items():
        one = rows(fill(read_checklist(name), ImageEvidence(run, findings("pass"), "."), True))
        two = rows(fill(read_checklist(name), ImageEvidence(run, findings("fail"), "."), True))
        assert all(one[item][3] != NOT_EVIDENCED for item in items)
        assert all(two[item][3] == NOT_EVIDENCED for item in items)
    assert one["4.8"][4] == "yes" and two["4.8"][4] == "no information"
