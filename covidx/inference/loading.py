"""Any bundle into memory, by the kind that it says it is."""

from __future__ import annotations

from pathlib import Path

from covidx.bundles import need_kind
from covidx.inference.predictor import Predictor
from covidx.kinds import all_kinds, kind_named, resolve

SERVED = Path(__file__).with_name("served.py")
"""The script that MLflow serves a bundle of any kind from."""


def load(folder: Path | str, device: str = "auto") -> Predictor:
    """Read a bundle of any kind, and prove by its reference cases that it gives what it gave.

    Parameters
    ----------
    folder : Path or str
        Such as ``runs/train_ct/latest/bundle``.
    device : str
        Of torch; ``auto``: a GPU where there is one, else the CPU.

    Examples
    --------
    >>> predictor = load("runs/train_ct/latest/bundle")  # doctest: +SKIP
    >>> predictor.predict("study/").to_frame()  # doctest: +SKIP

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_INVALID``, ``BUNDLE_KIND``, ``BUNDLE_VERSION``,
        ``BUNDLE_CHANGED`` or ``PARITY_LOST``.
    """
    folder = Path(folder)
    kind = kind_named(need_kind(folder, [kind.name for kind in all_kinds()]))
    assert kind is not None
    predictor: Predictor = resolve(kind.predictor).load(folder, device)
    return predictor
