"""The model card that travels in a bundle: a model's use, training data and results."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE
from covidx.files import replacing

__all__ = ["ModelFacts", "render_model_card", "write_model_card"]

INTENDED_USE = (
    "Research on image classification: comparing methods, teaching, testing software. The score is "
    "not a probability of disease for a patient, and must not inform care."
)


class ModelFacts(Config):
    """The content of a model card; plain values, so that a bundle's JSON is enough to write it.

    `metrics` is the content of ``metrics.json``: name -> value, low, high, n, method.
    """

    name: str
    architecture: str
    positive: str
    classes: list[str]
    modality: str
    units: Literal["hu", "unproven", "display"] | None = Field(
        None, description="of an image's intensities; none for clinical rows"
    )
    domain: Literal["real", "simulated"]
    card_identifier: str
    card_sha256: str
    patients_by_class: dict[str, int] = Field(description="training patients")
    manufacturers: list[str] = Field(default_factory=list)
    slice_thickness_mm: tuple[float, float] | None = Field(None, description="least and greatest")
    preprocessing: list[str] = Field(description="steps, in order, or columns, in words")
    threshold: float
    threshold_origin: str
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict)
    metrics_on: str = Field("", description="the rows behind the metrics, in words")
    limits: list[str] = Field(default_factory=list)
    leaky: bool = Field(False, description="split so that groups were divided, to show leakage")
    intended_use: str = INTENDED_USE
    bundle_sha256: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)


def render_model_card(facts: ModelFacts) -> str:
    """Render a model card in Markdown.

    The sections follow Mitchell et al., Model Cards for Model Reporting, FAT* 2019. The same facts
    give the same text: no time of day, no path.

    Parameters
    ----------
    facts : ModelFacts
        What the card states.

    Returns
    -------
    str
        Markdown, ending with a newline.
    """
    parts = [
        f"# {facts.name}\n\n> **{RESEARCH_NOTICE}**",
        *([LEAKY] if facts.leaky else []),
        f"## Intended use\n\n{facts.intended_use}",
        f"## Model\n\n{_list(_model(facts))}",
        f"## Trained on\n\n{_list(_training(facts))}",
        ("## Columns\n\n" if facts.units is None else "## Preprocessing\n\n")
        + "\n".join(f"{i}. {step}" for i, step in enumerate(facts.preprocessing, start=1)),
        f"## Results\n\n{_results(facts)}",
        f"## Known limits\n\n{_list(_limits(facts))}",
    ]
    return "\n\n".join(parts) + "\n"


def write_model_card(folder: Path, facts: ModelFacts) -> None:
    """Write ``MODEL_CARD.md`` with `facts` into `folder`, a bundle's."""
    with replacing(folder / "MODEL_CARD.md") as temporary:
        temporary.write_text(render_model_card(facts), encoding="utf-8")


LEAKY = (
    "> **Leaky on purpose.** Groups were divided between training and test, to show what that does "
    "to the figures. They say nothing about new patients."
)


def _model(facts: ModelFacts) -> list[str]:
    rest = ", ".join(name for name in facts.classes if name != facts.positive)
    return [
        f"Architecture: {facts.architecture}",
        f"Input: {facts.modality}"
        + (f", intensities {_units(facts.units)}" if facts.units is not None else ""),
        f"Classes: {', '.join(facts.classes)}; **{facts.positive}** is positive, against {rest}",
        f"Threshold: {facts.threshold:.4g}, by {facts.threshold_origin}",
        *([f"Bundle: `{facts.bundle_sha256}`"] if facts.bundle_sha256 else []),
        *(f"{name}: {version}" for name, version in facts.versions.items()),
    ]


def _training(facts: ModelFacts) -> list[str]:
    counts = ", ".join(f"{n} {name}" for name, n in facts.patients_by_class.items())
    low_high = facts.slice_thickness_mm
    return [
        f"Data set: {facts.card_identifier}, **{facts.domain}** (card `{facts.card_sha256}`)",
        f"Patients: {sum(facts.patients_by_class.values())} ({counts})",
        *(
            [f"Manufacturers: {', '.join(facts.manufacturers) or 'unknown'}"]
            if facts.units is not None
            else []
        ),
        *([f"Slice thickness: {low_high[0]:g} to {low_high[1]:g} mm"] if low_high else []),
    ]


def _limits(facts: ModelFacts) -> list[str]:
    other = "modality, intensities, thickness or scanner"
    if facts.units is None:
        other = "patients, units, assays or habits of measuring"
    limits = [f"A score on input outside the domain above (other {other}) is not interpretable."]
    if facts.domain == "simulated":
        real = "patient" if facts.units is None else "scan"
        limits.append(
            f"Trained on simulated patients: a score on a real {real} is not interpretable."
        )
    if facts.units not in ("hu", None):
        limits.append(
            "Intensities are not proven Hounsfield units: windows and crops leave traces."
        )
    return [*limits, *facts.limits]


def _units(units: str) -> str:
    words = {
        "hu": "in Hounsfield units",
        "unproven": "of unproven scale",
        "display": "as display greys",
    }
    return words[units]


def _results(facts: ModelFacts) -> str:
    if not facts.metrics:
        return "None recorded."
    lines = ["| metric | value | 95 % interval | n | method |", "|---|---|---|---|---|"]
    for name, entry in facts.metrics.items():
        low, high = entry.get("low"), entry.get("high")
        interval = "none" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        value = entry.get("value")
        shown = "undefined" if value is None else f"{value:.3f}"
        method = entry["method"]
        if entry.get("reason"):
            method += f" ({entry['reason']})"
        lines.append(f"| {name} | {shown} | {interval} | {entry['n']} | {method} |")
    heading = f"On {facts.metrics_on}.\n\n" if facts.metrics_on else ""
    return heading + "\n".join(lines)


def _list(items: list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
