"""The folder of a cohort: same bytes, whole tables, refusals."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from covidx.errors import CovidxError
from covidx.phantom import CLASSES, generate_cohort

from .conftest import PATIENTS, SEED, Read


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_same_seed_same_bytes_for_any_number_of_workers(cohort: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    again = generate_cohort(
        tmp_path / "again", PATIENTS, SEED, workers=1, progress=lambda *c: calls.append(c)
    )
    assert _digests(again) == _digests(cohort)
    assert calls == [(i + 1, PATIENTS) for i in range(PATIENTS)]


def test_a_finished_cohort_is_kept(cohort: Path) -> None:
    before = cohort.stat().st_mtime_ns
    assert generate_cohort(cohort, PATIENTS, SEED) == cohort
    assert cohort.stat().st_mtime_ns == before


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_a_foreign_folder_is_refused_and_left_alone(seed: int, cohort: Path) -> None:
    with pytest.raises(CovidxError) as error:
        generate_cohort(cohort, PATIENTS + 1, seed)
    assert error.value.code == "OUTPUT_NOT_EMPTY"
    assert (cohort / "phantom.json").exists()


@pytest.mark.parametrize(("patients", "seed"), [(0, 1), (3, -1)])
def test_numbers_out_of_range_are_refused(patients: int, seed: int, tmp_path: Path) -> None:
    with pytest.raises(CovidxError):
        generate_cohort(tmp_path / "out", patients, seed)
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_cohort(tmp_path / "out", 2, 1, workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_tables_hold_each_patient_once(cohort: Path) -> None:
    tables = {n: pd.read_csv(cohort / f"{n}.csv") for n in ("labels", "clinical", "truth")}
    for table in tables.values():
        assert len(table) == table["patient_id"].nunique() == PATIENTS
    assert set(tables["labels"]["label"]) == set(CLASSES)
    assert set(tables["truth"]["landmark_side"]) == {"left"}


def test_slice_truth_is_what_the_masks_say(cohort: Path, studies: dict[str, Read]) -> None:
    slices = pd.read_csv(cohort / "slices.csv").groupby("patient_id")
    truth = pd.read_csv(cohort / "truth.csv").set_index("patient_id")
    for name, read in studies.items():
        rows = slices.get_group(name).set_index("sop_instance_uid")
        rows = rows.loc[[str(d.SOPInstanceUID) for d in read.series]]
        assert len(rows) == len(slices.get_group(name))
        for kind in ("lung", "lesion"):
            image = nib.load(cohort / "masks" / f"{name}_{kind}.nii.gz")
            ml = np.count_nonzero(np.asarray(image.dataobj), axis=(0, 1))
            ml = ml * abs(np.linalg.det(image.affine[:3, :3])) / 1000.0
            np.testing.assert_allclose(rows[f"{kind}_ml"], ml, atol=0.01)
        normal = truth.loc[name, "finding"] == "normal"
        assert normal == (rows["abnormal"].sum() == 0) == (truth.loc[name, "laterality"] == "none")
        first = read.series[0]
        row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
        along = np.dot(first.ImagePositionPatient, np.cross(row, column))
        assert rows["position_mm"].iloc[0] == pytest.approx(along, abs=0.01)
