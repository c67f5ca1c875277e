"""``covidx reproduce``: a run trained again from its record, and compared with itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from covidx.cli.training import Card, Labels, Runs, Work

if TYPE_CHECKING:
    from covidx.audit.run import RunComparison
    from covidx.runs import RunFolder

__all__ = ["badge", "reproduce"]

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
    clinical: Annotated[
        Path | None, typer.Option(help="Where its clinical table lies now [where it lay].")
    ] = None,
    card: Card = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Train a run again from its record and compare; exit code 1 if it does not come out again."""
    from covidx.audit.run import compare_runs
    from covidx.audit.run.folder import need_run
    from covidx.cards import load_card
    from covidx.cli.replay import train_again
    from covidx.pipelines.remembered import Given, recall
    from covidx.runs import RunFolder

    run = run.resolve()
    record = need_run(run)
    described = None if card is None else load_card(card)
    given = recall(record, work, Given(data, labels, clinical, described))
    replayed = train_again(record, given, work=work, runs=runs)
    found = compare_runs(run, replayed)
    _tell(found)
    own = int(record["config"]["seed"])
    others = {}
    for seed in range(own + 1, own + 1 + seeds):
        others[seed] = _auroc(train_again(record, given, work=work, runs=runs, seed=seed))
    folder = RunFolder(PIPELINE, runs)
    with folder.closing():
        _keep(folder, found, others, runs)
    if others:
        _tell_spread(found.claimed, own, others)
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


def _auroc(run: Path) -> dict[str, Any]:
    from covidx.files import read_json

    found: dict[str, Any] = read_json(run / "metrics.json")["auroc"] | {"run": run.name}
    return found


def _keep(
    folder: RunFolder,
    found: RunComparison,
    others: Mapping[int, Mapping[str, Any]],
    runs: Path,
) -> None:
    """Write record, page and badge, and tell MLflow."""
    from covidx.audit.page import write_audit
    from covidx.files import write_json
    from covidx.tracking import tracked

    said = found.to_json() | _spread(found.claimed, others)
    facts = [("Run", found.run), ("Replay", found.replay), ("Outcome", found.outcome)]
    facts += [("AUROC, claimed", _text(found.claimed)), ("AUROC, replayed", _text(found.replayed))]
    facts += [(f"AUROC, seed {seed}", _text(one)) for seed, one in others.items()]
    write_json(folder.path / "reproduction.json", said)
    write_json(folder.path / "badge.json", badge(found.outcome))
    write_audit(folder.path, "Replay of a run", facts, found.findings)
    with tracked(PIPELINE, folder.run_id, runs) as tracker:
        folder.record |= {"mlflow_run_id": tracker.run_id, "reproduced": said}
        tracker.tags({k: str(said[k]) for k in ("run", "replay", "verdict", "outcome")})
        figures = {"claimed_auroc": found.claimed["value"], "auroc": found.replayed["value"]}
        figures |= {"max_abs_difference": found.largest, **said.get("spread", {})}
        tracker.figures({k: v for k, v in figures.items() if v is not None and math.isfinite(v)})
        for name in ("reproduction.json", "badge.json", "audit.html"):
            tracker.file(folder.path / name)


def _spread(claimed: Mapping[str, Any], others: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Of the AUROC over the other seeds."""
    if not others:
        return {}
    values = [one["value"] for one in others.values()]
    seeds = [
        {"seed": seed, "run": one["run"], "auroc": one["value"]} for seed, one in others.items()
    ]
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
    typer.echo(f"  predictions  {found.n}, largest difference {found.largest:.3g}")
    typer.echo(f"  auroc        claimed {_text(found.claimed)}; again {_text(found.replayed)}")
    for finding in found.findings:
        if finding.verdict in ("fail", "note"):
            typer.echo(f"  {finding.verdict:<5} {finding.title}: {finding.found}")


def _tell_spread(
    claimed: Mapping[str, Any], own: int, others: Mapping[int, Mapping[str, Any]]
) -> None:
    values: Sequence[float] = [one["value"] for one in others.values()]
    typer.echo("\nother seeds, each with a division and a training of its own")
    for seed, one in others.items():
        typer.echo(f"  seed {seed:<7} {_text(one)}")
    typer.echo(f"  claimed      {_text(claimed)}, seed {own}")
    below = sum(value < claimed["value"] for value in values)
    typer.echo(
        f"  spread       mean {statistics.fmean(values):.3f}, {min(values):.3f} to "
        f"{max(values):.3f}; {below} of {len(values)} below the claimed figure"
    )
