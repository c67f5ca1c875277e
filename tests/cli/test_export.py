"""covidx export, as a shell would call it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

import covidx as library
from benchmarks.series import SERIES, write
from tests.cli.conftest import Call

BY = ("--algorithm", "made-up network", "--algorithm-version", "0.1")


@pytest.fixture(autouse=True)
def _a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVIDX_KEY", str(tmp_path / "secret" / "key"))


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write(SERIES["coronal"], tmp_path / "series")


def nifti(series: Path, out: Path, values: tuple[float, ...], dtype: type = np.uint8) -> Path:
    """A mask of the series with some values in a row."""
    volume = library.read_series(series)
    mask = np.zeros(volume.array.shape, dtype)
    mask[4, 6, 2 : 2 + len(values)] = values
    nib.save(nib.Nifti1Image(mask.transpose(2, 1, 0), volume.affine), out)
    return out


def test_a_mask_to_seg_and_report(covidx: Call, series: Path, tmp_path: Path) -> None:
    mask = nifti(series, tmp_path / "m.nii.gz", (1, 2, 2))
    named = ("--segment", "1=right-lung", "--segment", "2=opacity", "--mode", "original")
    seg = tmp_path / "seg.dcm"
    answer = covidx("export", "seg", mask, *named, "--series", series, "--out", seg, *BY)
    assert answer.code == 0, answer.err
    assert answer.out.strip() == f"2 segments, 14 slices, original: {seg}"
    ds = dcmread(seg)
    assert [item.SegmentLabel for item in ds.SegmentSequence] == ["Right lung", "Opacity"]
    assert (ds.SegmentationType, ds.PatientID, int(ds.pixel_array.sum())) == ("BINARY", "SERIES", 3)
    table = tmp_path / "measures.csv"
    table.write_text(
        "segment,name,value,unit,code\n"
        "opacity,share,0.5,,\n"
        ",ct-severity-score,3,,\n"
        "opacity,mean HU,-600,[hnsf'U],DCM:112031:Attenuation Coefficient\n"
    )
    report = tmp_path / "sr.dcm"
    answer = covidx("export", "sr", seg, "--measures", table, "--out", report)
    assert answer.code == 0, answer.err
    text = str(dcmread(report))
    for part in ("Share of lung volume", "CT severity score", "Attenuation Coefficient", "-600"):
        assert part in text


def test_probabilities_to_a_fractional_seg_and_a_map(
    covidx: Call, series: Path, tmp_path: Path
) -> None:
    likely = nifti(series, tmp_path / "p.nii.gz", (0.2, 1.0), np.float32)
    rest = ("--series", series, "--mode", "pseudonymous", *BY)
    out, one = tmp_path / "f.dcm", ("--segment", "1=opacity", "--fractional")
    answer = covidx("export", "seg", likely, *one, *rest, "--out", out)
    assert answer.code == 0, answer.err
    ds = dcmread(out)
    assert sorted(np.unique(ds.pixel_array)) == [0, 51, 255]
    assert ds.PatientID.startswith("P-")
    answer = covidx("export", "map", likely, "--of", "opacity", *rest, "--out", tmp_path / "m.dcm")
    assert answer.code == 0, answer.err
    assert dcmread(tmp_path / "m.dcm").pixel_array.max() == 1


def test_a_heatmap_to_a_map_and_pictures(covidx: Call, series: Path, tmp_path: Path) -> None:
    heat = nifti(series, tmp_path / "h.nii.gz", (0.5, 3.0), np.float32)
    rest = ("export", "heatmap", heat, "--of", "covid-19", "--series", series, *BY)
    rest = (*rest, "--mode", "pseudonymous")
    answer = covidx(*rest)
    assert (answer.code, "[OUTPUT_UNNAMED]" in answer.err) == (2, True)
    out, pictures = tmp_path / "m.dcm", tmp_path / "pictures"
    answer = covidx(*rest, "--out", out, "--captures", pictures)
    assert answer.code == 0, answer.err
    assert f"1 picture, pseudonymous: {pictures}" in answer.out
    assert dcmread(out).pixel_array.max() == 3
    assert [path.name for path in pictures.iterdir()] == ["0005.dcm"]
    answer = covidx(*rest, "--captures", pictures)
    assert (answer.code, "[FOLDER_TAKEN]" in answer.err) == (2, True)


def test_a_mask_on_the_scanner_s_grid(covidx: Call, series: Path, tmp_path: Path) -> None:
    mask = nifti(series, tmp_path / "m.nii.gz", (1,))
    turned = nib.as_closest_canonical(nib.load(mask))
    nib.save(turned, tmp_path / "t.nii.gz")
    out = tmp_path / "o.nii.gz"
    answer = covidx("export", "nifti", tmp_path / "t.nii.gz", "--series", series, "--out", out)
    assert answer.code == 0, answer.err
    one, other = nib.load(mask), nib.load(out)
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-4)
    assert not (tmp_path / "secret").exists()


def test_what_cannot_be_exported(covidx: Call, series: Path, tmp_path: Path) -> None:
    mask = nifti(series, tmp_path / "m.nii.gz", (1, 2))
    rest = ("--series", series, "--out", tmp_path / "o.dcm", *BY)
    whole = ("export", "seg", mask, *rest, "--mode", "original")
    for given, code in (
        (("--segment", "1"), "SEGMENT_FORM"),
        (("--segment", "0=lung"), "SEGMENT_FORM"),
        (("--segment", "1=lung", "--segment", "1=opacity"), "SEGMENT_FORM"),
        (("--segment", "2=lung", "--fractional"), "SEGMENT_FORM"),
        (("--segment", "1=lung"), "SEGMENTS_UNNAMED"),
        (("--segment", "1=covid", "--segment", "2=lung"), "FINDING_UNKNOWN"),
    ):
        answer = covidx(*whole, *given)
        assert (answer.code, f"[{code}]" in answer.err) == (2, True), answer.err
    assert covidx("export", "seg", mask, *rest, "--segment", "1=lung").code == 2  # no mode
    assert not (tmp_path / "o.dcm").exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name,value\nvolume,1\n", "COLUMNS_MISSING"),
        ("segment,name,value\nopacity,volume,much\n", "MEASURE_FORM"),
        ("segment,name,value,unit,code\nopacity,x,1,1,DCM:1\n", "MEASURE_FORM"),
        ("segment,name,value\nlung,volume,1\n", "MEASURE_SEGMENT"),
        ("segment,name,value\nopacity,length,1\n", "MEASURE_UNKNOWN"),
    ],
)
def test_measures_that_do_not_fit(
    text: str, code: str, covidx: Call, series: Path, tmp_path: Path
) -> None:
    mask = nifti(series, tmp_path / "m.nii.gz", (1,))
    seg, table = tmp_path / "seg.dcm", tmp_path / "measures.csv"
    rest = ("--series", series, "--out", seg, "--mode", "original", *BY)
    assert covidx("export", "seg", mask, "--segment", "1=opacity", *rest).code == 0
    table.write_text(text)
    answer = covidx("export", "sr", seg, "--measures", table, "--out", tmp_path / "sr.dcm")
    assert (answer.code, f"[{code}]" in answer.err) == (2, True), answer.err
