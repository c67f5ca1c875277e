"""What the docs say to set can be set."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from covidx.config import Config, load_config
from covidx.pipelines.clinical_config import TRAIN_CLINICAL, TrainClinical
from covidx.pipelines.config import TRAIN_CT, TRAIN_CXR, TrainCT, TrainCXR
from covidx.pipelines.detection_config import TRAIN_DETECTION, TrainDetection
from covidx.pipelines.fusion_config import TRAIN_FUSION, TrainFusion
from covidx.pipelines.segmentation_config import TRAIN_SEGMENTATION, TrainSegmentation
from covidx.pipelines.severity_source import TRAIN_SEVERITY, TrainSeverity

ROOT = Path(__file__).parents[2]
VERBS: dict[str, tuple[Path, type[Config]]] = {
    "clinical": (TRAIN_CLINICAL, TrainClinical),
    "ct": (TRAIN_CT, TrainCT),
    "cxr": (TRAIN_CXR, TrainCXR),
    "detection": (TRAIN_DETECTION, TrainDetection),
    "fusion": (TRAIN_FUSION, TrainFusion),
    "segmentation": (TRAIN_SEGMENTATION, TrainSegmentation),
    "severity": (TRAIN_SEVERITY, TrainSeverity),
}
COMMAND = re.compile(r"(?:make train-|covidx train )(\w+)([^#\n`]*)")


def documented() -> list[tuple[str, str]]:
    """Verb and change, as make or the command line hands them on."""
    found = set()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text().replace("\\\n", " ")
        for verb, rest in COMMAND.findall(text):
            words = shlex.split(rest) if rest.count("'") % 2 == 0 else []
            changes = [after for word, after in pairwise(words) if word == "--set"]
            for word in words:
                changes += word.removeprefix("SET=").split() if word.startswith("SET=") else []
            found |= {(verb, change) for change in changes}
    for verb, (path, _) in VERBS.items():
        (change,) = re.findall(r"--set (\S+)", path.read_text().partition("\nseed:")[0])
        found.add((verb, change))
    return sorted(found)


@pytest.mark.parametrize(("verb", "change"), documented())
def test_a_documented_change_is_taken(verb: str, change: str) -> None:
    path, model = VERBS[verb]
    assert load_config(path, model, [change]) is not None
