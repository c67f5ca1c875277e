"""What a case page is made of: voxels that come back, layers where they lie, true words."""

from __future__ import annotations

import base64
import json
import re
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import covidx
from covidx.report.viewer.assets import script_json
from covidx.report.viewer.case import GREY_WINDOWS, HeatLayer, MaskLayer, SeenSlice, ViewerCase
from covidx.report.viewer.case_page import write_case_page
from covidx.report.viewer.layers import areas, heat_json, mask_json, why_text
from covidx.report.viewer.voxels import display_copy, encode
from covidx.volume import Volume
from tests.report.viewer_cases import AFFINE, HOSTILE, SHAPE, case, heat, hu


def decode(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """The undoing of `encode`, voxel by voxel as its docstring describes it."""
    data = zlib.decompress(base64.b64decode(text))
    half, values = len(data) // 2, np.zeros(shape, dtype=np.int64)
    for i, place in enumerate(np.ndindex(*shape)):
        folded = data[i] + 256 * data[half + i]
        difference = folded // 2 if folded % 2 == 0 else -(folded + 1) // 2
        s, r, c = place
        left = values[s, r, c - 1] if c else 0
        upper = values[s, r - 1, c] if r else 0
        values[place] = difference + (left + upper) // 2
    return values


def test_encoded_voxels_come_back() -> None:
    values = np.random.default_rng(0).integers(-1024, 3072, (2, 5, 7)).astype(np.int16)
    assert (decode(encode(values), values.shape) == values).all()


def test_a_small_image_is_copied_as_it_is() -> None:
    copy = display_copy(case().image)
    assert (copy.factor, copy.step) == (1, 1)
    assert (copy.values == hu()).all()
    assert np.allclose(copy.affine, AFFINE)


def test_a_copy_keeps_to_its_size_and_its_place() -> None:
    noise = np.random.default_rng(0).normal(0, 30, (10, 64, 64)).astype(np.int16)
    volume = Volume(noise, "CT", "hu", "proven", AFFINE)
    copy = display_copy(volume, most=10_000)
    assert sum(len(text) for _, text in copy.parts()) <= 10_000
    assert copy.factor > 1
    middle = noise[:, : copy.factor, : copy.factor].astype(np.float32).mean(axis=(1, 2))
    assert np.abs(copy.values[:, 0, 0] * copy.step - middle).max() <= copy.step / 2 + 1e-3
    # The middle of the first pixel of the copy is the middle of the pixels that it is made of.
    half = (copy.factor - 1) / 2
    assert np.allclose(copy.affine @ [0, 0, 0, 1], AFFINE @ [half, half, 0, 1])


def test_a_heatmap_lies_where_its_affine_says() -> None:
    shown = heat_json(heat(4, "passed"), display_copy(case().image))
    matrix = np.array(shown["matrix"]).reshape(3, 4)
    # Column 35, row 15 of slice 4: the peak, in the map at column 17.25, row 7.25.
    assert np.allclose(matrix @ [35, 15, 4, 1], [17.25, 7.25, 0])
    cells = np.frombuffer(zlib.decompress(base64.b64decode(shown["cells"])), np.uint8)
    assert np.unravel_index(cells.argmax(), shown["shape"]) == (0, 7, 17)
    assert cells.min() >= 1  # nothing lies outside of the input


def test_a_map_without_evidence_has_no_colour_to_show() -> None:
    assert "cells" not in heat_json(heat(4, "no evidence"), display_copy(case().image))


def test_a_large_heatmap_keeps_its_place_when_it_is_averaged() -> None:
    values = np.zeros((1, 512, 512), dtype=np.float32)
    values[0, 256:260, 384:388] = 1
    layer = HeatLayer("image", values, np.eye(4), "passed", "", (0.5,), "log-odds")
    image = Volume(np.zeros((1, 512, 512), np.uint8), "DX", "display", "none")
    shown = heat_json(layer, display_copy(image))
    assert max(shown["shape"]) <= 128
    cells = np.frombuffer(zlib.decompress(base64.b64decode(shown["cells"])), np.uint8)
    _, row, column = np.unravel_index(cells.argmax(), shown["shape"])
    matrix = np.vstack([np.array(shown["matrix"]).reshape(3, 4), [0, 0, 0, 1]])
    place = np.linalg.inv(matrix) @ [column, row, 0, 1]
    assert np.allclose(place[:2], [385.5, 257.5])


def test_a_mask_is_on_the_display_grid() -> None:
    one = case()
    mask = one.masks[0]
    shown = mask_json(mask, display_copy(one.image))
    cells = np.frombuffer(zlib.decompress(base64.b64decode(shown["cells"])), np.uint8)
    assert (cells.reshape(SHAPE) == mask.mask).all()


@pytest.mark.parametrize("change", [{"verdict": "faithful"}, {"levels": (0.9, 0.1)}])
def test_an_impossible_heatmap_cannot_be_built(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"one of|ascend"):
        replace(heat(4, "passed"), **change)  # type: ignore[arg-type]


def test_areas_are_in_square_millimetres() -> None:
    # 10 x 10 pixels of 2 x 2 mm in slices 3 to 5
    assert areas(case()) == [400.0 if 3 <= k < 6 else 0.0 for k in range(12)]
    assert case().lesion_ml == pytest.approx(3 * 400 * 5 / 1000)


def _with(one: ViewerCase, seen: list[SeenSlice], lesion: slice) -> str:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[lesion, 5:10, 5:10] = True
    return why_text(replace(one, seen=seen, masks=[MaskLayer("true lesion", mask)]))


def test_a_miss_explains_itself() -> None:
    seen = [SeenSlice(2, 0.02, 0.5, 2, 2), SeenSlice(9, 0.0, 0.5, 8, 10)]
    assert _with(case(), seen, slice(5, 6)) == (
        "Largest lesion in slice 6 (100 mm²), not seen by the model; nearest slices that it saw: "
        "slice 3 scored 0.02, slice 10 scored 0.00."
    )
    assert _with(case(), seen, slice(8, 9)) == (
        "Largest lesion in slice 9 (100 mm²), seen by the model: slice 10 scored 0.00 and decided."
    )
    assert _with(case(), seen, slice(0, 0)) == "The image shows no true lesion."
    assert _with(case(), [], slice(8, 9)) == ""


def test_json_in_a_script_cannot_end_it() -> None:
    text = script_json({"x": HOSTILE})
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == {"x": HOSTILE}


@pytest.mark.parametrize("images", ["all", "thumbnails", "none"])
def test_images_are_written_as_far_as_wanted(images: str, tmp_path: Path) -> None:
    folder = tmp_path / "001"
    row = write_case_page(case(), folder, images=images)  # type: ignore[arg-type]
    names = {path.name for path in folder.iterdir()}
    assert bool(names & {"voxels-000.js", "layers.js"}) == (images == "all")
    assert ("thumbnail.jpg" in names) == (images != "none") == row.thumbnail
    page = (folder / "index.html").read_text()
    assert ("written without images" in page) == (images != "all")
    assert "score <b>0.900</b>" in page and "✓ correct" in page


def test_hostile_texts_are_texts(tmp_path: Path) -> None:
    one = replace(
        case(HOSTILE), warnings=[HOSTILE], facts=[(HOSTILE, HOSTILE)], receipt={"a": HOSTILE}
    )
    write_case_page(one, tmp_path / "001")
    page = (tmp_path / "001" / "index.html").read_text()
    assert "<script>alert" not in page
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts == [
        '<script src="viewer.js">',
        '<script type="application/json" id="case-data">',
    ]
    assert "unsafe-inline" not in re.search(r"script-src[^;]*", page)[0]  # type: ignore[index]


def test_a_radiograph_without_geometry_fills_the_same_page(tmp_path: Path) -> None:
    image = Volume(np.full((1, 30, 20), 90, np.uint8), "DX", "display", "none")
    one = ViewerCase("P1", "P1", image, GREY_WINDOWS)
    write_case_page(one, tmp_path / "001")
    page = (tmp_path / "001" / "index.html").read_text()
    data = json.loads(re.search(r'id="case-data">(.*?)</script>', page)[1])  # type: ignore[index]
    assert data["lps"] is None and data["spacing"] is None
    assert data["shape"] == [1, 30, 20]
    assert "plane sagittal" not in page


def test_what_a_page_says_of_place_is_dicoms(tmp_path: Path) -> None:
    write_case_page(case(), tmp_path / "001")
    page = (tmp_path / "001" / "index.html").read_text()
    data = json.loads(re.search(r'id="case-data">(.*?)</script>', page)[1])  # type: ignore[index]
    lps = np.array(data["lps"]).reshape(3, 4)
    # RAS of column 0, row 0, slice 0 is (47, 39, -30): LPS turns x and y.
    assert (lps @ [0, 0, 0, 1]).tolist() == [-47.0, -39.0, -30.0]
    assert data["start"] == 4  # the slice that decided most


def test_the_pages_parts_come_with_the_package() -> None:
    root = Path(covidx.__file__).parent
    patterns = tomllib.loads((root.parent / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {path for one in patterns["package-data"]["covidx"] for path in root.glob(one)}
    parts = {*(root / "report/viewer/static").iterdir(), *(root / "report/templates").iterdir()}
    assert parts and parts <= shipped
