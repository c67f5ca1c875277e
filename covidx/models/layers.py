"""A network layer by layer: output size, kernel, parameters, multiply-adds, field of view.

Nothing is assumed of a network but that it takes an image: sizes, multiply-adds and fields of view
are read off the operations of one pass, branches and skip connections among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakTensorKeyDictionary

Pair = tuple[int, int]


@dataclass(frozen=True)
class Field:
    """What an activation can see of the image, by rows and by columns.

    Parameters
    ----------
    size : (int, int) or None
        Pixels of the image that have a part in an activation; None: all of them.
    step : (int, int)
        Pixels between neighbouring activations.
    """

    size: Pair | None = (1, 1)
    step: Pair = (1, 1)

    def through(self, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Field:
        """After a window went over the activations.

        Parameters
        ----------
        kernel, stride, dilation : (int, int)
            Of the window, by rows and by columns.
        """
        step = (self.step[0] * stride[0], self.step[1] * stride[1])
        if self.size is None:
            return Field(None, step)
        rows, columns = (
            size + (k - 1) * d * jump
            for size, k, d, jump in zip(self.size, kernel, dilation, self.step, strict=True)
        )
        return Field((rows, columns), step)

    def everything(self) -> Field:
        """After a mean over the image, or a layer that joins all places."""
        return Field(None, self.step)

    def beside(self, other: Field) -> Field:
        """After a sum or a concatenation with an `other` branch: the wider of both."""
        step = (max(self.step[0], other.step[0]), max(self.step[1], other.step[1]))
        if self.size is None or other.size is None:
            return Field(None, step)
        rows, columns = (max(a, b) for a, b in zip(self.size, other.size, strict=True))
        return Field((rows, columns), step)


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Parameters
    ----------
    name, kind : str
        Its place in the network, and its class.
    output : tuple of int
        Channels, rows, columns of one image; or features.
    kernel, stride : (int, int), optional
        Of layers with a window.
    groups : int
        Parts that the channels of a convolution are divided into; the channels: depthwise.
    parameters, multiply_adds : int
        Of this layer, for one image.
    field : (int, int) or None
        Rows and columns of the image that an activation can see; None: all.
    channels : int
        Of its input.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    kernel: Pair | None
    stride: Pair | None
    groups: int
    parameters: int
    multiply_adds: int
    field: Pair | None
    channels: int


def describe_layers(network: nn.Module, channels: int, size: Pair) -> list[Layer]:
    """Every layer that an image passes, in the order of the pass.

    Parameters
    ----------
    network : Module
        Takes images of shape (1, channels, rows, columns).
    channels : int
        Of the image.
    size : (int, int)
        Its rows and columns.

    Returns
    -------
    list of Layer
        Layers that have no layers within, or weights or multiply-adds of their own; those that
        never ran are left out. A layer that is used several times stands once, with the
        multiply-adds of all its uses.
    """
    names = {module: name for name, module in network.named_modules()}
    fields = _Fields()
    passed: dict[str, tuple[nn.Module, int, Tensor]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inputs and isinstance(output, Tensor) and isinstance(inputs[0], Tensor):
            passed[names[module]] = (module, int(inputs[0].shape[1]), output)

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    image = torch.zeros(1, channels, *size)
    counter = FlopCounterMode(display=False)
    training = network.training
    try:
        # Attention in its plain form: counters do not know what CPUs have for it.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter, fields:
            fields.of[image] = Field()
            network.eval()(image)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    counts = {
        name: sum(operations.values()) // 2
        for name, operations in counter.get_flop_counts().items()
    }
    root = type(network).__name__
    layers = []
    for name, (module, width, output) in passed.items():
        place = f"{root}.{name}" if name else root
        within = [counts.get(f"{place}.{child}", 0) for child, _ in module.named_children()]
        own = counts.get(place, 0) - sum(within)
        weights = sum(weight.numel() for weight in module.parameters(recurse=False))
        if within and not own and not weights:
            continue  # its parts stand for it
        layers.append(
            Layer(
                name or root,
                type(module).__name__,
                tuple(output.shape[1:]),
                _pair(getattr(module, "kernel_size", None)),
                _pair(getattr(module, "stride", None)),
                int(getattr(module, "groups", 1)),
                weights,
                own,
                fields.of[output].size if output in fields.of else None,
                width,
            )
        )
    return layers


def _pair(value: Any) -> Pair | None:
    return None if value is None else _both(value)


class _Fields(TorchDispatchMode):
    """Follows the field of view through every operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.of: Any = WeakTensorKeyDictionary()
        self._kept: list[Tensor] = []  # while a pass goes on, no tensor's place is used again

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        known = [self.of[one] for one in _tensors(args) if one in self.of]
        if known:
            field = known[0]
            for other in known[1:]:
                field = field.beside(other)
            field = _after(func.overloadpacket.__name__, args, output, field)
            for one in _tensors([output]):
                self.of[one] = field
                self._kept.append(one)
        return output


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _after(name: str, args: Sequence[Any], output: Any, field: Field) -> Field:
    """The field after an operation of torch, by its `name`."""
    if name == "convolution":
        kernel = tuple(args[1].shape[-2:])
        return field.through(kernel, _both(args[3]), _both(args[5]))
    if name in ("max_pool2d_with_indices", "avg_pool2d"):
        return field.through(
            _both(args[1]), _both(args[2] if len(args) > 2 and args[2] else args[1])
        )
    if name in ("mean", "_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        over = args[1] if len(args) > 1 else None
        channels_alone = name == "mean" and over is not None and all(dim == 1 for dim in over)
        return field if channels_alone else field.everything()
    if name in ("addmm", "mm") and output.shape[0] == 1:  # several rows: a place each
        return field.everything()
    if name in ("bmm", "baddbmm") or "attention" in name:
        return field.everything()
    return field


def _both(values: Any) -> Pair:
    """One number, or one a dimension, as rows and columns."""
    first, *more = values if isinstance(values, Sequence) else (values,)
    return int(first), int(more[0] if more else first)
