"""The cache: what it holds, what it refuses, and when it is made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from covidx.errors import StoreError
from covidx.files import locked
from covidx.imaging import BagCache, Preprocessing, build_cache, cache, prepare
from covidx.imaging.bags import Bag
from covidx.volume import Volume

from .conftest import box_volume

HOW = Preprocessing(slices=3, rows=32, columns=32)


def table(*names: str) -> pd.DataFrame:
    rows = [
        {
            "image_id": name,
            "sha256": f"sha-{name}",
            "modality": "CT",
            "units": "hu",
            "geometry": "proven",
            "path": f"images/{name}.nii.gz",
        }
        for name in names
    ]
    return pd.DataFrame(rows)


def image(name: str) -> Volume:
    """A chest per letter, the others without lungs or no CT."""
    if name == "mr":
        result = box_volume()
        return Volume(np.array(result.array), "MR", "hu", "proven", result.affine)
    hu = np.array(box_volume().array)
    hu[hu == -800] = 40 if name == "none" else -900 + ord(name[0])
    return Volume(hu, "CT", "hu", "proven", box_volume().affine)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Prepare in this process, and note what is read."""
    shown: list[str] = []

    def load(store: Path, row: Any) -> Volume:
        shown.append(row["image_id"])
        return image(row["image_id"])

    class Here:
        """A pool of one: this process."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None: ...

        map = staticmethod(map)

    monkeypatch.setattr(cache, "load_image", load)
    monkeypatch.setattr(cache, "Workers", Here)
    return shown


def build(tmp_path: Path, rows: pd.DataFrame, how: Preprocessing = HOW) -> BagCache:
    return build_cache(tmp_path / "store", rows, how, tmp_path / "cache")


def test_each_bag_is_what_prepare_gives(tmp_path: Path, loads: list[str]) -> None:
    made = build(tmp_path, table("c", "a", "b"))
    assert loads == ["a", "b", "c"]
    pixels = made.pixels
    assert isinstance(pixels, np.memmap)
    for name in "abc":
        wanted = prepare(image(name), HOW)
        for result in (made.bag(name), made.bag(name, pixels)):
            np.testing.assert_array_equal(result.pixels, wanted.pixels)
            np.testing.assert_array_equal(result.slices, wanted.slices)
            assert result.box == wanted.box
    assert "a" in made and "z" not in made


def test_a_bag_cannot_be_written_to(tmp_path: Path, loads: list[str]) -> None:
    bag = build(tmp_path, table("a")).bag("a")
    with pytest.raises(ValueError, match="read-only"):
        bag.pixels[0] = 0


def test_what_cannot_be_prepared_is_listed_and_the_rest_kept(
    tmp_path: Path, loads: list[str]
) -> None:
    made = build(tmp_path, table("a", "mr", "none", "x"))
    assert {name: code for name, (code, _) in made.refused.items()} == {
        "mr": "NOT_CT",
        "none": "NO_LUNGS",
    }
    assert sorted(made.index) == ["a", "x"]
    np.testing.assert_array_equal(made.bag("x").pixels, prepare(image("x"), HOW).pixels)


def test_the_same_images_are_prepared_once(tmp_path: Path, loads: list[str]) -> None:
    one = build(tmp_path, table("a", "mr"))
    again = build(tmp_path, table("mr", "a"))
    assert loads == ["a", "mr"] and again.folder == one.folder
    assert again.index == one.index and again.refused == one.refused


@pytest.mark.parametrize("column", ["image_id", "sha256", "modality", "units", "geometry"])
def test_other_images_make_another_cache(tmp_path: Path, loads: list[str], column: str) -> None:
    rows = table("a", "b")
    one = build(tmp_path, rows)
    rows.loc[1, column] = "bb"
    assert build(tmp_path, rows).folder != one.folder and len(loads) == 4


def test_another_recipe_or_other_code_makes_another_cache(
    tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {build(tmp_path, table("a")).folder}
    folders.add(build(tmp_path, table("a"), HOW.model_copy(update={"level": -500.0})).folder)
    monkeypatch.setattr(cache, "_code", lambda: ["other code"])
    folders.add(build(tmp_path, table("a")).folder)
    assert len(folders) == 3


def test_a_build_that_dies_leaves_no_cache(
    tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> Bag:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "prepare", die)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, table("a"))
    (folder,) = (tmp_path / "cache").iterdir()
    assert [p.name for p in folder.iterdir()] == [".lock"]
    assert "a" in build(tmp_path, table("a"))


def test_two_builders_do_not_write_into_one_cache(tmp_path: Path, loads: list[str]) -> None:
    folder = build(tmp_path, table("a")).folder
    with locked(folder), pytest.raises(StoreError, match="IN_USE"):
        build(tmp_path, table("a"))


def test_progress_is_told(tmp_path: Path, loads: list[str]) -> None:
    codes: list[tuple[int, int]] = []
    build_cache(
        tmp_path,
        table("a", "mr"),
        HOW,
        tmp_path / "cache",
        progress=lambda done, total: codes.append((done, total)),
    )
    assert codes == [(1, 2), (2, 2)]


def test_a_damaged_store_is_an_error_and_no_refusal(tmp_path: Path) -> None:
    """By a real worker process."""
    with pytest.raises(StoreError, match="IMAGE_MISSING"):
        build_cache(tmp_path, table("a"), HOW, tmp_path / "cache", workers=1)
    (folder,) = (tmp_path / "cache").iterdir()
    assert [p.name for p in folder.iterdir()] == [".lock"]
