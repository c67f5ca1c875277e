"""Made-up films with readers' scores, and drawn lungs of those without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from covidx.pipelines.radiograph_severity.config import TrainRadiographSeverity
from covidx.pipelines.source import PhantomCohort

CONFIG = TrainRadiographSeverity(seed=0, phantom=PhantomCohort(patients=20, seed=1), coverage=0.8)
SCORED, DRAWN = 16, 21


def film(seed: int, extent: float) -> tuple[np.ndarray, np.ndarray]:
    """Two dark lungs at some place on a bright body, and opacities from below; and the lungs."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:120, :130]
    down, across = rng.integers(-12, 12, 2)
    lungs = np.zeros((120, 130), bool)
    for middle in (42, 86):
        lungs |= ((rows - 60 - down) / 36) ** 2 + ((columns - middle - across) / 15) ** 2 <= 1
    ill = lungs & (rows > 60 + down + 36 - 72 * extent / 8)
    body = np.where(lungs, 50.0, 190.0) + 110.0 * ill
    return gaussian_filter(body, 1.5) + rng.normal(0, 5, body.shape), lungs


def make_films(folder: Path) -> Path:
    """Pictures, drawn lungs of those without a score, and a table of scores."""
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rows = []
    for n in range(SCORED + DRAWN):
        extent = (n * 5 % SCORED) / (SCORED - 1) * 8
        picture, lungs = film(n, extent)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"images/f{n:02d}.png")
        if n < SCORED:
            rows.append({"image": f"f{n:02d}.jpg", "extent": round(extent, 1)})
        else:
            mask = Image.fromarray((lungs * 255).astype(np.uint8))
            mask.save(folder / f"masks/f{n:02d}.png")
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    return folder
