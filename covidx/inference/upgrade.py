"""Bundles of the layout before into the present one, proven by their reference cases."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from covidx.bundles import BundleFile, kind_in, need_unchanged, read_fields
from covidx.errors import BundleError
from covidx.files import read_json, replacing_folder, sha256_file, write_json
from covidx.inference.loading import load

Fields = dict[str, Any]


def upgrade_bundle(old: Path, new: Path) -> None:
    """Write a bundle in the present layout, and prove that it gives what it gave.

    Parameters
    ----------
    old : Path
        A bundle of an image classifier (version 2), a clinical model or a segmenter (version 1);
        it is not changed. What its layout did not record stays unknown, such as the ranges of
        clinical columns; the learning of its recipe is taken from the run around it, if any.
    new : Path
        Must not exist; it is written whole or not at all.

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_INVALID``; ``BUNDLE_VERSION``: it cannot be upgraded;
        ``BUNDLE_CHANGED``: the old bundle is not as it was saved; ``PARITY_LOST``.
    StoreError
        ``FOLDER_TAKEN``.
    """
    fields = read_fields(old)
    named = kind_in(fields), fields.get("schema_version")
    if named not in UPGRADES:
        raise BundleError(
            "BUNDLE_VERSION",
            "A bundle of this kind and version cannot be upgraded.",
            path=old,
            expected=" or ".join(f"{kind}, version {version}" for kind, version in UPGRADES),
            actual=f"{named[0]}, version {named[1]}",
            hint="Train the model again with this version.",
        )
    upgraded = UPGRADES[named](fields, _recipe_of_run(old, fields))
    found = {"bundle.json": (fields["sha256"], upgraded.digest_of(fields))}
    for name, field in upgraded.FILES.items():
        path = old / name
        found[name] = (fields[field], sha256_file(path) if path.is_file() else "missing")
    need_unchanged(old, found)
    with replacing_folder(new) as folder:
        for path in old.iterdir():
            shutil.copy2(path, folder / path.name)
        whole = upgraded.model_copy(update={"sha256": upgraded.digest()})
        write_json(folder / "bundle.json", whole.model_dump(mode="json"))
        load(folder, "cpu")


def _recipe_of_run(old: Path, fields: Mapping[str, Any]) -> Fields:
    """What the configuration of the run around a bundle says for its kind of image."""
    place = old.resolve().parent / "run.json"
    if not place.is_file():
        return {}
    record = read_json(place)
    steps = fields.get("preprocessing") or fields.get("recipe", {}).get("framing") or {}
    if record.get("run_id") != fields["run_id"]:
        return {}
    recipe: Fields = record.get("config", {}).get(steps.get("input"), {})
    return recipe


def _kept(fields: Mapping[str, Any], *left_out: str) -> Fields:
    return {key: value for key, value in fields.items() if key not in left_out}


def _image(fields: Fields, recipe: Fields) -> BundleFile:
    from covidx.inference.image_bundle import ImageBundle

    parts = {key: fields[key] for key in ("preprocessing", "architecture")}
    values = _kept(fields, "schema_version", *parts)
    return ImageBundle.model_validate(
        {**values, "recipe": {**parts, "learning": recipe.get("learning")}}
    )


def _segmentation(fields: Fields, recipe: Fields) -> BundleFile:
    from covidx.inference.segmentation_bundle import SegmentationBundle

    more = {key: recipe.get(key) for key in ("learning", "tolerance")}
    values = _kept(fields, "schema_version")
    return SegmentationBundle.model_validate({**values, "recipe": {**fields["recipe"], **more}})


def _clinical(fields: Fields, recipe: Fields) -> BundleFile:
    from covidx.clinical.bundle import ClinicalBundle

    trained = ("dataset", "domain", "card_sha256", "table_sha256", "split_sha256", "patients")
    point = {
        "value": fields["threshold"],
        "rule": fields["threshold_rule"],
        "origin": fields["threshold_origin"],
    }
    values = _kept(fields, "schema_version", "threshold_rule", "threshold_origin", *trained)
    trained_on = {key: fields[key] for key in trained}
    return ClinicalBundle.model_validate({**values, "trained_on": trained_on, "threshold": point})


UPGRADES: Mapping[tuple[str, Any], Callable[[Fields, Fields], BundleFile]] = {
    ("image", 2): _image,
    ("clinical", 1): _clinical,
    ("segmentation", 1): _segmentation,
}
"""Kind and version -> the bundle in the present layout, from its fields and its run's recipe."""
