"""Writing a case page: a folder that opens from disk, offline, and loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from covidx.constants import RESEARCH_NOTICE
from covidx.files import make_folder, replacing
from covidx.report.known_limits import limits_block
from covidx.report.page import POLICY, View, environment
from covidx.report.viewer.assets import (
    CASE_SCRIPTS,
    script_json,
    write_assets,
    write_data,
    write_text,
)
from covidx.report.viewer.case import ViewerCase
from covidx.report.viewer.layers import areas, heat_json, mask_json, why_text
from covidx.report.viewer.voxels import DisplayCopy, display_copy
from covidx.report.viewer.worklist import CaseRow

Images = Literal["all", "thumbnails", "none"]
"""What a page may show of an image: everything, a small picture in lists, or nothing."""
THUMBNAIL = "thumbnail.jpg"
THUMBNAIL_PIXELS = 112
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
UNITS = {"hu": "HU", "unproven": "(scale not proven)", "display": "of 255 (grey)"}


def write_case_page(
    case: ViewerCase,
    folder: Path,
    *,
    run: str = "",
    images: Images = "all",
    pictures: Sequence[View] = (),
    back: tuple[str, str] | None = None,
) -> CaseRow:
    """Write ``index.html`` and all that it needs into `folder`; returns its row of the list.

    Parameters
    ----------
    case : ViewerCase
        What is shown.
    folder : Path
        Of this case alone.
    run : str
        Which run it is of: readers' answers are kept by it.
    images : {"all", "thumbnails", "none"}
        ``all``: every slice, and a thumbnail for lists; ``thumbnails``: that alone.
    pictures : sequence of View
        Pictures that lie in the folder already, for print; empty unless `images` is ``all``.
    back : (str, str), optional
        Address and text of the link to the list of cases.
    """
    make_folder(folder)
    data: dict[str, Any] = {"unit": case.unit_id, "run": run, "folder": folder.name}
    if images != "none":
        _write_thumbnail(case, folder / THUMBNAIL)
    if images == "all":
        copy = display_copy(case.image)
        data |= _image_json(case, copy)
        for number, (_, text) in enumerate(copy.parts()):
            write_data(folder / f"voxels-{number:03d}.js", text)
        layers = {
            "masks": [mask_json(layer, copy) for layer in case.masks],
            "heat": [heat_json(layer, copy) for layer in case.heat],
        }
        write_data(folder / "layers.js", layers)
    data["result"] = None if case.result is None else _result_json(case)
    write_assets(folder, CASE_SCRIPTS, "viewer.js")
    area = areas(case)
    page = environment().get_template("case.html").render(
        case=case,
        csp=POLICY,
        notice=RESEARCH_NOTICE,
        back=back,
        has_voxels=images == "all",
        planes=case.image.geometry == "proven" and len(case.image.array) > 1,
        deciding=any(one.weight > 0 for one in case.seen) and len(case.image.array) > 1,
        lesion=area is not None and any(area) and len(area) > 1,
        levels=_levels_text(case),
        why=why_text(case),
        pictures=pictures,
        receipt=json.dumps(case.receipt, indent=1, default=str) if case.receipt else "",
        data=script_json(data),
        known_limits=limits_block(folder / "index.html", ""),
    )  # fmt: skip
    write_text(folder / "index.html", page.lstrip())
    return CaseRow(
        name=case.name,
        unit_id=case.unit_id,
        folder=folder.name,
        result=case.result,
        note=case.note,
        scanner=case.scanner,
        lesion_ml=case.lesion_ml,
        thumbnail=images != "none",
        outside=bool(case.warnings),
        verdicts=Counter(layer.verdict for layer in case.heat),
    )


def _image_json(case: ViewerCase, copy: DisplayCopy) -> dict[str, Any]:
    image, factor = case.image, copy.factor
    spacing = image.spacing_mm
    proven = image.geometry == "proven"
    lps = (RAS_TO_LPS @ copy.affine)[:3].ravel().round(6).tolist() if proven else None
    shown = [f"mean of {factor} x {factor} pixels"] if factor > 1 else []
    shown += [f"values in steps of {copy.step}"] if copy.step > 1 else []
    text = f"Display copy: {', '.join(shown)}." if shown else "Every pixel as it was read."
    return {
        "shape": copy.values.shape,
        "step": copy.step,
        "factor": factor,
        "slices_a_part": copy.slices_a_part,
        "spacing": None
        if spacing is None
        else (spacing[0], spacing[1] * factor, spacing[2] * factor),
        "lps": lps,
        "copy_text": text,
        "unit_text": UNITS[image.units],
        "windows": case.windows,
        "instances": case.instances,
        "seen": [
            {"index": s.index, "first": s.first, "last": s.last, "weight": s.weight,
             "score": round(s.score, 4)}
            for s in case.seen
        ],
        "area": areas(case),
        "area_unit": "pixels" if spacing is None else "mm²",
        "heat": len(case.heat),
        "start": first_slice(case),
    }  # fmt: skip


def _result_json(case: ViewerCase) -> dict[str, Any]:
    assert case.result is not None
    return {"positive": case.result.positive, "called": case.result.called}


def first_slice(case: ViewerCase) -> int:
    """The slice of a `case` that is shown first: the one that decided most, else the middle.

    Without scores it is that with most of the true lesion.
    """
    deciding = [one for one in case.seen if one.weight > 0]
    if deciding:
        return max(deciding, key=lambda one: one.score).index
    area = areas(case)
    return int(np.argmax(area)) if area and any(area) else len(case.image.array) // 2


def _levels_text(case: ViewerCase) -> str:
    if not case.heat:
        return ""
    layer = case.heat[0]
    return " / ".join(f"{level:g}" for level in layer.levels) + f" {layer.unit}"


def _write_thumbnail(case: ViewerCase, path: Path) -> None:
    _, level, width = case.windows[0]
    plane = case.image.array[first_slice(case)].astype(np.float32)
    greys = np.clip((plane - (level - width / 2)) / width, 0, 1) * 255
    picture = Image.fromarray(greys.astype(np.uint8))
    spacing = case.image.spacing_mm or (1.0, 1.0, 1.0)
    high, wide = plane.shape[0] * spacing[1], plane.shape[1] * spacing[2]
    scale = THUMBNAIL_PIXELS / max(high, wide)
    picture = picture.resize((max(1, round(wide * scale)), max(1, round(high * scale))))
    with replacing(path) as temporary:
        picture.save(temporary, format="JPEG", quality=80)
