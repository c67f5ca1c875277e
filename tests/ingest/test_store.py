"""The ingest verb: accounts, errors, idempotence, workers, and reading back."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from covidx.errors import CovidxError, StoreError
from covidx.files import locked
from covidx.ingest import Identities, IngestResult, ingest, load_image, pool, read_images
from covidx.tables import MANIFEST, QUARANTINE, read_table

from .conftest import plane, save, write_series


def code_of(error: pytest.ExceptionInfo[CovidxError]) -> str:
    return error.value.code


def study(root: Path, number: int) -> None:
    """A CT, a localizer and a note."""
    uids = {"StudyInstanceUID": f"1.2.{number}", "PatientID": f"p{number}"}
    write_series(root / f"s{number}", SeriesInstanceUID=f"1.2.{number}.1", **uids)
    scout = plane(
        0,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        SeriesInstanceUID=f"1.2.{number}.2",
        **uids,
    )
    save(scout, root / f"s{number}" / "scout.dcm", np.zeros((4, 4), np.uint16))
    (root / f"s{number}" / "Thumbs.db").write_bytes(b"thumbs")


def same(one: Path, other: Path) -> bool:
    names = sorted(str(p.relative_to(one)) for p in one.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(other)) for p in other.rglob("*") if p.is_file())
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    study(tmp_path / "in", 2)
    broken = tmp_path / "in" / "s2" / "broken"
    broken.write_bytes((tmp_path / "in/s2/scout.dcm").read_bytes()[:-20])
    result = ingest(tmp_path / "in", tmp_path / "out")
    assert (result.files_seen, result.accepted_files) == (21, 16)
    assert (result.set_aside, result.quarantined) == (5, 0)  # pixels of a scout are never read
    assert result.reasons == {"LOCALIZER": 3, "NOT_AN_IMAGE": 2}
    out = tmp_path / "out"
    assert len(read_table(out / "manifest.parquet", MANIFEST)) == 2
    assert len(read_table(out / "quarantine.parquet", QUARANTINE)) == 5
    account = json.loads((out / "ingest.json").read_text())
    assert account["files_seen"] == 21
    assert account["reasons"] == result.reasons


def test_a_result_that_does_not_add_up_cannot_be_built(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    r = ingest(tmp_path / "in", tmp_path / "out")
    with pytest.raises(StoreError, match="FILES_UNACCOUNTED"):
        IngestResult(r.store, r.manifest, r.quarantine, r.files_seen + 1, 8, 2, 0)


def test_manifest_and_receipt_of_a_series(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    result = ingest(tmp_path / "in", tmp_path / "out")
    row = result.manifest.iloc[0]
    assert row["modality"] == "CT" and row["kind"] == "volume" and row["units"] == "hu"
    assert (row["n_slices"], row["n_files"], row["rows"], row["columns"]) == (8, 8, 12, 10)
    assert (row["slice_spacing_mm"], row["pixel_spacing_mm"], row["age"]) == (5, 0.5, 62)
    assert row["group_id"] == row["patient_id"] == Identities.keyed().patient("MRN-4711")
    receipt = json.loads((tmp_path / "out/receipts" / f"{row['image_id']}.json").read_text())
    assert len(receipt["instances"]) == 8
    assert receipt["instances"][0] == Identities.keyed().uid("1.2.3.1.2.1")
    assert receipt["affine"][2] == [0, 0, 5, 100]
    assert receipt["units_from"] == "RescaleType is HU"


def test_what_is_read_back_is_what_was_read(tmp_path: Path) -> None:
    """`predict` reads files, evaluation reads the store: both must see the same numbers."""
    write_series(tmp_path / "in", PixelSpacing=[0.7031, 0.7031])
    result = ingest(tmp_path / "in", tmp_path / "out")
    back = load_image(result.store, result.manifest.iloc[0])
    [image] = read_images(tmp_path / "in", identities=Identities.keyed())
    np.testing.assert_array_equal(back.array, image.volume.array)
    np.testing.assert_array_equal(back.affine, image.volume.affine)
    assert back.array.dtype == image.volume.array.dtype
    assert (back.modality, back.units, back.geometry) == ("CT", "hu", "proven")
    assert image.fields["image_id"] == result.manifest["image_id"].iloc[0]


def test_receipts_and_nifti_files_say_the_same_of_the_place(tmp_path: Path) -> None:
    """Single slices of any orientation and depth, a tilt, a radiograph, files without a place."""
    source = tmp_path / "in"
    thin = {"SliceThickness": None, "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    for number, changes in enumerate(({}, {"SliceThickness": None}, thin)):
        uids = {"StudyInstanceUID": f"1.2.{number}", "SeriesInstanceUID": f"1.2.{number}.1"}
        write_series(source / f"single{number}", 1, **uids, **changes)
    tilted = {"ImagePositionPatient": lambda k: [-10, -20 + 2 * k, 100 + 5 * k]}
    uids = {"StudyInstanceUID": "1.2.8", "SeriesInstanceUID": "1.2.8.1"}
    write_series(source / "tilted", **uids, **tilted)
    film = plane(0, Modality="DX", StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1")
    save(film, source / "film", np.arange(120, dtype=np.uint16).reshape(12, 10))
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.Nifti1Image(values, None), source / "nowhere.nii")
    result = ingest(source, tmp_path / "out")
    assert len(result.manifest) == 6
    placed = 0
    for row in result.manifest.to_dict("records"):
        receipt = json.loads((result.store / f"receipts/{row['image_id']}.json").read_text())
        image = nib.load(result.store / row["path"])
        for form, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
            if row["geometry"] == "proven":
                assert code == 1  # NIFTI_XFORM_SCANNER_ANAT
                np.testing.assert_allclose(form, receipt["affine"], atol=1e-4)
            else:
                assert receipt["affine"] is None and code == 0
        placed += row["geometry"] == "proven"
        spacing = receipt["spacing_mm"]
        np.testing.assert_allclose(image.header.get_zooms()[::-1], spacing, rtol=1e-6)
    assert placed == 4
    # By hand, of the sagittal slice: LPS+ (-10, -20, 100) is RAS+ (10, 20, 100); columns run to the
    # back, rows to the feet; 0.5 mm between rows, 0.75 mm between columns, 1 mm by convention.
    [image] = read_images(source / "single2", identities=Identities.public())
    np.testing.assert_array_equal(
        image.volume.affine, [[0, 0, 1, 10], [-0.75, 0, 0, 20], [0, -0.5, 0, 100], [0, 0, 0, 1]]
    )
    assert "depth of 1 mm is a convention" in image.receipt.geometry_from
    assert image.fields["slice_thickness_mm"] is None


def test_a_changed_image_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    result = ingest(tmp_path / "in", tmp_path / "out")
    row = result.manifest.iloc[0]
    path = result.store / row["path"]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(StoreError, match="IMAGE_CHANGED"):
        load_image(result.store, row)
    path.unlink()
    with pytest.raises(StoreError, match="IMAGE_MISSING"):
        load_image(result.store, row)


def test_a_second_run_changes_nothing_and_a_changed_source_leaves_no_strays(
    tmp_path: Path,
) -> None:
    study(tmp_path / "in", 1)
    study(tmp_path / "in", 2)
    first = ingest(tmp_path / "in", tmp_path / "out")
    before = {p: p.read_bytes() for p in tmp_path.joinpath("out").rglob("*") if p.is_file()}
    ingest(tmp_path / "in", tmp_path / "out")
    assert before == {p: p.read_bytes() for p in first.store.rglob("*") if p.is_file()}
    for path in (tmp_path / "in" / "s2").iterdir():
        path.unlink()
    ingest(tmp_path / "in", tmp_path / "out")
    assert len(list((first.store / "images").iterdir())) == 1
    assert len(list((first.store / "receipts").iterdir())) == 1


def test_workers_give_the_same_bytes(tmp_path: Path) -> None:
    for number in range(3):
        study(tmp_path / "in", number)
    heard: list[tuple[str, int, int]] = []
    ingest(tmp_path / "in", tmp_path / "one", workers=1)
    ingest(tmp_path / "in", tmp_path / "two", workers=2, progress=lambda *args: heard.append(args))
    assert same(tmp_path / "one", tmp_path / "two")
    assert heard == [("scan", 30, 30), ("read", 1, 3), ("read", 2, 3), ("read", 3, 3)]


def test_many_files_are_read_by_all_cores_unless_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    for workers, files, alone in ((None, 1000, True), (None, 1001, False), (1, 5000, True)):
        with pool.team_of(workers, files) as team:
            assert (team is map) == alone
    with pool.team_of(2, 3) as team:
        assert team is not map


def test_names_of_files_do_not_matter(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    one = ingest(tmp_path / "in", tmp_path / "one")
    for i, path in enumerate(sorted((tmp_path / "in").rglob("*"), reverse=True)):
        if path.is_file():
            path.rename(path.with_name(f"x{i}"))
    two = ingest(tmp_path / "in", tmp_path / "two")
    assert one.manifest.equals(two.manifest)


def test_source_missing_or_empty(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(CovidxError) as caught:
        ingest(tmp_path / "in", tmp_path / "out")
    assert code_of(caught) == "SOURCE_EMPTY"
    with pytest.raises(CovidxError) as caught:
        ingest(tmp_path / "nowhere", tmp_path / "out")
    assert code_of(caught) == "SOURCE_MISSING"
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("no image")
    (tmp_path / "in" / "b.doc").write_text("")
    with pytest.raises(CovidxError, match="NOT_AN_IMAGE: 2") as caught:
        ingest(tmp_path / "in", tmp_path / "out")
    assert code_of(caught) == "NO_IMAGES"
    assert len(read_table(tmp_path / "out/quarantine.parquet", QUARANTINE)) == 2


def test_a_truncated_file_stops_nothing(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    paths = write_series(tmp_path / "in/s3", StudyInstanceUID="1.3", SeriesInstanceUID="1.3.1")
    paths[3].write_bytes(paths[3].read_bytes()[:-30])
    result = ingest(tmp_path / "in", tmp_path / "out")
    assert len(result.manifest) == 1
    assert result.reasons.items() >= {"PIXELS_UNREADABLE": 1, "SERIES_INCOMPLETE": 7}.items()
    sound = result.quarantine.set_index("code").loc["SERIES_INCOMPLETE"]
    assert sound["reason"].str.contains("another file was refused as PIXELS_UNREADABLE").all()


def test_a_file_cut_before_its_size_is_quarantined_not_set_aside(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    paths = write_series(tmp_path / "in/s3", StudyInstanceUID="1.3", SeriesInstanceUID="1.3.1")
    whole = paths[3].read_bytes()
    rows = whole.index(b"\x28\x00\x10\x00")  # tag (0028,0010), little endian
    paths[3].write_bytes(whole[:rows])
    result = ingest(tmp_path / "in", tmp_path / "out")
    assert result.reasons.items() >= {"HEADER_INCOMPLETE": 1, "SLICE_MISSING": 7}.items()
    assert result.quarantined == 8


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError) as caught:
        ingest(tmp_path / "in", tmp_path / "file" / "out")
    assert code_of(caught) == "UNWRITABLE"


def test_output_inside_the_source(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    with pytest.raises(CovidxError) as caught:
        ingest(tmp_path / "in", tmp_path / "in" / "out")
    assert code_of(caught) == "OUTPUT_IN_SOURCE"


def test_two_runs_into_one_folder(tmp_path: Path) -> None:
    study(tmp_path / "in", 1)
    with locked(tmp_path / "out"), pytest.raises(StoreError) as caught:
        ingest(tmp_path / "in", tmp_path / "out")
    assert code_of(caught) == "IN_USE"


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    [path] = write_series(tmp_path / "in", 1)
    assert ingest(path, tmp_path / "out").manifest["kind"].tolist() == ["slice"]
