"""What every bundle has: back as written, its digest, and each refusal once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from covidx.bundles import BundleFile, need_kind, parse_bundle, read_bundle
from covidx.config import Config
from covidx.domain import TrainedOn
from covidx.errors import BundleError
from covidx.files import read_json, sha256_file, write_json
from covidx.inference.loading import load
from covidx.kinds import all_kinds, kind_named, resolve


class TinyRecipe(Config):
    """Nothing to say."""


class Tiny(BundleFile):
    """One number, a file, and another that it may do without."""

    FILES: ClassVar = {"data": "data_sha256", "more": "more_sha256"}

    schema_version: int = 7
    kind: Literal["clinical"] = "clinical"
    recipe: TinyRecipe = TinyRecipe()
    trained_on: TrainedOn = TrainedOn(dataset="tiny", domain="simulated", patients={"all": 2})
    value: int
    data_sha256: str = ""
    more_sha256: str | None = None


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "data").write_text("abc")
    Tiny(value=1, run_id="r").write(tmp_path)
    return tmp_path


def edit(folder: Path, **change: Any) -> None:
    write_json(folder / "bundle.json", read_json(folder / "bundle.json") | change)


def test_it_comes_back_as_written(saved: Path) -> None:
    found = read_bundle(saved, Tiny)
    assert (found.value, found.run_id, found.schema_version) == (1, "r", 7)
    assert found.data_sha256 == sha256_file(saved / "data") and found.more_sha256 is None
    assert "covidx" in found.versions and found.created > "2020"
    assert found.write(saved).sha256 == found.sha256 == found.digest()


def test_the_digest_is_of_what_it_does() -> None:
    one = Tiny(value=1)
    apart = {"run_id": "s", "created": "2021", "versions": {"torch": "9"}, "sha256": "x"}
    assert apart.keys() == Tiny.NOT_HASHED
    assert one.model_copy(update=apart).digest() == one.digest()
    for change in ({"value": 2}, {"data_sha256": "x"}, {"kind": "image"}, {"notice": ""}):
        assert one.model_copy(update=change).digest() != one.digest(), change


def test_a_field_that_was_added_since_changes_no_bundle(saved: Path) -> None:
    class Later(Tiny):
        added: bool = False

    assert read_bundle(saved, Later).added is False
    edit(saved, added=True)
    with pytest.raises(BundleError, match="BUNDLE_CHANGED"):
        read_bundle(saved, Later)


SPOILT: list[tuple[Callable[[Path], object], str, str, str]] = [
    (lambda at: (at / "bundle.json").unlink(), "BUNDLE_MISSING", "no such file", "latest/bundle"),
    (lambda at: (at / "bundle.json").write_text("{"), "BUNDLE_INVALID", "JSON", "train it again"),
    (lambda at: (at / "bundle.json").write_text("[]"), "BUNDLE_INVALID", "dict", "train it again"),
    (lambda at: edit(at, value="x"), "BUNDLE_INVALID", "value", "train it again"),
    (lambda at: edit(at, other=1), "BUNDLE_INVALID", "other", "train it again"),
    (lambda at: edit(at, schema_version=6), "BUNDLE_VERSION", "6", "covidx bundle upgrade"),
    (
        lambda at: edit(at, kind="detection", schema_version=6),  # the kind is the better answer
        "BUNDLE_KIND",
        "a bundle of covidx train detection",
        "Use covidx detect.",
    ),
    (lambda at: edit(at, kind="new"), "BUNDLE_KIND", "kind new", "covidx that wrote it"),
]


@pytest.mark.parametrize(("spoil", "code", "actual", "hint"), SPOILT)
def test_what_is_no_such_bundle_is_refused(
    saved: Path, spoil: Callable[[Path], object], code: str, actual: str, hint: str
) -> None:
    spoil(saved)
    with pytest.raises(BundleError, match=code) as caught:
        parse_bundle(saved, Tiny)
    assert caught.value.path == str(saved) and caught.value.expected
    assert actual in str(caught.value.actual) and hint in str(caught.value.hint)


CHANGED: list[tuple[Callable[[Path], object], str]] = [
    (lambda at: edit(at, value=2), "bundle.json"),
    (lambda at: (at / "data").write_text("abd"), "data"),
    (lambda at: (at / "data").unlink(), "data"),
]


@pytest.mark.parametrize(("change", "name"), CHANGED)
def test_a_changed_or_lost_part_is_noticed(
    saved: Path, change: Callable[[Path], object], name: str
) -> None:
    change(saved)
    parse_bundle(saved, Tiny)
    with pytest.raises(BundleError, match="BUNDLE_CHANGED") as caught:
        read_bundle(saved, Tiny)
    assert caught.value.path == str(saved / name)


@pytest.mark.parametrize("found", [0.52, float("nan")])
def test_other_answers_are_lost_parity(saved: Path, found: float) -> None:
    bundle = read_bundle(saved, Tiny)
    bundle.need_parity(saved, [0.1, 0.505], [0.1, 0.5], 0.01)
    with pytest.raises(BundleError, match="PARITY_LOST") as caught:
        bundle.need_parity(saved, [0.1, found], [0.1, 0.5], 0.01)
    assert f"covidx {bundle.versions['covidx']}" in str(caught.value.hint)


def test_a_bundle_without_kind_is_an_image_classifiers(saved: Path) -> None:
    write_json(saved / "bundle.json", {"schema_version": 1})
    assert need_kind(saved, ("clinical", "image")) == "image"
    with pytest.raises(BundleError, match="BUNDLE_KIND"):
        need_kind(saved, ("clinical",))


@pytest.mark.parametrize("given", [kind.name for kind in all_kinds()])
def test_each_reader_sends_the_other_kinds_to_their_verb(tmp_path: Path, given: str) -> None:
    write_json(tmp_path / "bundle.json", {"kind": given})
    own = kind_named(given)
    assert own is not None
    for kind in all_kinds():
        with pytest.raises(BundleError) as caught:
            resolve(kind.predictor).load(tmp_path)
        if kind is own:
            assert caught.value.code == "BUNDLE_VERSION"
        else:
            assert caught.value.code == "BUNDLE_KIND"
            assert caught.value.hint == f"Use covidx {own.verbs[0]}."
    with pytest.raises(BundleError, match="BUNDLE_VERSION"):
        load(tmp_path)
