"""Radiographs without a chest: how many are marked, and how many real chests are marked wrongly.

What a chest looks like is learnt as ``covidx train cxr`` learns it, on DarkCovidNet's training
patients, the limit on its validation patients; no header is read. Other hospitals' frontal
radiographs are Hannover's and those of covid-chestxray that DarkCovidNet does not hold.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
from numpy.typing import NDArray

from benchmarks.results import RESULTS, record, result_of
from covidx.chest_view import ChestView, chest_view
from covidx.cohort import thumbnail
from covidx.evaluate import Clusters, Estimate, wilson_estimate
from covidx.evaluate.decisions import share
from covidx.evaluate.deferred import compute

COMMAND = "python -m benchmarks chest"
FRONTAL = ("PA", "AP", "AP Supine", "AP Erect")
OF_CHESTS = ("chest", "covid", "cxr", "RG1")
"""What the names of files with a chest begin with or hold; all others show none from the front."""
Pictures = list[NDArray[np.uint8]]


def chest(data: Path, results: Path = RESULTS) -> None:
    """Record ``chest_refusal_false_rate`` and ``non_chest_refused``.

    Parameters
    ----------
    data : Path
        The public data.
    results : Path
        The file of results.
    """
    view = _trained(data / "darkcovidnet")
    chests = pd.concat([_hannover(data / "hannover"), _cohen(data)], ignore_index=True)
    marked = np.array([view.likeness(one) < view.lowest for one in chests["picture"]])
    rates = {name: float(marked[(chests["set"] == name).to_numpy()].mean()) for name in
             ("hannover", "covid-chestxray")}  # fmt: skip
    others = _without_chest(data / "dicom")
    found = [view.likeness(one) < view.lowest for one in others.values()]
    left = [name for name, one in zip(others, found, strict=True) if not one]
    of = f"{view.images} training and {view.calibrated_on} validation radiographs of DarkCovidNet"
    by_set = ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items())
    n = chests["patient"].nunique()
    false = _by_patient(marked, chests["patient"].to_numpy(np.str_))
    record(
        {
            "chest_refusal_false_rate": result_of(
                false, f"{by_set}; {n} patients; limit {view.lowest:.2f} by {of}", COMMAND
            ),
            "non_chest_refused": result_of(
                wilson_estimate(sum(found), len(found), "no picture"),
                f"the same limit, by the picture alone; one a series; kept: {', '.join(left)}",
                COMMAND,
            ),
        },
        results,
    )


def _by_patient(marked: NDArray[np.bool_], patients: NDArray[np.str_]) -> Estimate:
    """Share of images, with an interval over patients."""
    clusters = Clusters.of(patients)
    everyone = np.ones(len(marked), np.bool_)
    shares = share(marked, everyone, clusters, "no image")
    return compute({"share": shares["share"]}, clusters, seed=0, resamples=2000)["share"]


def _trained(folder: Path) -> ChestView:
    table = pd.read_csv(folder / "images.csv")
    patients = np.array(sorted(table["patient_id"].unique()))
    roles = np.random.default_rng(0).choice(3, len(patients), p=[0.6, 0.2, 0.2])
    role = table["patient_id"].map(dict(zip(patients, roles, strict=True)))
    train, validation = (
        [_picture(folder / name) for name in table.loc[role == number, "image"]]
        for number in (0, 1)
    )
    found = chest_view(train, validation)
    assert found is not None
    return found


def _hannover(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "data.csv")
    pictures = [_picture(folder / name) for name in table["image"]]
    return pd.DataFrame({"set": "hannover", "patient": table["patient_id"], "picture": pictures})


def _cohen(data: Path) -> pd.DataFrame:
    """Frontal radiographs of covid-chestxray whose file DarkCovidNet does not hold."""
    table = pd.read_csv(data / "covid-chestxray" / "metadata.csv")
    known = {Path(name).stem for name in pd.read_csv(data / "darkcovidnet/images.csv")["image"]}
    table = table[(table["modality"] == "X-ray") & table["view"].isin(FRONTAL)]
    here = [
        (data / "covid-chestxray" / str(name)).is_file() and Path(str(name)).stem not in known
        for name in table["image"]
    ]
    table = table[here].drop_duplicates("image")
    pictures = [_picture(data / "covid-chestxray" / name) for name in table["image"]]
    patients = "cohen " + table["patientid"].astype(str)
    return pd.DataFrame({"set": "covid-chestxray", "patient": patients, "picture": pictures})


def _without_chest(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """One picture a series (of single files, each): limbs, heads, abdomens, animals, texts."""
    found: dict[str, NDArray[np.uint8]] = {}
    done: set[Path] = set()
    for path in sorted(folder.rglob("*.dcm")):
        name = path.relative_to(folder)
        series = path if path.parent.name == "pydicom" else path.parent
        if series in done or any(word in part for part in name.parts for word in OF_CHESTS):
            continue
        try:
            header = pydicom.dcmread(path, force=True)
            greys = np.asarray(header.pixel_array)
        except Exception:  # noqa: S112 - a broken or foreign file: what cannot be decoded is no picture
            continue
        if greys.ndim == 3 and greys.shape[-1] == 3:
            greys = greys.mean(axis=-1)
        greys = greys[len(greys) // 2] if greys.ndim == 3 else greys
        if greys.ndim != 2 or min(greys.shape) < 64:
            continue
        if header.get("PhotometricInterpretation") == "MONOCHROME1":
            greys = greys.max() - greys
        done.add(series)
        found[str(name)] = thumbnail(greys)
    return found


def _picture(path: Path) -> NDArray[np.uint8]:
    return thumbnail(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
