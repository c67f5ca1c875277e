"""``covidx reproduce``: a run trained again from its record, and compared with itself."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from covidx.cli.train import Card, Labels, Runs, Work

if TYPE_CHECKING:
    from covidx.audit.run import RunComparison
    from covidx.runs import RunFolder
    from covidx.tracking import Tracker

PIPELINE = "reproduce"
COLOURS = {"bit for bit": "brightgreen", "not reproduced": "red"}


def reproduce(
    run: Annotated[Path, typer.Argument(help="A finished run, such as runs/train_ct/latest.")],
    seeds: Annotated[
        int, typer.Option(min=0, help="Train with so many other seeds too, and show the spread.")
    ] = 0,
    data: Annotated[
        Path | None, typer.Option(help="Where its data lie now [where they lay].")
    ] = None,
    labels: Labels = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Where its clinical table, or readers' scores, lie now [where they lay]."
        ),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Where its lung annotations lie now [where they lay].")
    ] = None,
    card: Card = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Train a run again from its record and compare; exit code 1 if it does not come out again."""
    from covidx.audit.run import compare_runs
    from covidx.audit.run.folder import need_run, read_run
    from covidx.cards import load_card
    from covidx.cli.replay import train_again
    from covidx.errors import InvalidInputError
    from covidx.kinds import kind_of_pipeline
    from covidx.pipelines.source import Source
    from covidx.pipelines.source_record import recall_source
    from covidx.pipelines.tracked import tracked

    run = run.resolve()
    record = need_run(run)
    kind = kind_of_pipeline(record.pipeline)
    if seeds and kind is not None and not kind.seeded:
        raise InvalidInputError(
            "SEEDS_WITHOUT_EFFECT",
            f"The seed of {record.pipeline} changes its intervals alone, not its estimates.",
            hint="Leave --seeds out.",
        )
    described = None if card is None else load_card(card)
    source = recall_source(record, work, Source(data, labels, described, table, masks))
    replayed = train_again(record, source, work=work, runs=runs)
    found = compare_runs(run, replayed)
    _tell(found)
    own = int(record.config["seed"])
    others = {}
    for seed in range(own + 1, own + 1 + seeds):
        again = read_run(train_again(record, source, work=work, runs=runs, seed=seed))
        others[seed] = again.figure(found.figure) | {"run": again.record.run_id}
    with tracked(PIPELINE, runs) as (folder, tracker):
        _keep(folder, tracker, found, others)
    if others:
        _tell_spread(found, own, others)
    typer.echo(f"\nverdict  {found.verdict}\nreport   {folder.path / 'audit.html'}")
    typer.echo(f"badge    {folder.path / 'badge.json'}")
    raise typer.Exit(found.verdict == "fail")


def badge(outcome: str) -> dict[str, Any]:
    """What https://shields.io/badges/endpoint-badge reads.

    >>> badge("bit for bit")["color"]
    'brightgreen'
    """
    colour = COLOURS.get(outcome, "green")
    return {"schemaVersion": 1, "label": "reproduced", "message": outcome, "color": colour}


def _keep(
    folder: RunFolder,
    tracker: Tracker,
    found: RunComparison,
    others: Mapping[int, Mapping[str, Any]],
) -> None:
    """Write record, page and badge, and record what MLflow is to show."""
    from covidx.audit.page import write_audit
    from covidx.files import write_json

    said = found.to_json() | _spread(found.claimed, others)
    name = found.figure
    facts = [("Run", found.run), ("Replay", found.replay), ("Outcome", found.outcome)]
    facts += [(f"{name}, claimed", _text(found.claimed)), (f"{name}, again", _text(found.replayed))]
    facts += [(f"{name}, seed {seed}", _text(one)) for seed, one in others.items()]
    write_json(folder.path / "reproduction.json", said)
    write_json(folder.path / "badge.json", badge(found.outcome))
    write_audit(folder.path, "Replay of a run", facts, found.findings, found.verdict)
    folder.record.details["reproduced"] = said
    tracker.tags({k: said[k] for k in ("run", "replay", "verdict", "outcome")})
    figures = {f"claimed_{name}": found.claimed["value"], name: found.replayed["value"]}
    tracker.figures(figures | {"max_abs_difference": found.largest, **said.get("spread", {})})
    for seed, one in others.items():
        tracker.part(f"seed {seed}", {name: one["value"]}, {"seed": seed, "run": one["run"]})
    tracker.artifacts(("reproduction.json", "badge.json", "audit.html"))


def _spread(claimed: Mapping[str, Any], others: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Of the headline figure over the other seeds; those that leave it undefined are not in it."""
    if not others:
        return {}
    seeds = [
        {"seed": seed, "run": one["run"], "value": one["value"]} for seed, one in others.items()
    ]
    values = [one["value"] for one in others.values() if one["value"] is not None]
    if not values or claimed["value"] is None:
        return {"seeds": seeds}
    spread = {
        "seeds_mean": statistics.fmean(values),
        "seeds_low": min(values),
        "seeds_high": max(values),
        "seeds_below_claim": float(sum(value < claimed["value"] for value in values)),
    }
    return {"seeds": seeds, "spread": spread}


def _text(metric: Mapping[str, Any]) -> str:
    value, low, high = (metric[name] for name in ("value", "low", "high"))
    if value is None or low is None:
        return f"undefined ({metric['reason']})" if value is None else f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _tell(found: RunComparison) -> None:
    where = "on the same machine, lock and code" if found.same_place else "elsewhere"
    typer.echo(f"\nreproduced   {found.outcome}, {where}")
    typer.echo(f"  rows         {found.n}, largest difference {found.largest:.3g}")
    claimed, again = _text(found.claimed), _text(found.replayed)
    typer.echo(f"  {found.figure:<12} claimed {claimed}; again {again}")
    for finding in found.findings:
        if finding.verdict in ("fail", "note"):
            typer.echo(f"  {finding.verdict:<5} {finding.title}: {finding.found}")


def _tell_spread(found: RunComparison, own: int, others: Mapping[int, Mapping[str, Any]]) -> None:
    typer.echo(f"\n{found.figure} by seed, each with a division and a training of its own")
    for seed, one in others.items():
        typer.echo(f"  seed {seed:<7} {_text(one)}")
    typer.echo(f"  claimed      {_text(found.claimed)}, seed {own}")
    spread = _spread(found.claimed, others).get("spread")
    if spread is not None:
        typer.echo(
            f"  spread       mean {spread['seeds_mean']:.3f}, {spread['seeds_low']:.3f} to "
            f"{spread['seeds_high']:.3f}; {spread['seeds_below_claim']:.0f} of {len(others)} below "
            "the claimed figure"
        )
