"""Patients before any pixel: mix, balance, independence, place of lesions."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from covidx.phantom import Patient, draw_patient, patient, render
from covidx.phantom.dicom import write_study

NORMAL = "normal"


@pytest.fixture(scope="module")
def many() -> list[Patient]:
    return [draw_patient(5, i) for i in range(600)]


def test_class_mix_is_exact_and_scanner_independent_of_class(many: list[Patient]) -> None:
    labels = Counter(p.label for p in many)
    assert labels == {"covid-19": 270, "other-pneumonia": 180, "normal": 150}
    cells = Counter((p.label, p.scanner) for p in many)
    assert all(cells[label, key] == labels[label] / 3 for label, key in cells)


def test_age_and_sex_do_not_tell_the_class(many: list[Patient]) -> None:
    classes = sorted({p.label for p in many})
    ages = [[p.age for p in many if p.label == c] for c in classes]
    table = [[sum(p.label == c and p.sex == s for p in many) for s in "FM"] for c in classes]
    assert stats.kruskal(*ages).pvalue > 0.001
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_one_in_ten_pcr_positives_has_a_normal_ct(many: list[Patient]) -> None:
    share = np.mean([p.normal_ct for p in many if p.label == "covid-19"])
    assert 0.06 < share < 0.15
    assert all(p.normal_ct for p in many if p.label == "normal")
    assert not any(p.normal_ct for p in many if p.label == "other-pneumonia")


def test_a_normal_ct_is_the_same_whatever_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a network could find PCR-positives with a normal CT, or shun them, by a trace of it."""
    numbers = (n for n in range(400) if (p := draw_patient(11, n)).normal_ct and p.label != NORMAL)
    ill = draw_patient(11, next(numbers))
    monkeypatch.setattr(patient, "_block", lambda seed, block: ((NORMAL, ill.scanner),) * 20)
    healthy = draw_patient(11, ill.index)
    assert healthy.label == NORMAL and healthy.clinical != ill.clinical
    assert replace(healthy, label=ill.label, clinical=ill.clinical) == ill
    written = []
    for name, one in (("ill", ill), ("healthy", healthy)):
        write_study(one, render(one), tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert len(written[0]) > 36 and written[0] == written[1]


def test_both_diseases_draw_amount_and_density_from_one_distribution(many: list[Patient]) -> None:
    ill = [p for p in many if not p.normal_ct]
    for name in ("lung_share", "ground_glass_hu", "consolidation_hu", "consolidation_share"):
        groups = [
            [getattr(p.disease, name) for p in ill if (p.label == "covid-19") == c] for c in (0, 1)
        ]
        assert stats.ks_2samp(*groups).pvalue > 0.001, name


def test_a_patient_does_not_depend_on_the_size_of_the_cohort() -> None:
    assert draw_patient(3, 17) == draw_patient(3, 17)
    assert draw_patient(3, 17) != draw_patient(4, 17)


def _place(patient: Patient) -> tuple[float, float, float]:
    """Shares of lesion volume behind the lungs' middle, within 25 mm of the ribs, lesser side."""
    scan = render(patient)
    ill = (scan.lesion == 1) | (scan.lesion == 2)
    y = np.broadcast_to(scan.grid.y, ill.shape)
    back = float(np.mean(y[ill] > np.median(y[scan.lung > 0])))
    rim = float(np.mean(scan.cage_mm[ill] < 25.0))
    right = float(np.mean(scan.lung[ill] == 1))
    return back, rim, min(right, 1.0 - right)


def test_covid_is_bilateral_posterior_peripheral_and_other_pneumonia_is_not(
    many: list[Patient],
) -> None:
    ill = [p for p in many[:80] if not p.normal_ct]
    covid = np.array([_place(p) for p in ill if p.label == "covid-19"][:10])
    other = np.array([_place(p) for p in ill if p.label != "covid-19"][:10])
    assert np.mean(covid[:, 2] >= 0.1) >= 0.6 > 0.5 >= np.mean(other[:, 2] >= 0.1)
    assert covid[:, 0].mean() > 0.65
    assert covid[:, 1].mean() > other[:, 1].mean() + 0.1


def test_effusion_is_no_lung_and_lesions_lie_in_the_lungs(many: list[Patient]) -> None:
    patient = next(p for p in many if p.disease.effusion_ml)
    scan = render(patient)
    assert np.all(scan.lung[scan.lesion == 3] == 0)
    assert np.all(scan.lung[(scan.lesion == 1) | (scan.lesion == 2)] > 0)
    volume = np.count_nonzero(scan.lesion == 3) * scan.grid.voxel_ml
    assert volume == pytest.approx(patient.disease.effusion_ml, rel=0.25)
