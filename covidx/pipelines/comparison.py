"""Compare predictions tables on the same test rows: from files to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from covidx.errors import InvalidInputError
from covidx.evaluate import Comparison, Study, System, ThresholdRule, align, compare_systems
from covidx.files import make_folder, write_json
from covidx.pipelines.evaluation import Input, known_limits, study_of
from covidx.report.comparison import draw_comparison, write_comparison


@dataclass(frozen=True, eq=False)
class Compared:
    """What a comparison found."""

    studies: list[Study]
    comparisons: list[Comparison]
    assumed: list[str]
    warnings: list[str]


def compare_tables(
    sources: Sequence[Input],
    how: ThresholdRule,
    out: Path,
    *,
    seed: int = 0,
    resamples: int = 2000,
    warnings: Sequence[str] = (),
) -> Compared:
    """Compare systems on the same test rows and write ``comparison.html`` and its tables.

    Each system's threshold comes from its own validation rows; a given one goes for all.

    Parameters
    ----------
    sources : sequence of Input
        Two or more, of the same patients with the same truth.
    how : ThresholdRule
        Rule that chooses each threshold, or one threshold for all.
    out : Path
        Folder; files of these names are replaced.
    seed, resamples : int
        Of the bootstrap over patients.
    warnings : sequence of str
        Shown above all figures.

    Raises
    ------
    InvalidInputError
        ``ONE_SYSTEM`` if there are fewer than two.
    CovidxError
        ``UNEQUAL_PATIENTS``, ``UNEQUAL_TRUTH``, or whatever is wrong with a table.
    """
    if len(sources) < 2:
        raise InvalidInputError(
            "ONE_SYSTEM",
            "A comparison needs two tables or more.",
            actual=len(sources),
            hint="Name another table of predictions, or use covidx evaluate for one alone.",
        )
    studies: list[Study] = []
    tables_of: dict[str, list[str]] = {}  # sentence -> tables
    for source in sources:
        study, lines = study_of(source.read_beside_others(), how, source)
        for line in lines:
            tables_of.setdefault(line, []).append(source.predictions.name)
        studies.append(study)
    known = {source.predictions: known_limits(source.predictions) for source in sources}
    limits = [f"{path.name}: {line}" for path, lines in known.items() for line in lines]
    assumed = [f"{', '.join(tables)}: {line}" for line, tables in tables_of.items()]
    names = _names(sources, studies)
    if len(studies[0].folds) > 1:
        assumed.append("The tables have folds: differences are means of the folds' differences.")
    systems = [
        System(n, s.rows, s.point, s.fold_points) for n, s in zip(names, studies, strict=True)
    ]
    aligned = align(systems)
    found = compare_systems(aligned, seed=seed, resamples=resamples)
    make_folder(out / "figures")
    figures = draw_comparison(aligned, found, out / "figures")
    write_json(out / "comparison.json", found)
    write_comparison(
        out / "comparison.html", aligned, found, figures, assumed, [*warnings, *limits]
    )
    return Compared(studies, found, assumed, list(warnings))


def _names(sources: Sequence[Input], studies: Sequence[Study]) -> list[str]:
    """File names; with the arm, then the folder, then a number where they would be the same."""
    files = [source.predictions for source in sources]
    named = [f"{path.stem} {study.arm}" for path, study in zip(files, studies, strict=True)]
    placed = [f"{p.absolute().parent.name}/{name}" for p, name in zip(files, named, strict=True)]
    for names in ([path.stem for path in files], named, placed):
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({k})" for k, name in enumerate(placed, 1)]
