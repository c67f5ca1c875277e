"""Reading a step's YAML. Each package has its own pydantic model; this file loads and checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from covidx.errors import ConfigError


class Config(BaseModel):
    """Base of every configuration model: frozen, and refusing unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the YAML mapping at `path`: UTF-8, or UTF-16 with its mark, as YAML has it.

    Raises
    ------
    ConfigError
        ``CONFIG_UNREADABLE``.
    """
    try:
        value = yaml.safe_load(path.read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        encoded = isinstance(error, UnicodeDecodeError | yaml.reader.ReaderError)
        raise ConfigError(
            "CONFIG_UNREADABLE",
            "The configuration cannot be read.",
            path=path,
            expected="text in UTF-8" if encoded else None,
            actual=error,
            hint="Save it as UTF-8: in an editor, or by iconv -f WINDOWS-1252 -t UTF-8."
            if encoded
            else "Check the path, and the file's YAML (indentation, colons, quotes).",
        ) from error
    if not isinstance(value, dict):
        raise ConfigError(
            "CONFIG_UNREADABLE",
            "The configuration is not a mapping.",
            path=path,
            expected="key: value lines",
            actual=type(value).__name__,
            hint="Begin the file with a key, not with a list or plain text.",
        )
    return value


def load_config(path: Path, model: type[C], changes: Sequence[str] = ()) -> C:
    """Read `path` into `model`, and apply changes such as ``"training.epochs=3"``.

    Parameters
    ----------
    path : Path
        A YAML file.
    model : type
        The pydantic model.
    changes : sequence of str
        ``key=value``, each with a dotted key and a value in YAML.

    Raises
    ------
    ConfigError
        ``CONFIG_UNREADABLE`` or ``CONFIG_INVALID``, naming each key.
    """
    values = read_yaml(path)
    for change in changes:
        _apply(values, change)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: "
            + ("unknown key" if fault["type"] == "extra_forbidden" else fault["msg"])
            for fault in error.errors(include_url=False)
        ]
        raise ConfigError(
            "CONFIG_INVALID",
            "The configuration has unknown keys or values out of range.",
            path=path,
            expected=f"keys of {model.__name__}: {', '.join(model.model_fields)}",
            actual="; ".join(faults),
            hint="Correct or remove these keys in the YAML file or in --set.",
        ) from error


def _apply(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not last:
        raise ConfigError(
            "CONFIG_INVALID",
            "A change must have the form key=value.",
            expected="a.b=1",
            actual=change,
            hint="Write it as in --set seed=1 (make: SET=seed=1).",
        )
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(
                "CONFIG_INVALID",
                f"{parent} is a single value, and has no keys below it.",
                actual=change,
                hint="Correct the key to one that the pipeline's YAML has.",
            )
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            "CONFIG_INVALID",
            "The value of a change is not YAML.",
            expected="a.b=1",
            actual=change,
            hint="Quote the whole change: --set 'key=[a, b]'.",
        ) from error
