"""A clean table of made-up pictures, to which each test adds one flaw."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image


def clouds(seed: int, side: int = 256) -> NDArray[np.uint8]:
    """Structure at four scales, drawn by its seed alone."""
    random = np.random.default_rng(seed)
    picture = np.zeros((side, side), np.float32)
    for cells in (8, 16, 32, 64):
        noise = random.standard_normal((cells, cells)).astype(np.float32)
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC) * cells**-0.5
    low, high = picture.min(), picture.max()
    return ((picture - low) / (high - low) * 255).astype(np.uint8)


def clean(folder: Path, patients: int = 24) -> pd.DataFrame:
    """Two images a patient, and columns that know nothing of the label: by turns, not by chance."""
    rows = []
    for patient in range(patients):
        for shot in range(2):
            name = f"p{patient}-{shot}.png"
            Image.fromarray(clouds(1000 * shot + patient)).save(folder / name)
            rows.append(
                {
                    "image": name,
                    "patient_id": f"patient {patient}",
                    "label": ("covid-19", "normal")[patient % 2],
                    "manufacturer": ("Alpha", "Beta")[patient // 2 % 2],
                    "age": 40 + patient // 2,
                    "role": ("train", "train", "validation", "test")[patient // 2 % 4],
                }
            )
    return pd.DataFrame(rows)
