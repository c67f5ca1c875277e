"""Which networks there are, and what one is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from covidx.models import Layer

models_app = typer.Typer(help="Networks, layer by layer.", no_args_is_help=True)


@models_app.callback()
def _models() -> None:
    """Networks by name: any of timm's, and textbook ones that timm lacks."""


@models_app.command(name="list")
def list_command(
    pattern: Annotated[
        str,
        typer.Argument(
            help="Part of the name, with * for any letters and in quotes: 'resnet*' "
            "[without: an overview]."
        ),
    ] = "",
) -> None:
    """List networks that volume.architecture.backbone takes."""
    from covidx.errors import InvalidInputError
    from covidx.models import OFFLINE_WEIGHTS, network_names
    from covidx.models.textbook import NETWORKS

    names = network_names(pattern)
    if not names:
        raise InvalidInputError(
            "BACKBONE_UNKNOWN",
            "No network has a name like this.",
            actual=pattern,
            hint="Use * for any letters: covidx models list '*inception*'.",
        )
    if pattern:
        typer.echo("\n".join(names))
        return
    typer.echo(f"ImageNet weights installed: {', '.join(OFFLINE_WEIGHTS)}")
    typer.echo(f"of textbooks, no weights:   {', '.join(one.__name__ for one in NETWORKS)}")
    typer.echo(f"of timm, weights by the hub: {len(names) - len(NETWORKS)}; by name, for example:")
    for one in ("vgg*", "resnet*", "*inception*", "efficientnet*", "vit*"):
        typer.echo(f"  covidx models list '{one}'")


@models_app.command(name="show")
def show_command(
    name: Annotated[str, typer.Argument(help="Name of a network, as covidx models list has it.")],
    size: Annotated[
        int | None,
        typer.Option(help="Rows and columns of the image [the size it was made for].", min=1),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of the image [as it was made for].", min=1)
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Classes of the output [as it was made for].", min=1)
    ] = None,
) -> None:
    """Show layers with weights or windows: output, parameters, multiply-adds, field of view."""
    from covidx.errors import InvalidInputError
    from covidx.models import describe_layers, made_for, make_network, separable_total

    made = made_for(name)
    side, depth = size or made.size, channels or made.channels
    network = make_network(name, depth, classes or made.classes)
    try:
        layers = describe_layers(network, depth, (side, side))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InvalidInputError(
            "IMAGE_SIZE",
            "The network cannot take an image of this size.",
            actual=f"{depth} x {side} x {side}: {error}",
            hint=f"It was made for {made.size} x {made.size}.",
        ) from error
    typer.echo(_table(layers))
    parameters = sum(weight.numel() for weight in network.parameters())
    total = sum(layer.multiply_adds for layer in layers)
    typer.echo(
        f"\n{name}, image {depth} x {side} x {side}: {parameters:,} parameters, "
        f"{total:,} multiply-adds"
    )
    separable = separable_total(layers)
    if total > 1.05 * separable:
        typer.echo(
            f"were its convolutions larger than 1 x 1 depthwise-separable: {separable:,} "
            f"multiply-adds, {total / separable:.1f} times fewer"
        )


HEADER = ("layer", "kind", "kernel", "stride", "output", "parameters", "multiply-adds", "sees")


def _table(layers: Sequence[Layer]) -> str:
    """The layers that have a window or multiply-adds, a line each; numbers to the right."""
    rows: list[tuple[str, ...]] = [HEADER]
    for layer in layers:
        if layer.kernel is None and not layer.multiply_adds:
            continue
        rows.append(
            (
                layer.name,
                layer.kind,
                _by(layer.kernel),
                _by(layer.stride),
                _by(layer.output),
                f"{layer.parameters:,}",
                f"{layer.multiply_adds:,}",
                "all" if layer.field is None else _by(layer.field),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place > 3 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _by(values: Sequence[int] | None) -> str:
    return "" if values is None else " x ".join(map(str, values))
