"""The model card that travels in a bundle: a model's use, training data and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from covidx.bundles import BundleFile
from covidx.constants import RESEARCH_NOTICE
from covidx.domain import TrainedOn
from covidx.evaluate import Estimate, Metrics
from covidx.files import replacing

_NO_PROBABILITY = (
    "comparing methods, teaching, testing software. The score is not a probability of disease for "
    "a patient, and must not inform care."
)
CLASSIFIES_IMAGES = f"Research on image classification: {_NO_PROBABILITY}"
CLASSIFIES_PATIENTS = f"Research on clinical prediction models: {_NO_PROBABILITY}"
FINDS_OPACITIES = (
    "Research on {}: comparing methods, teaching, testing software. An opacity is what is denser "
    "than lung: many diseases look so, and none is named by it."
)
UNITS = {
    "hu": "in Hounsfield units",
    "unproven": "of unproven scale",
    "display": "as display greys",
}


def tested_rows(metrics: Metrics) -> str:
    """The rows behind the `metrics` of a classifier, in words."""
    return f"{metrics.n} test {metrics.level}s of the same data set"


def write_model_card(folder: Path, bundle: BundleFile, name: str, **content: object) -> None:
    """Write ``MODEL_CARD.md`` into the folder of a bundle.

    Parameters
    ----------
    folder : Path
        The bundle's; takes the file, which is replaced.
    bundle : BundleFile
        As it was saved.
    name : str
        What the model is called.
    content
        As `render_model_card` takes it.
    """
    with replacing(folder / "MODEL_CARD.md") as temporary:
        text = render_model_card(bundle, name, **content)  # type: ignore[arg-type]
        temporary.write_text(text, encoding="utf-8")


def render_model_card(
    bundle: BundleFile,
    name: str,
    *,
    use: str,
    architecture: str,
    inputs: str,
    preprocessing: Sequence[str],
    estimates: Mapping[str, Estimate],
    tested: str,
    limits: Sequence[str],
) -> str:
    """Render a model card in Markdown.

    The sections follow Mitchell et al., Model Cards for Model Reporting, FAT* 2019. The same facts
    give the same text: no time of day, no path.

    Parameters
    ----------
    bundle : BundleFile
        As it was saved.
    name : str
        What the model is called.
    use : str
        What it is for.
    architecture : str
        What it is, in words.
    inputs : str
        What it takes, such as ``CT``.
    preprocessing : sequence of str
        Steps in order, or the columns that a table must have.
    estimates : mapping
        Figures by name.
    tested : str
        The rows behind the figures, in words.
    limits : sequence of str
        What a reader must know besides.

    Returns
    -------
    str
        Markdown, ending with a newline.
    """
    trained = bundle.trained_on
    parts = [
        f"# {name}\n\n> **{RESEARCH_NOTICE}**",
        f"## Intended use\n\n{use}",
        f"## Model\n\n{_list(_model(bundle, architecture, inputs))}",
        f"## Trained on\n\n{_list(_training(trained))}",
        ("## Preprocessing\n\n" if trained.units else "## Columns\n\n")
        + "\n".join(f"{i}. {step}" for i, step in enumerate(preprocessing, start=1)),
        f"## Results\n\nOn {tested}.\n\n{_results(estimates)}",
        f"## Known limits\n\n{_list([*_limits(trained), *limits])}",
    ]
    return "\n\n".join(parts) + "\n"


def _model(bundle: BundleFile, architecture: str, inputs: str) -> list[str]:
    units = bundle.trained_on.units
    lines = [f"Architecture: {architecture}"]
    lines.append(f"Input: {inputs}" + (f", intensities {UNITS[units]}" if units else ""))
    if bundle.classes is not None:
        rest = ", ".join(name for name in bundle.classes if name != bundle.positive)
        classes = ", ".join(bundle.classes)
        lines.append(f"Classes: {classes}; **{bundle.positive}** is positive, against {rest}")
    if bundle.threshold is not None:
        point = bundle.threshold
        lines.append(f"Threshold: {point.value:.4g}, by {point.provenance}")
    lines.append(f"Bundle: `{bundle.sha256}`")
    return lines + [f"{name}: {version}" for name, version in bundle.versions.items()]


def _training(trained: TrainedOn) -> list[str]:
    counts = ", ".join(f"{n} {name}" for name, n in trained.patients.items())
    card = trained.card_sha256 or "none"
    lines = [
        f"Data set: {trained.dataset}, **{trained.domain}** (card `{card}`)",
        f"Patients: {sum(trained.patients.values())} ({counts})",
    ]
    if trained.units:
        lines.append(f"Manufacturers: {', '.join(trained.manufacturers) or 'unknown'}")
    if trained.slice_thickness_mm is not None:
        low, high = trained.slice_thickness_mm
        lines.append(f"Slice thickness: {low:g} to {high:g} mm")
    return lines


def _limits(trained: TrainedOn) -> list[str]:
    other = "modality, intensities, thickness or scanner"
    if not trained.units:
        other = "patients, units, assays or habits of measuring"
    limits = [f"A score on input outside the domain above (other {other}) is not interpretable."]
    if trained.domain == "simulated":
        real = "scan" if trained.units else "patient"
        limits.append(
            f"Trained on simulated patients: a score on a real {real} is not interpretable."
        )
    if trained.units not in ("hu", ""):
        limits.append(
            "Intensities are not proven Hounsfield units: windows and crops leave traces."
        )
    return limits


def _results(estimates: Mapping[str, Estimate]) -> str:
    lines = ["| metric | value | 95 % interval | n | method |", "|---|---|---|---|---|"]
    for name, estimate in estimates.items():
        entry = estimate.to_json()
        low, high, value = entry["low"], entry["high"], entry["value"]
        interval = "none" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        shown = "undefined" if value is None else f"{value:.3f}"
        method = f"{entry['method']} ({estimate.reason})" if estimate.reason else entry["method"]
        lines.append(f"| {name} | {shown} | {interval} | {estimate.n} | {method} |")
    return "\n".join(lines)


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
