"""Reporting checklists in Markdown, filled from a run: evidence with a link, or "not evidenced"."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from covidx.audit.finding import Finding
from covidx.audit.run.evidence import Evidence
from covidx.audit.run.folder import RunParts
from covidx.config import Config, load_config
from covidx.constants import RESEARCH_NOTICE
from covidx.files import make_folder, replacing
from covidx.kinds import resolve

CHECKLISTS = ("claim_2024", "tripod_ai", "probast")
NOT_EVIDENCED = "not evidenced"
SIMULATED = (
    "The patients are simulated: an item with evidence is documented, and says nothing of patients."
)


class Item(Config):
    """One item: its number in the checklist, what it asks in own words, what may answer it."""

    item: int | str
    topic: str
    asks: str
    evidence: tuple[str, ...] = ()
    answer: Literal["yes", "probably yes"] | None = None


class Checklist(Config):
    """A published checklist; the wording of its items is covidx's own."""

    title: str
    citation: str
    items: list[Item]


def read_checklist(name: str) -> Checklist:
    """The checklist `name`, one of `CHECKLISTS`, from the YAML beside this file."""
    return load_config(Path(__file__).with_name(f"{name}.yaml"), Checklist)


def fill(checklist: Checklist, evidence: Evidence, simulated: bool) -> str:
    """The checklist as Markdown.

    Parameters
    ----------
    checklist : Checklist
        The items, and what may answer each.
    evidence : Evidence
        Called with a key of an item; gives Markdown, or nothing where the run shows none.
    simulated : bool
        Whether the patients are; the text says so then.
    """
    questions = any(item.answer for item in checklist.items)
    rows = []
    known = 0
    for item in checklist.items:
        found = [text for key in item.evidence if (text := evidence(key))]
        known += bool(found)
        cells = [str(item.item), item.topic, item.asks, "<br>".join(found) or NOT_EVIDENCED]
        if questions:
            cells.append((item.answer or "for a person") if found else "no information")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = ["item", "about", "asks", "evidence", *(["answer"] if questions else [])]
    lines = [
        f"# {checklist.title}",
        f"> **{RESEARCH_NOTICE}**",
        f"Run {evidence.run.record.run_id}. {known} of {len(checklist.items)} items have "
        f'evidence in the run; the others read "{NOT_EVIDENCED}" and are for the authors to write. '
        "Item numbers are those of the checklist; what they ask is in covidx's own words: read the "
        "original before you submit.",
        *([SIMULATED] if simulated else []),
        "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows]),
        *([JUDGEMENT] if questions else []),
        f"Source: {checklist.citation.strip()}",
    ]
    return "\n\n".join(lines) + "\n"


JUDGEMENT = (
    "Answers are proposals from what the run shows. A domain with a question of which there is no "
    "information is unclear until a person has answered it; the judgement of risk of bias and of "
    "applicability is a person's. For models of machine learning the developers of PROBAST "
    "recommend PROBAST+AI (BMJ 2025;388:e082505)."
)


def write_checklists(run: RunParts, findings: Sequence[Finding], out: Path) -> list[Path]:
    """Write each of `CHECKLISTS` as ``<name>.md``.

    Parameters
    ----------
    run : RunParts
        A run of a classifier.
    findings : sequence of Finding
        Of the run's audit.
    out : Path
        The folder; made where it is not there.
    """
    make_folder(out)
    of_kind: type[Evidence] = resolve(run.known.evidence) if run.known.evidence else Evidence
    link = Path(os.path.relpath(run.folder, out.resolve())).as_posix()
    evidence = of_kind(run, findings, link)
    written = []
    for name in CHECKLISTS:
        path = out / f"{name}.md"
        with replacing(path) as temporary:
            temporary.write_text(
                fill(read_checklist(name), evidence, run.simulated), encoding="utf-8"
            )
        written.append(path)
    return written
