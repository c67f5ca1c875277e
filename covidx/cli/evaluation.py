"""Verbs on predictions tables, by covidx or by any other system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from covidx.cli.pairs import Columns, Mapped, columns_of, map_of
from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.evaluate import ThresholdRule

Rule = Annotated[
    Literal["youden", "sensitivity", "specificity", "cost"],
    typer.Option(help="How the threshold is chosen on validation rows."),
]
Target = Annotated[
    float | None,
    typer.Option(help="Sensitivity or specificity to reach; cost(missed)/cost(false alarm)."),
]
CostPrevalence = Annotated[
    float | None,
    typer.Option(help="For --rule cost; that of the validation rows unless given."),
]
Threshold = Annotated[float | None, typer.Option(help="A threshold given beforehand, 0 to 1.")]
Origin = Annotated[
    str | None, typer.Option(help="Who chose it, on which patients; never on these test rows.")
]
Positive = Annotated[
    str | None,
    typer.Option(help="Which class is positive, where the names of the classes do not say."),
]
TrustGroups = Annotated[
    bool,
    typer.Option(
        "--trust-groups",
        help="Take group_id for all that is not independent, even where it divides a patient.",
    ),
]
Arm = Annotated[str | None, typer.Option(help="Which arm, where a table has several.")]
Fold = Annotated[int | None, typer.Option(help="Which fold, where several have thresholds.")]
Resamples = Annotated[
    int,
    typer.Option(
        help="Parts that patients are divided into, where there are more of them; each is left "
        "out once for the intervals.",
        min=100,
    ),
]

HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier")


def evaluate_command(
    predictions: Annotated[Path, typer.Argument(help="Predictions: CSV, TSV, XLSX or parquet.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    positive: Positive = None,
    arm: Arm = None,
    fold: Fold = None,
    trust_groups: TrustGroups = False,
    rule: Rule = "youden",
    target: Target = None,
    cost_prevalence: CostPrevalence = None,
    threshold: Threshold = None,
    threshold_origin: Origin = None,
    calibrate: Annotated[
        Literal["platt", "isotonic", "temperature"] | None,
        typer.Option(help="Recalibrate, fitted on validation rows."),
    ] = None,
    withhold: Annotated[
        float,
        typer.Option(
            help="Share of the least sure, in steps of 0.05, to go to a person.", min=0, max=0.95
        ),
    ] = 0.2,
    prevalence: Annotated[
        list[float] | None,
        typer.Option(help="PPV and NPV at it; may be repeated. 1 to 70 % unless given."),
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="For subgroups.")] = None,
    clinical: Annotated[
        list[Path] | None, typer.Option(help="Clinical table; may be repeated.")
    ] = None,
    normal_ct: Annotated[
        str | None, typer.Option(help="column=value that marks a normal CT: finding=normal.")
    ] = None,
    readers: Annotated[
        Path | None, typer.Option(help="Table: patient_id or unit_id, reader, read (0/1 or 1-5).")
    ] = None,
    read_cut: Annotated[
        int, typer.Option(help="Rating from which a read is positive.", min=2, max=5)
    ] = 4,
    exact: Annotated[
        bool, typer.Option("--exact", help="Clopper-Pearson's intervals, not Wilson's.")
    ] = False,
    columns: Columns = None,
    mapped: Mapped = None,
    resamples: Resamples = 2000,
) -> None:
    """Judge a system by its predictions: figures with intervals, calibration, subgroups, a page."""
    from covidx.evaluate import EvaluationOptions
    from covidx.evaluate.prevalence import PREVALENCES
    from covidx.pipelines.evaluation import Input, evaluate_table

    how = _how(rule, target, cost_prevalence, threshold, threshold_origin)
    options = EvaluationOptions(
        calibrate=calibrate,
        prevalences=tuple(prevalence or PREVALENCES),
        normal_ct=normal_ct,
        read_cut=read_cut,
        exact=exact,
        resamples=resamples,
    )
    source = Input(
        predictions,
        arm,
        positive,
        fold,
        manifest,
        tuple(clinical or ()),
        readers,
        trust_groups,
        columns_of(columns),
        map_of(mapped),
    )
    found = evaluate_table(source, how, options, out, withheld=withhold)
    metrics = found.metrics
    typer.echo(
        f"{metrics.positive} against the rest, {metrics.n} test {metrics.level}s, "
        f"prevalence {metrics.prevalence:.2f}, missing 0"
    )
    for name in HEADLINE:
        typer.echo(f"  {name:<12} {metrics[name]}   n = {metrics[name].n}")
    if metrics.point is not None:
        typer.echo(f"  threshold    {metrics.point.threshold:.3f}, {metrics.point.text}")
    for number, point in found.study.fold_points.items():
        typer.echo(f"  threshold    {point.threshold:.3f} in fold {number}, {point.text}")
    if found.calibration.reason is None:
        typer.echo(f"  calibration  p = {found.calibration.p:.3g}, {found.calibration.method}")
    for line in found.assumed:
        typer.echo(f"  assumed: {line}")
    for line in found.warnings:
        typer.echo(f"  warning: {line}")
    for part, why in found.left_out.items():
        typer.echo(f"  left out: {part}: {why}")
    typer.echo(f"\nreport   {out / 'evaluation.html'}\n\n{RESEARCH_NOTICE}")


def compare_command(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="Two tables of predictions, or runs, or more, on the same patients."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    positive: Positive = None,
    arm: Annotated[
        list[str] | None, typer.Option(help="Arm of each table, in order, where needed.")
    ] = None,
    fold: Fold = None,
    trust_groups: TrustGroups = False,
    rule: Rule = "youden",
    target: Target = None,
    cost_prevalence: CostPrevalence = None,
    threshold: Threshold = None,
    threshold_origin: Origin = None,
    columns: Columns = None,
    mapped: Mapped = None,
    resamples: Resamples = 2000,
) -> None:
    """Compare systems on the same patients: paired differences, tests, corrected p-values."""
    from covidx.errors import InvalidInputError
    from covidx.pipelines.comparison import compare_tables
    from covidx.pipelines.evaluation import Input
    from covidx.pipelines.run_comparison import compare_runs, is_run

    if arm and len(arm) != len(predictions):
        raise InvalidInputError(
            "ARMS_COUNT",
            "The number of arms differs from the number of tables.",
            expected=len(predictions),
            actual=len(arm),
            hint="Repeat --arm for each table, or leave it out.",
        )
    arms: list[str | None] = [*arm] if arm else [None] * len(predictions)
    how = _how(rule, target, cost_prevalence, threshold, threshold_origin)
    names, label_map = columns_of(columns), map_of(mapped)
    sources = [
        Input(
            path, one, positive, fold, trust_groups=trust_groups, columns=names, label_map=label_map
        )
        for path, one in zip(predictions, arms, strict=True)
    ]
    compare = compare_runs if all(map(is_run, predictions)) else compare_tables
    found = compare(sources, how, out, resamples=resamples)
    rows = found.studies[0].rows
    for line in found.warnings:
        typer.echo(f"WARNING: {line}")
    typer.echo(f"{rows.positive} against the rest, {len(rows)} test {rows.level}s")
    for one in found.comparisons:
        typer.echo(f"{one.first} minus {one.second}")
        for name, difference in one.differences.items():
            test = one.tests.get(name)
            p = "" if test is None or test.reason else f"   p = {test.p:.3g}"
            if p and test is not None and test.family > 1:
                p += f", corrected {test.adjusted:.3g}"
            typer.echo(f"  {name:<18} {difference}   n = {difference.n}{p}")
    for line in found.assumed:
        typer.echo(f"  assumed: {line}")
    typer.echo(f"\nreport   {out / 'comparison.html'}\n\n{RESEARCH_NOTICE}")


def _how(
    rule: Literal["youden", "sensitivity", "specificity", "cost"],
    target: float | None,
    prevalence: float | None,
    threshold: float | None,
    origin: str | None,
) -> ThresholdRule:
    from covidx.evaluate import ThresholdRule

    return ThresholdRule(rule, target, prevalence, threshold, origin)
