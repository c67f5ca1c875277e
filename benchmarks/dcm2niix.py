"""Every series that covidx and dcm2niix both convert: are the voxels and their places the same?"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless
from scipy import ndimage

from benchmarks.series import LANDMARK, SERIES, legacy_converted, write
from covidx.constants import AIR_HU
from covidx.ingest import Identities, ReadImage, Rules, read_images
from covidx.phantom import generate_cohort

OPTIONS = ("-z", "n", "-b", "n", "-p", "n", "-f", "%s_%t")
"""Uncompressed, no sidecar; Philips's values by the rescale of DICOM, not by private attributes."""
SAME_MM = 1e-3
BALL = 1800
"""Above it lies the ball of `benchmarks.series` alone, in stored values."""
PATIENTS = 4
"""Of the phantom: enough for each of its scanners."""
UNEVEN = ("failing/sliceincrement/001", "failing/sliceincrement/002")

Nifti = Any
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A folder that holds one or more series; `resample` asks covidx to interpolate."""

    name: str
    folder: Path
    resample: bool = False


@dataclass
class Compared:
    """What both made of a folder.

    Attributes
    ----------
    ours, theirs : str
        Volumes by shape (columns x rows x slices), or why there is none.
    equal, volumes : int
        Volumes as measured with equal voxels and places, of those that both converted.
    affine_mm : list of float
        For each of these, how far apart a corner lies by the two affines.
    padding : bool
        Equal but for padding, which covidx sets to air.
    apart : list of float
        Of volumes that both interpolated, how far apart a landmark lies, in voxels.
    truth : list of (float, float)
        Where the place of the landmark is known: how far from it each has it, in voxels.
    """

    name: str
    ours: str = ""
    theirs: str = ""
    equal: int = 0
    volumes: int = 0
    affine_mm: list[float] = field(default_factory=list)
    padding: bool = False
    apart: list[float] = field(default_factory=list)
    truth: list[tuple[float, float]] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """What stands in the table."""
        if self.volumes:
            aside = ", padding aside" if self.padding else ""
            return f"equal{aside}" if self.equal == self.volumes else "differs"
        if self.apart:
            return "within a voxel" if max(self.apart) <= 1 else "differs"
        return "one alone"


def version(tool: str) -> str:
    """What dcm2niix calls itself."""
    printed = subprocess.run([tool, "-v"], capture_output=True, text=True, check=False).stdout
    return printed.strip().splitlines()[-1]


def cases(data: Path | None, work: Path, patients: int = PATIENTS) -> Iterator[Case]:
    """Every series of the shared data, of `benchmarks.series`, and phantom studies.

    Parameters
    ----------
    data : Path, optional
        The folder ``dicom`` of the shared data.
    work : Path
        An empty folder for what is made here.
    patients : int
        Of the phantom.
    """
    if data is not None:
        yield from _shared(data, work)
    for name, series in SERIES.items():
        yield (case := Case(f"made/{name}", write(series, work / "made" / name)))
        if name in ("uneven", "missing-slice"):
            yield Case(f"{case.name}, resampled", case.folder, resample=True)
    yield Case("made/legacy-multiframe", legacy_converted(work / "made" / "axial", work / "legacy"))
    if patients:
        root = generate_cohort(work / "phantom", patients, 11, workers=1)
        for index, folder in enumerate(sorted((root / "dicom").iterdir()), start=1):
            ls = any(
                dcmread(p).file_meta.TransferSyntaxUID == JPEGLSLossless for p in folder.iterdir()
            )
            yield Case(f"phantom/{index}{', jpeg-ls' if ls else ''}", folder)


def _shared(data: Path, work: Path) -> Iterator[Case]:
    folders = sorted({p.parent for p in data.rglob("*") if p.is_file() and ".nii" not in p.name})
    for folder in folders:
        name = folder.relative_to(data).as_posix()
        if name != "pydicom":
            yield Case(name, folder)
            if name.endswith(UNEVEN):
                yield Case(f"{name}, resampled", folder, resample=True)
            continue
        for path in sorted(folder.iterdir()):
            yield Case(f"{name}/{path.name}", _copies(work / "single" / path.name, [path]))
    tilted = data / "ge-head-ct-tilt"
    if tilted.is_dir():  # two scans in one series, which dcm2niix joins: here each by itself
        thick = {p: dcmread(p, stop_before_pixels=True).SliceThickness for p in tilted.iterdir()}
        for mm in sorted(set(thick.values())):
            paths = [path for path, one in thick.items() if one == mm]
            yield Case(f"ge-head-ct-tilt, {mm:g} mm alone", _copies(work / f"ge-{mm:g}", paths))


def _copies(folder: Path, paths: Sequence[Path]) -> Path:
    folder.mkdir(parents=True)
    for path in paths:
        shutil.copy(path, folder)
    return folder


def compare(case: Case, tool: str, work: Path) -> Compared:
    """Convert a folder with both, pair the volumes and compare each pair."""
    rules = Rules(all_series=True, resample=case.resample)
    reader = read_images(case.folder, identities=Identities.public(), rules=rules)
    read = list(reader)
    images = [image for image in read if image.volume.modality in ("CT", "MR")]
    films = len(read) - len(images)
    codes = Counter(reader.quarantine["code"])
    theirs = _converted(case.folder, tool, work)
    found = Compared(case.name)
    counted = Counter(_shape(image.volume.array.shape[::-1]) for image in images)
    if films:
        counted[f"radiograph{'s' if films > 1 else ''} in display greys"] = films
    found.ours = _listed(counted) or _listed(codes) or "none"
    found.theirs = _listed(Counter(_shape(volume.shape) for _, volume in theirs)) or "none"
    left = list(theirs)
    for image in images:
        _pair(found, image, left, made=case.name.startswith("made/"))
    return found


def _converted(folder: Path, tool: str, work: Path) -> list[tuple[str, Nifti]]:
    """What dcm2niix writes: name and three-dimensional volume, time series taken apart."""
    out = work / "dcm2niix"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    subprocess.run([tool, *OPTIONS, "-o", out, folder], capture_output=True, check=False)
    volumes = []
    for path in sorted(out.glob("*.nii")):
        image: Any = nib.load(path)
        if image.get_data_dtype().fields is not None:
            continue  # in colour
        values = np.asanyarray(image.dataobj)
        values = values.reshape((*values.shape, 1, 1)[: max(4, values.ndim)])
        times = [values[..., time] for time in range(values.shape[3])]
        volumes += [(path.stem, nib.Nifti1Image(one, image.affine)) for one in times]
    return volumes


def _pair(found: Compared, image: ReadImage, left: list[tuple[str, Nifti]], *, made: bool) -> None:
    """Compare a volume with the one of `left` that is most like it, and take that out."""
    volume = image.volume
    ours = nib.Nifti1Image(volume.array.transpose(2, 1, 0), volume.affine)  # (column, row, slice)
    ours = nib.as_closest_canonical(ours)
    moved = bool(volume.resampled)
    fitting = [item for item in left if ("_Tilt" in item[0] or "_Eq_" in item[0]) == moved]
    turned = [(item, nib.as_closest_canonical(item[1])) for item in fitting]
    if moved and turned:
        if made:
            theirs = turned[-1][1]
            truth = LANDMARK * [-1, -1, 1]  # RAS
            mine, other = _ball(ours), _ball(theirs)
            found.apart.append(_voxels(mine - other, ours))
            found.truth.append((_voxels(mine - truth, ours), _voxels(other - truth, ours)))
        else:
            found.apart.append(min(_apart(ours, theirs) for _, theirs in turned))
    alike = [(item, theirs) for item, theirs in turned if theirs.shape == ours.shape]
    if moved or not any(_plane_fits(ours, theirs) for _, theirs in turned):
        return
    found.volumes += 1
    if not alike:
        return
    padding = _padding(image)
    item, best = min(alike, key=lambda pair: _unlike(ours, pair[1], padding))
    left.remove(item)
    corner = _corner_mm(ours, best)
    found.affine_mm.append(corner)
    found.equal += bool(_unlike(ours, best, padding) == 0 and corner <= SAME_MM)
    found.padding |= padding is not None and _unlike(ours, best, None) > 0


def _plane_fits(ours: Nifti, theirs: Nifti) -> bool:
    """Whether two sides are the same, so that it may be the same series."""
    return (Counter(ours.shape) & Counter(theirs.shape)).total() >= 2


def _padding(image: ReadImage) -> tuple[float, float] | None:
    """The range of padding in the units of the volume, or None."""
    ds = dcmread(image.paths[0], stop_before_pixels=True)
    if image.volume.modality != "CT" or "PixelPaddingValue" not in ds:
        return None
    ends = [ds.PixelPaddingValue, ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue)]
    values = [float(ds.RescaleSlope) * end + float(ds.RescaleIntercept) for end in ends]
    return min(values), max(values)


def _unlike(one: Nifti, other: Nifti, padding: tuple[float, float] | None) -> float:
    """Share of voxels that differ by more than 32-bit floats do; padding set to air is the same."""
    a, b = (np.asarray(image.dataobj, dtype=np.float64) for image in (one, other))
    same = np.isclose(a, b, rtol=1e-6, atol=1e-3)
    if padding is not None:
        same |= (a == AIR_HU) & (b >= padding[0]) & (b <= padding[1])
    return 1 - float(np.mean(same))


def _corner_mm(one: Nifti, other: Nifti) -> float:
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in one.shape])).reshape(3, -1)
    corners = np.vstack([ends, np.ones(ends.shape[1])])
    return float(np.linalg.norm((one.affine - other.affine) @ corners, axis=0).max())


def _ball(image: Nifti) -> FloatArray:
    values = np.asarray(image.dataobj, dtype=float)
    middle = ndimage.center_of_mass(values > values.min() + BALL - 24)
    place: FloatArray = (image.affine @ [*middle, 1])[:3]
    return place


def _voxels(mm: FloatArray, image: Nifti) -> float:
    """The longest component of a way in voxels of an image."""
    return float(np.abs(np.linalg.inv(image.affine[:3, :3]) @ mm).max())


def _apart(ours: Nifti, theirs: Nifti) -> float:
    """Voxels by which one must be moved to be most like the other, where that lies."""
    values = np.asarray(theirs.dataobj, dtype=float)
    i, j, k = np.indices(values.shape)
    places = np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)
    there = (np.linalg.inv(ours.affine) @ theirs.affine @ places)[:3]
    mine = np.asarray(ours.dataobj, dtype=float)
    sampled = ndimage.map_coordinates(mine, there, order=1, cval=float(mine.min()))
    one, other = (a - a.mean() for a in (sampled.reshape(values.shape), values))
    alike = np.abs(np.fft.ifftn(np.fft.fftn(one) * np.conj(np.fft.fftn(other))))
    peak = np.unravel_index(alike.argmax(), alike.shape)
    return float(max(min(p, n - p) for p, n in zip(peak, alike.shape, strict=True)))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _listed(counts: Counter[str]) -> str:
    return "; ".join(f"{n} of {what}" if n > 1 else what for what, n in sorted(counts.items()))
