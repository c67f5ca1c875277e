"""Configuration: unknown keys, wrong values, changes laid over."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from covidx.config import Config, load_config, read_yaml
from covidx.errors import ConfigError


class Inner(Config):
    rate: float = Field(0.1, gt=0)
    names: list[str] = Field(default_factory=list)


class Outer(Config):
    seed: int
    inner: Inner = Inner()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_values_and_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "seed: 3"), Outer) == Outer(seed=3, inner=Inner(rate=0.1))


def test_changes_are_laid_over_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 3")
    changes = ["inner.rate=0.5", "inner.names=[a, b]", "seed=4", " seed = 5"]
    found = load_config(path, Outer, changes)
    assert found == Outer(seed=5, inner=Inner(rate=0.5, names=["a", "b"]))


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        ("seed: 1\nsede: 2", [], "sede: unknown key"),
        ("seed: 1\ninner: {rat: 1}", [], "inner.rat: unknown key"),
        ("inner: {rate: 1}", [], "seed: Field required"),
        ("seed: x", [], "seed: Input should be a valid integer"),
        ("seed: 1", ["inner.rate=0"], "inner.rate: Input should be greater than 0"),
        ("seed: 1", ["inner.rat=0"], "inner.rat: unknown key"),
        ("seed: 1", ["seed"], "key=value"),
        ("seed: 1", ["=3"], "key=value"),
        ("seed: 1", ["seed.deeper=3"], "seed is a single value"),
        ("seed: 1", ["inner.names=[a"], "not YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, changes: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match="CONFIG_INVALID") as caught:
        load_config(write(tmp_path, text), Outer, changes)
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"[1, 2]", b"a: [", b"a: \xff\xfe"])
def test_what_is_no_mapping_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="CONFIG_UNREADABLE"):
        read_yaml(path)


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CONFIG_UNREADABLE"):
        read_yaml(write(tmp_path, "a: !!python/object/apply:os.getcwd []"))


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Outer(seed=1).seed = 2  # type: ignore[misc]
