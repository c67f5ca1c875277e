"""``covidx severity``: how much lung is ill, from masks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.segmentation import Part, Region, Severity
    from covidx.volume import Volume

__all__ = ["severity"]


def severity(
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
    from covidx.segmentation import Masks, measure_severity

    ct = read_series(volume)
    masks = Masks(
        lungs=_found_lungs(ct) if lungs is None else _read(lungs),
        opacities=_read(opacities),
        classes=classes,
        lobes=None if lobes is None else _read(lobes),
        probability=None if probability is None else _read(probability),
    )
    found = measure_severity(ct, masks)
    if format == "json":
        said = {"lungs_by": "mask" if lungs else "threshold", **found.to_json()}
        typer.echo(json.dumps(said, indent=2, allow_nan=False))
    elif format == "csv":
        typer.echo(_as_measures(found))
    else:
        typer.echo(_as_table(found, "a mask" if lungs else "threshold"))


def _read(path: Path) -> Volume:
    from covidx.ingest.nifti import read_nifti

    return read_nifti(path)[0]


def _found_lungs(ct: Volume) -> Volume:
    from covidx.segmentation import segment_lungs
    from covidx.volume import Volume

    return Volume(segment_lungs(ct), "OT", "unproven", "proven", ct.affine)


def _as_measures(found: Severity) -> str:
    """Rows of segment, name, value; the scores only as they were published."""
    lungs = found.parts[0]
    rows = ["segment,name,value"]
    ml = {"opacity": lungs.opacity_ml}
    if found.split_by == "classes":  # these are the segments then
        ml = {"ground-glass": lungs.ground_glass_ml, "consolidation": lungs.consolidation_ml}
    rows += [f"{name},share,{100 * value / lungs.lung_ml:.4g}" for name, value in ml.items()]
    if found.zones_are == "lobes":
        rows.append(f",ct-severity-score,{found.score}")
    if found.corona_weights == "probability":
        rows.append(f",corona-score,{found.corona_cm3:.4g}")
    return "\n".join(rows)


def _as_table(found: Severity, lungs_by: str) -> str:
    return "\n".join(
        [
            f"{'':<26}{'lung':>10}{'opacity':>12}{'share':>9}{'ground glass':>15}"
            f"{'consolidation':>16}",
            *(_line(part) for part in found.parts),
            f"lungs by {lungs_by}; ground glass from consolidation by {found.split_by}; "
            f"{found.outside_ml:.1f} ml of opacity lie outside of the lungs",
            "",
            f"CT severity score  {found.score} of 25 points, by {found.zones_are}:\n  "
            + ", ".join(f"{zone.name} {zone.points}" for zone in found.zones),
            f"Corona score       {found.corona_cm3:.1f} cm3, weighted by {found.corona_weights}",
            *(
                f"{name:<19}{_told(region)}"
                for name, region in (
                    ("outer third", found.peripheral),
                    ("posterior half", found.posterior),
                    ("lower third", found.lower),
                )
            ),
            *(f"NOTE: {flag}" for flag in found.flags),
            RESEARCH_NOTICE,
        ]
    )


def _line(part: Part) -> str:
    share = "-" if math.isnan(part.share) else f"{part.share:.1f} %"
    return (
        f"{part.name:<26}{part.lung_ml:>7.0f} ml{part.opacity_ml:>9.1f} ml{share:>9}"
        f"{part.ground_glass_ml:>12.1f} ml{part.consolidation_ml:>13.1f} ml"
    )


def _told(region: Region) -> str:
    if math.isnan(region.index):
        return "no opacities"
    return (
        f"{region.opacity_share:.1f} % of the opacities in {region.lung_share:.1f} % of the "
        f"lungs: index {region.index:.2f}"
    )
