"""Verbs that make DICOM of masks, heatmaps and measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from covidx.errors import InvalidInputError
from covidx.wording import counted

if TYPE_CHECKING:
    from covidx.export import Algorithm

export_app = typer.Typer(
    help="Masks, heatmaps and measurements as DICOM, or on the scanner's grid.\n\n"
    "Segments: lung, left-lung, right-lung, opacity, ground-glass, consolidation, effusion.",
    no_args_is_help=True,
)

Series = Annotated[
    Path,
    typer.Option(help="Folder of the DICOM series, or (mode original) a store's receipt."),
]
Out = Annotated[Path, typer.Option(help="The file to write.")]
Mode = Annotated[
    Literal["pseudonymous", "original"],
    typer.Option(help="Identity of the copies that deidentify makes, or of the originals."),
]
Name = Annotated[str, typer.Option("--algorithm", help="Name of what made it.")]
Version = Annotated[str, typer.Option("--algorithm-version", help="Of the algorithm.")]
FamilyName = Literal["network", "threshold", "manual"]
Family = Annotated[FamilyName, typer.Option(help="Of algorithms.")]


@export_app.command()
def seg(
    mask: Annotated[Path, typer.Argument(help="NIfTI: labels, or probabilities.")],
    segment: Annotated[
        list[str], typer.Option(help="LABEL=NAME, such as 1=right-lung; may be repeated.")
    ],
    series: Series,
    out: Out,
    mode: Mode,
    algorithm: Name,
    version: Version,
    family: Family = "network",
    fractional: Annotated[
        bool, typer.Option("--fractional", help="Probabilities of one segment, 1=NAME.")
    ] = False,
) -> None:
    """Write a mask as DICOM Segmentation."""
    from covidx.export import (
        binary_segmentation,
        fractional_segmentation,
        read_mask,
        read_source,
        save,
    )

    made_by, named = _algorithm(algorithm, version, family), _segments(segment)
    if fractional and list(named) != [1]:
        raise InvalidInputError(
            "SEGMENT_FORM",
            "Probabilities belong to one segment alone.",
            expected="--segment 1=NAME",
            actual=", ".join(segment),
        )
    volume, source = read_mask(mask), read_source(series, mode)
    if fractional:
        made = fractional_segmentation(volume, named[1], source, made_by)
    else:
        made = binary_segmentation(volume, named, source, made_by)
    save(made, out)
    typer.echo(
        f"{counted(len(named), 'segment')}, {counted(source.own.shape[0], 'slice')}, {mode}: {out}"
    )


@export_app.command(name="map")
def map_command(
    probability: Annotated[Path, typer.Argument(help="NIfTI: probabilities from 0 to 1.")],
    of: Annotated[str, typer.Option(help="Of which segment, such as opacity.")],
    series: Series,
    out: Out,
    mode: Mode,
    algorithm: Name,
    version: Version,
    family: Family = "network",
) -> None:
    """Write probabilities as DICOM Parametric Map."""
    from covidx.export import parametric_map, read_mask, read_source, save

    made_by = _algorithm(algorithm, version, family)
    source = read_source(series, mode)
    save(parametric_map(read_mask(probability), of, source, made_by), out)
    typer.echo(f"map of {counted(source.own.shape[0], 'slice')}, {mode}: {out}")


@export_app.command()
def heatmap(
    heat: Annotated[Path, typer.Argument(help="NIfTI that covidx explain wrote: log-odds.")],
    of: Annotated[str, typer.Option(help="The class that it is evidence for, such as covid-19.")],
    series: Series,
    mode: Mode,
    algorithm: Name,
    version: Version,
    family: Family = "network",
    out: Annotated[
        Path | None, typer.Option(help="The Parametric Map to write; of a CT alone.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--captures",
            help="New folder: each slice with evidence as Secondary Capture, the notice burned in.",
        ),
    ] = None,
) -> None:
    """Write a heatmap as DICOM Parametric Map (--out), as pictures (--captures), or both."""
    from covidx.export import evidence_map, read_mask, read_source, save, write_captures

    if out is None and pictures is None:
        raise InvalidInputError(
            "OUTPUT_UNNAMED",
            "Nothing says what to write.",
            expected="--out FILE, --captures FOLDER, or both",
            hint="Name the file of the Parametric Map, or the folder of the pictures.",
        )
    made_by, found = _algorithm(algorithm, version, family), read_mask(heat)
    source = read_source(series, mode)
    if out is not None:
        save(evidence_map(found, of, source, made_by), out)
        typer.echo(f"heatmap of {counted(source.own.shape[0], 'slice')}, {mode}: {out}")
    if pictures is not None:
        from covidx.ingest import read_series

        made = write_captures(found, read_series(series), of, source, made_by, pictures)
        typer.echo(f"{counted(len(made), 'picture')}, {mode}: {pictures}")


@export_app.command()
def sr(
    segmentation: Annotated[Path, typer.Argument(help="A DICOM SEG that covidx export seg made.")],
    out: Out,
    measures: Annotated[
        Path | None,
        typer.Option(
            help="CSV: segment (empty: the study), name, value; unit and code "
            "(SCHEME:VALUE:MEANING) of names not known here."
        ),
    ] = None,
) -> None:
    """Write measurements of a Segmentation as DICOM Structured Report, volumes by themselves.

    Its identity is that of the Segmentation.
    """
    from covidx.export import measurement_report, read_measures, read_segmentation, save

    found = read_measures(measures) if measures else []
    made = measurement_report(read_segmentation(segmentation), found)
    save(made, out)
    typer.echo(f"report: {out}")


@export_app.command()
def nifti(
    mask: Annotated[Path, typer.Argument(help="NIfTI on a grid of the series.")],
    series: Annotated[Path, typer.Option(help="Folder of the DICOM series.")],
    out: Annotated[Path, typer.Option(help="The .nii.gz to write.")],
) -> None:
    """Bring a mask onto the grid that the scanner measured."""
    from covidx.export import read_mask, write_on_source_grid

    source = write_on_source_grid(read_mask(mask), series, out)
    typer.echo(f"{source.own.shape} on the grid of the series: {out}")


def _algorithm(name: str, version: str, family: FamilyName) -> Algorithm:
    from covidx.export import Algorithm

    return Algorithm(name, version, family)


def _segments(given: list[str]) -> dict[int, str]:
    """Label -> name."""
    pairs = [text.partition("=") for text in given]
    labels = [int(label) for label, mark, _ in pairs if mark and label.isdecimal()]
    if len(set(labels)) != len(given) or 0 in labels:
        raise InvalidInputError(
            "SEGMENT_FORM",
            "Each segment needs a label above 0, named once.",
            expected="LABEL=NAME, such as 1=right-lung",
            actual=", ".join(given),
        )
    return {label: name for label, (_, _, name) in zip(labels, pairs, strict=True)}
