"""Pictures and the tables that name them."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from covidx.cards import DataCard
from covidx.errors import CovidxError, InvalidTableError
from covidx.ingest import Identities, Rules, ingest, load_image, read_images
from covidx.ingest.raster import read_picture

GREYS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def card(**images: Any) -> DataCard:
    table = {
        "table": "images.csv",
        "image": "image",
        "label": "finding",
        "labels": {"pos": "covid-19", "neg": "normal"},
        "patient": "who",
        "group": "source",
        "manifest": {"rows": "height", "age": "years", "mode": "original_mode"},
    }
    return DataCard.model_validate(
        {
            "identifier": "toy",
            "title": "Toy",
            "description": "d",
            "version": "1",
            "licence": "CC0-1.0",
            "creators": ["x"],
            "citation": "c",
            "domain": "real",
            "provenance": "p",
            "population": "p",
            "label_origin": "l",
            "classes": ["normal", "covid-19"],
            "positive": "covid-19",
            "known_biases": [],
            "public_ids": True,
            "images": {**table, **images},
            "columns": [],
        }
    )


HEADER = "image,finding,who,source,height,years,original_mode"


def write_table(folder: Path, *rows: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "images.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    for i, name in enumerate(("a.png", "b.png", "c.png")):
        Image.fromarray(GREYS + i).save(folder / name)
    return folder


def test_eight_bits_are_kept(tmp_path: Path) -> None:
    Image.fromarray(GREYS).save(tmp_path / "a.png")
    volume, mode, note = read_picture(tmp_path / "a.png")
    assert (volume.units, volume.geometry, mode, note) == ("display", "none", "L", "")
    np.testing.assert_array_equal(volume.array[0], GREYS)


def test_sixteen_bits_become_floats_of_255(tmp_path: Path) -> None:
    deep = np.array([[0, 257], [32768, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    array = read_picture(tmp_path / "a.png")[0].array
    np.testing.assert_allclose(array[0], deep / 257.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("greatest", "grey", "note"),
    [
        (255, 255, "16-bit greys scaled to 255, of which 8 are used"),
        (4095, 255, "16-bit greys scaled to 255, of which 12 are used"),
        (
            4096,
            4096 * 255 / 65535,
            "16-bit greys scaled to 255; nearly black: its greatest grey is",
        ),
        (65535, 255, "16-bit greys scaled to 255"),
    ],
)
def test_greys_of_fewer_bits_than_the_picture_has(
    tmp_path: Path, greatest: int, grey: float, note: str
) -> None:
    """A detector of 12 bits; what the store holds comes back as it was."""
    pixels = np.array([[0, 10], [20, greatest]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    volume, _, said = read_picture(tmp_path / "a.png")
    assert volume.array.max() == pytest.approx(grey)
    assert said.startswith(note)
    result = ingest(tmp_path / "a.png", tmp_path / "out")
    stored = load_image(tmp_path / "out", result.manifest.iloc[0].to_dict())
    np.testing.assert_allclose(stored.array, volume.array, atol=0.003)


def test_a_picture_of_one_grey_is_blank(tmp_path: Path) -> None:
    Image.new("L", (5, 5)).save(tmp_path / "a.png")
    reader = read_images(tmp_path / "a.png", identities=Identities.public())
    assert not list(reader)
    assert reader.quarantine["code"].tolist() == ["IMAGE_BLANK"]


def test_colour_is_luma_and_alpha_lies_over_black(tmp_path: Path) -> None:
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B; half-transparent white is grey."""
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    array = read_picture(tmp_path / "rgb.png")[0].array
    np.testing.assert_allclose(array[0, 0], [76, 150, 29], atol=1)
    clear = np.array([[[255, 255, 255, 128], [255, 255, 255, 0]]], dtype=np.uint8)
    Image.fromarray(clear).save(tmp_path / "rgba.png")
    np.testing.assert_allclose(read_picture(tmp_path / "rgba.png")[0].array[0, 0], [128, 0], atol=1)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to show
    Image.fromarray(GREYS).save(tmp_path / "a.png", exif=exif)
    volume, _, note = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(volume.array[0], np.rot90(GREYS, -1))
    assert "EXIF" in note


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(CovidxError) as caught:
        read_picture(path)
    assert caught.value.code == "RASTER_UNREADABLE"


def test_cmyk_and_palette_become_luma(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), dtype=np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(red).convert("P").save(tmp_path / "b.png")
    for name, mode in (("a.jpg", "CMYK"), ("b.png", "P")):
        volume, found, note = read_picture(tmp_path / name)
        assert (found, note) == (mode, "colour made luma")
        np.testing.assert_allclose(volume.array, 76, atol=1)  # 0.299 * 255


def test_a_transparent_colour_of_a_palette_is_black(tmp_path: Path) -> None:
    picture = Image.fromarray(np.full((4, 4), 200, np.uint8)).convert("RGB").convert("P")
    index = int(np.asarray(picture)[0, 0])
    picture.save(tmp_path / "a.png", transparency=index)
    assert (read_picture(tmp_path / "a.png")[0].array == 0).all()


def png(path: Path, size: tuple[int, int], depth: int, kind: int, rows: list[bytes]) -> Path:
    """A PNG that Pillow does not write: colour kinds 0 grey, 2 RGB, 4 grey with alpha."""

    def chunk(name: bytes, body: bytes) -> bytes:
        total = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + total

    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def test_deep_colour_says_that_bits_were_cut(tmp_path: Path) -> None:
    row = struct.pack(">6H", 65535, 65535, 65535, 32896, 32896, 32896)
    volume, _, note = read_picture(png(tmp_path / "a.png", (2, 1), 16, 2, [row]))
    assert volume.array.tolist() == [[[255, 128]]]
    assert note == "16-bit channels cut to 8 bits; colour made luma"


def test_an_animation_is_refused(tmp_path: Path) -> None:
    first, second = Image.fromarray(GREYS), Image.fromarray(GREYS[::-1])
    first.save(tmp_path / "a.png", save_all=True, append_images=[second])
    with pytest.raises(CovidxError) as caught:
        read_picture(tmp_path / "a.png")
    assert caught.value.code == "RASTER_ANIMATED"


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    with pytest.raises(CovidxError) as caught:
        read_picture(png(tmp_path / "a.png", (side, side), 8, 0, [b"\0" * 10]))
    assert caught.value.code == "RASTER_TOO_LARGE"


def test_a_table_fills_the_manifest(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in", "a.png,pos,p1,s1,480,61.5,RGB", "b.png,neg,p2,s1,500,,L")
    result = ingest(source, tmp_path / "out", card=card())
    rows = result.manifest.set_index("patient_id")
    assert rows["label"].to_dict() == {"p1": "covid-19", "p2": "normal"}
    assert rows["group_id"].tolist() == ["s1", "s1"]
    assert rows.loc["p1", ["rows", "columns", "age", "mode"]].tolist() == [480, 4, 61.5, "RGB"]
    assert set(rows["dataset"]) == {"toy"} and set(rows["licence"]) == {"CC0-1.0"}
    assert set(rows["kind"]) == {"slice"} and set(rows["units"]) == {"display"}
    codes = dict(zip(result.quarantine["path"], result.quarantine["code"], strict=True))
    assert codes == {"images.csv": "IMAGE_TABLE", "c.png": "RASTER_UNNAMED"}
    volume = load_image(result.store, rows.loc["p2"])
    np.testing.assert_array_equal(volume.array[0], GREYS + 1)


def test_wrong_rows_are_named(tmp_path: Path) -> None:
    source = write_table(
        tmp_path / "in",
        "a.png,pos,p1,s1,,,",
        "gone.png,pos,p2,s1,,,",
        "b.png,flu,p3,s1,,,",
        "a.png,pos,p1,s1,,,",
        "../in.png,pos,p1,s1,,,",
        "c.png,neg,,s1,,,",
    )
    result = ingest(source, tmp_path / "out", card=card())
    assert result.manifest["patient_id"].tolist() == ["p1"]
    wrong = result.quarantine.set_index("path")["code"].to_dict()
    assert wrong == {
        "images.csv": "IMAGE_TABLE",
        "images.csv:3": "IMAGE_MISSING",
        "images.csv:4": "LABEL_UNKNOWN",
        "images.csv:5": "ROW_DUPLICATE",
        "images.csv:6": "IMAGE_OUTSIDE",
        "images.csv:7": "PATIENT_MISSING",
        "b.png": "RASTER_UNNAMED",
        "c.png": "RASTER_UNNAMED",
    }
    assert "'flu'" in " ".join(result.quarantine["reason"])


def test_a_label_that_is_spelt_otherwise(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in", "a.png,POS,p1,s1,,,", "b.png,neg,p2,s1,,,")
    result = ingest(source, tmp_path / "out", card=card())
    rows = result.manifest.set_index("patient_id")
    assert rows["label"].to_dict() == {"p1": "covid-19", "p2": "normal"}
    notes = (result.store / "receipts" / f"{rows.loc['p1', 'image_id']}.json").read_text()
    assert "The label POS is taken as pos." in notes


def test_unknown_ages_and_days_as_r_writes_them(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in", "a.png,pos,p1,s1,480,NA,NA", "b.png,neg,p2,s1,,61,NA")
    manifest = {"age": "years", "acquired": "original_mode", "mode": "original_mode"}
    result = ingest(source, tmp_path / "out", card=card(manifest=manifest))
    rows = result.manifest.set_index("patient_id")
    assert rows["age"].isna().tolist() == [True, False] and rows["acquired"].isna().all()
    assert rows["mode"].tolist() == ["NA", "NA"]  # a word
    notes = (result.store / "receipts" / f"{rows.loc['p1', 'image_id']}.json").read_text()
    assert "Taken as unknown: age NA, acquired NA." in notes


def test_rows_that_the_card_leaves_out_are_counted_once(tmp_path: Path) -> None:
    """By their picture, whose file is seen anyway; by the row where it names no picture."""
    source = write_table(
        tmp_path / "in",
        "a.png,pos,p1,s1,,,L",
        "b.png,pos,p2,s1,,,RGB",
        "c.png,odd,p3,s1,,,L",
        "gone.png,pos,p4,s1,,,",
    )
    chosen = card(
        where={"original_mode": ["L"]}, labels={"pos": "covid-19", "neg": "normal", "odd": None}
    )
    result = ingest(source, tmp_path / "out", card=chosen)
    assert result.manifest["patient_id"].tolist() == ["p1"]
    assert (result.files_seen, result.set_aside, result.quarantined) == (5, 4, 0)
    assert result.quarantine.set_index("path")["code"].to_dict() == {
        "b.png": "ROW_NOT_SELECTED",
        "c.png": "LABEL_UNUSED",
        "images.csv": "IMAGE_TABLE",
        "images.csv:5": "ROW_NOT_SELECTED",
    }
    reasons = " ".join(result.quarantine["reason"])
    assert "Row 3: The card leaves it out: original_mode is 'RGB', and not L." in reasons


def test_a_picture_that_one_row_reads_and_another_leaves_out_is_read(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in", "a.png,pos,p1,s1,,,RGB", "a.png,pos,p2,s1,,,L")
    result = ingest(source, tmp_path / "out", card=card(where={"original_mode": ["L"]}))
    assert result.manifest["patient_id"].tolist() == ["p2"]
    assert "a.png" not in set(result.quarantine["path"])


def test_one_picture_of_one_patient_with_two_labels_is_refused(tmp_path: Path) -> None:
    source = write_table(
        tmp_path / "in", "a.png,pos,p1,s,,,", "b.png,neg,p1,s,,,", "c.png,neg,p2,s,,,"
    )
    (source / "b.png").write_bytes((source / "a.png").read_bytes())
    result = ingest(source, tmp_path / "out", card=card())
    assert result.manifest["patient_id"].tolist() == ["p2"]
    assert result.quarantine["code"].tolist().count("LABEL_CONFLICT") == 2


def test_one_picture_under_two_patients_is_kept_twice(tmp_path: Path) -> None:
    """Cohort must see it, to keep the two patients in one fold."""
    source = write_table(tmp_path / "in", "a.png,pos,p1,s,,,", "b.png,pos,p2,s,,,")
    (source / "b.png").write_bytes((source / "a.png").read_bytes())
    manifest = ingest(source, tmp_path / "out", card=card()).manifest
    assert sorted(manifest["patient_id"]) == ["p1", "p2"]
    assert manifest["sha256"].nunique() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "nope"},
        {"manifest": {"view": "nope"}},
        {"manifest": {"sha256": "who"}},
        {"where": {"nope": ["x"]}},
    ],
)
def test_a_card_that_names_an_absent_column(tmp_path: Path, changes: dict[str, Any]) -> None:
    source = write_table(tmp_path / "in", "a.png,pos,p1,s1,,,")
    with pytest.raises(InvalidTableError) as caught:
        ingest(source, tmp_path / "out", card=card(**changes))
    assert caught.value.code == "CARD_COLUMN"


def test_pictures_without_a_table_are_read_alone_but_not_beside_others(tmp_path: Path) -> None:
    write_table(tmp_path / "in")
    (tmp_path / "in" / "images.csv").unlink()
    images = list(read_images(tmp_path / "in", identities=Identities.public()))
    assert sorted(image.fields["patient_id"] for image in images) == ["a", "b", "c"]


def test_a_picture_of_a_set_is_read_by_its_row_alone(tmp_path: Path) -> None:
    """The table lies above the pictures, whose names in it are relative to its own folder."""
    source = write_table(tmp_path / "in")
    (source / "scans").mkdir()
    for name in ("a", "b", "c"):
        (source / f"{name}.png").rename(source / "scans" / f"{name}.png")
    (source / "images.csv").write_text(
        f"{HEADER}\nscans/a.png,pos,p1,s1,,,\n./scans/b.png,neg,p2,s1,,,\ngone.png,pos,p3,s1,,,\n"
    )
    for place, patients in (("scans/b.png", ["p2"]), ("scans", ["p1", "p2"]), ("", ["p1", "p2"])):
        result = ingest(source / place, tmp_path / "out", card=card())
        assert sorted(result.manifest["patient_id"]) == patients
        assert ("images.csv:4" in set(result.quarantine["path"])) == (place == "")
    reader = read_images(source / "scans" / "c.png", identities=Identities.public(), card=card())
    assert not list(reader)
    assert reader.quarantine[["path", "code"]].to_numpy().tolist() == [
        ["scans/c.png", "RASTER_UNNAMED"]
    ]


def test_a_picture_of_no_set_is_refused_under_a_card(tmp_path: Path) -> None:
    Image.fromarray(GREYS).save(tmp_path / "a.png")
    with pytest.raises(InvalidTableError, match="--modality") as caught:
        read_images(tmp_path / "a.png", identities=Identities.public(), card=card())
    assert caught.value.code == "CARD_TABLE_MISSING"


def test_prefix_and_extension_of_image_names(tmp_path: Path) -> None:
    """Also where the file's extension is in capitals, or the name has backslashes."""
    source = write_table(
        tmp_path / "in", "a,pos,p1,s1,,,", "b.png,neg,p2,s1,,,", "sub\\c,,p3,s1,,,"
    )
    (source / "scans" / "sub").mkdir(parents=True)
    (source / "a.png").rename(source / "scans" / "a.PNG")
    (source / "b.png").rename(source / "scans" / "b.png")
    (source / "c.png").rename(source / "scans" / "sub" / "c.png")
    result = ingest(source, tmp_path / "out", card=card(prefix="scans/", extension="png"))
    assert sorted(result.manifest["patient_id"]) == ["p1", "p2", "p3"]


def test_pictures_without_a_patient_are_one_each(tmp_path: Path) -> None:
    """Folders of classes number their pictures alike, and those are not of one patient."""
    source = write_table(
        tmp_path / "in", "x/a.png,pos,,,,,", "y/a.png,neg,,,,,", "y/b.png,neg,,,,,"
    )
    for name in ("x/a", "y/a", "y/b"):
        (source / name).parent.mkdir(exist_ok=True)
        Image.fromarray(GREYS + len(name) + ord(name[0])).save(source / f"{name}.png")
    result = ingest(source, tmp_path / "out", card=card(patient=None, group=None))
    assert sorted(result.manifest["patient_id"]) == ["b", "x/a", "y/a"]
    receipt = (result.store / "receipts" / f"{result.manifest['image_id'][0]}.json").read_text()
    assert "the picture's name, since the card names none" in receipt


@pytest.mark.parametrize(
    ("said", "modality", "kind"),
    [("CXR", "DX", "radiograph"), ("cr", "CR", "radiograph"), ("CT", "CT", "slice")],
)
def test_pictures_without_a_card_are_what_the_user_says(
    tmp_path: Path, said: str, modality: str, kind: str
) -> None:
    """Also beside other images, since they were spoken of."""
    source = write_table(tmp_path / "in")
    shutil.copy(get_testdata_file("CT_small.dcm"), source / "ct.dcm")
    result = ingest(source, tmp_path / "out", rules=Rules(pictures=said))
    pictures = result.manifest[result.manifest["source_format"] == "png"]
    assert len(pictures) == 3
    assert set(pictures["modality"]) == {modality} and set(pictures["kind"]) == {kind}
    notes = (result.store / "receipts" / f"{pictures['image_id'].iloc[0]}.json").read_text()
    assert f"Its modality, {modality}, is what the user said." in notes
    with pytest.raises(CovidxError, match="MODALITY_UNKNOWN"):
        Rules(pictures="MR")
