"""``covidx opacity-burden``: how much lung is opaque on a chest CT, from masks."""

from __future__ import annotations

import json
import math
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.segmentation import OpacityBurden, Part, Region
    from covidx.volume import Volume


def opacity_burden(
    volume: Annotated[Path, typer.Argument(help="One chest CT: folder of DICOM, or NIfTI.")],
    opacities: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="NIfTI: 1 where there is an opacity.")
    ],
    lungs: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="NIfTI: 1 right, 2 left; without it, found by threshold.",
        ),
    ] = None,
    lobes: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="NIfTI: 1-3 right upper, middle, lower; 4-5 left upper, lower.",
        ),
    ] = None,
    probability: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="NIfTI: 0 to 1, for the Corona score."),
    ] = None,
    classes: Annotated[
        bool,
        typer.Option(help="Opacities: 1 ground glass, 2 consolidation, 3 effusion; else by HU."),
    ] = False,
    format: Annotated[  # noqa: A002
        Literal["table", "json", "csv"],
        typer.Option(help="csv: the measures that covidx export sr takes."),
    ] = "table",
) -> None:
    """Measure opacities on a chest CT: volumes, CT severity score, Corona score, distribution.

    The masks must lie on the grid of the CT.
    """
    from covidx.ingest import read_series
    from covidx.segmentation import Masks, measure_burden

    ct = read_series(volume)
    masks = Masks(
        lungs=_lungs_by_threshold(ct) if lungs is None else _read(lungs),
        opacities=_read(opacities),
        classes=classes,
        lobes=None if lobes is None else _read(lobes),
        probability=None if probability is None else _read(probability),
    )
    burden = measure_burden(ct, masks)
    if format == "json":
        record = {"lungs_by": "mask" if lungs else "threshold", **burden.to_json()}
        typer.echo(json.dumps(record, indent=2, allow_nan=False))
    elif format == "csv":
        typer.echo(_as_measures(burden))
    else:
        typer.echo(_as_table(burden, "a mask" if lungs else "threshold"))


@wraps(opacity_burden)  # with its arguments and help
def severity(**options: Any) -> None:
    typer.echo("covidx severity is now called covidx opacity-burden.", err=True)
    opacity_burden(**options)


def _read(path: Path) -> Volume:
    from covidx.ingest.nifti import read_nifti

    return read_nifti(path)[0]


def _lungs_by_threshold(ct: Volume) -> Volume:
    from covidx.segmentation import segment_lungs
    from covidx.volume import Volume

    return Volume(segment_lungs(ct), "OT", "unproven", "proven", ct.affine)


def _as_measures(burden: OpacityBurden) -> str:
    """Rows of segment, name, value; the scores only as they were published."""
    lungs = burden.parts[0]
    rows = ["segment,name,value"]
    ml = {"opacity": lungs.opacity_ml}
    if burden.split_by == "classes":  # these are the segments then
        ml = {"ground-glass": lungs.ground_glass_ml, "consolidation": lungs.consolidation_ml}
    rows += [f"{name},share,{100 * value / lungs.lung_ml:.4g}" for name, value in ml.items()]
    if burden.zones_are == "lobes":
        rows.append(f",ct-severity-score,{burden.score}")
    if burden.corona_weights == "probability":
        rows.append(f",corona-score,{burden.corona_cm3:.4g}")
    return "\n".join(rows)


def _as_table(burden: OpacityBurden, lungs_by: str) -> str:
    return "\n".join(
        [
            f"{'':<26}{'lung':>10}{'opacity':>12}{'share':>9}{'ground glass':>15}"
            f"{'consolidation':>16}",
            *(_line(part) for part in burden.parts),
            f"lungs by {lungs_by}; ground glass from consolidation by {burden.split_by}; "
            f"{burden.outside_ml:.1f} ml of opacity lie outside of the lungs",
            "",
            f"CT severity score  {burden.score} of 25 points, by {burden.zones_are}:\n  "
            + ", ".join(f"{zone.name} {zone.points}" for zone in burden.zones),
            f"Corona score       {burden.corona_cm3:.1f} cm3, weighted by {burden.corona_weights}",
            *(
                f"{name:<19}{_preference(region)}"
                for name, region in (
                    ("outer third", burden.peripheral),
                    ("posterior half", burden.posterior),
                    ("lower third", burden.lower),
                )
            ),
            *(f"NOTE: {flag}" for flag in burden.flags),
            RESEARCH_NOTICE,
        ]
    )


def _line(part: Part) -> str:
    share = "-" if math.isnan(part.share) else f"{part.share:.1f} %"
    return (
        f"{part.name:<26}{part.lung_ml:>7.0f} ml{part.opacity_ml:>9.1f} ml{share:>9}"
        f"{part.ground_glass_ml:>12.1f} ml{part.consolidation_ml:>13.1f} ml"
    )


def _preference(region: Region) -> str:
    if math.isnan(region.index):
        return "no opacities"
    return (
        f"{region.opacity_share:.1f} % of the opacities in {region.lung_share:.1f} % of the "
        f"lungs: index {region.index:.2f}"
    )
