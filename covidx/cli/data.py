"""Verbs that make and read data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from covidx.cli.predict import ModalityOption
from covidx.cli.progress import terminal_bar
from covidx.wording import counted


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    patients: Annotated[int, typer.Option(help="How many.", min=1)] = 60,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 0,
    modality: Annotated[
        Literal["ct", "cxr"], typer.Option(help="Thorax CTs, or chest radiographs.")
    ] = "ct",
    flaw: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME=STRENGTH (0 to 1), for trying audits: scanner-label, corner-marker, "
            "age, patient-overlap, duplicates, label-noise, drift; repeatable."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes [all cores].")] = None,
) -> None:
    """Write a cohort of simulated patients as DICOM, with masks, labels and clinical rows.

    The patients of a seed are the same as CTs and as radiographs.
    """
    from covidx.phantom import generate_cohort, parse_flaws

    flaws = parse_flaws(flaw or ())
    with terminal_bar("phantom") as bar:
        path = generate_cohort(
            out, patients, seed, flaws=flaws, modality=modality, workers=workers, progress=bar
        )
    planted = f", flaws {', '.join(flaws)}" if flaws else ""
    typer.echo(f"{patients} simulated patients in {path}{planted}")


def ingest_command(
    source: Annotated[
        Path, typer.Argument(help="Folder, file or archive: DICOM, NIfTI, pictures.")
    ],
    out: Annotated[Path, typer.Option(help="The store to write.")],
    card: Annotated[Path | None, typer.Option(help="Data card (path, or a known name).")] = None,
    all_series: Annotated[bool, typer.Option(help="Keep every series of a study.")] = False,
    kernel: Annotated[
        Literal["soft", "sharp"], typer.Option(help="Which CT reconstruction to prefer.")
    ] = "soft",
    resample: Annotated[
        bool, typer.Option(help="Interpolate where slices are uneven or missing.")
    ] = False,
    modality: ModalityOption = None,
    time_point: Annotated[
        int | None, typer.Option(help="Which volume of a series of time points, from 1.", min=1)
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes [all cores, if it pays].")] = None,
) -> None:
    """Read images into a store: NIfTI, receipts, a manifest, and an account of every file."""
    from covidx.cards import load_card
    from covidx.ingest import Rules, ingest

    described = None if card is None else load_card(card)
    with terminal_bar("ingest") as bar:
        result = ingest(
            source,
            out,
            card=described,
            rules=Rules(all_series, kernel, resample, modality, time_point),
            workers=workers,
            progress=lambda _, done, total: bar(done, total),
        )
    typer.echo(
        f"{counted(len(result.manifest), 'image')} in {result.store}\n"
        f"{counted(result.files_seen, 'file')} seen = {result.accepted_files} accepted + "
        f"{result.set_aside} set aside + {result.quarantined} quarantined"
    )
    for code, count in result.reasons.items():
        typer.echo(f"  {code}: {count}")
    if result.reasons:
        typer.echo(f"which files, and why: covidx linkage {out}; {out / 'quarantine.parquet'}")


def deidentify_command(
    dicoms: Annotated[Path, typer.Argument(help="Folder, file or archive of DICOM.")],
    out: Annotated[Path, typer.Option(help="Folder of the copies.")],
    retain: Annotated[
        str,
        typer.Option(help="Options of the basic profile, with commas between them; or none."),
    ] = "dates,descriptors,device,patient,private",
    captures: Annotated[
        bool, typer.Option(help="Also images whose pixels may show a name.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes [all cores, if it pays].")] = None,
) -> None:
    """Copy DICOM without identity (PS3.15 annex E), under the pseudonyms that ingest gives."""
    from covidx.ingest import deidentify, options_of

    with terminal_bar("deidentify") as bar:
        result = deidentify(
            dicoms,
            out,
            retain=options_of(retain),
            captures=captures,
            workers=workers,
            progress=lambda _, done, total: bar(done, total),
        )
    kinds = result.kinds
    typer.echo(
        f"{counted(kinds['copied'], 'instance')} of {counted(result.patients, 'patient')} "
        f"in {result.out}\n"
        f"{counted(len(result.account), 'file')} seen = {kinds['copied']} copied + "
        f"{kinds['set_aside']} set aside + {kinds['quarantined']} quarantined"
    )
    for code, count in result.reasons.items():
        typer.echo(f"  {code}: {count}")
