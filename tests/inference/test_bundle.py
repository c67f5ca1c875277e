"""The bundle: back as it was saved, the same digest for the same content, no change unnoticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from covidx.bundles import read_bundle
from covidx.errors import BundleError, StoreError
from covidx.files import sha256_file
from covidx.imaging import Preprocessing
from covidx.inference import ImageBundle, ImagePredictor, parity_bags

from .conftest import make_bundle, make_predictor, write


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write(tmp_path / "bundle", make_predictor())
    return tmp_path / "bundle"


def edit(folder: Path, **change: Any) -> None:
    """Change bundle.json and mend its digest, as someone who knows how would."""
    values = json.loads((folder / "bundle.json").read_text()) | change
    values["sha256"] = ImageBundle.digest_of(values)
    (folder / "bundle.json").write_text(json.dumps(values))


def test_round_trip(saved: Path) -> None:
    made = make_predictor()
    back = ImagePredictor.load(saved)
    bundle, model = back.bundle, back.model
    filled = {"weights_sha256", "parity_sha256", "sha256", "created", "versions"}
    assert bundle.model_dump(exclude=filled) == made.bundle.model_dump(exclude=filled)
    for name, value in made.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert not model.training
    for bag in parity_bags(bundle.recipe.preprocessing):
        one, other = made.score(bag), back.score(bag)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-9)


def test_the_folder_holds_no_pickle(saved: Path) -> None:
    names = sorted(path.name for path in saved.iterdir())
    assert names == ["bundle.json", "parity.safetensors", "weights.safetensors"]
    for path in saved.iterdir():
        # a pickle begins with its protocol; torch's and numpy's containers are zip archives
        assert path.read_bytes()[:2] not in (b"\x80\x02", b"\x80\x04", b"\x80\x05", b"PK")


def test_the_digest_is_of_what_the_bundle_does(tmp_path: Path) -> None:
    one = write(tmp_path / "1", make_predictor())
    other = make_bundle(run_id="another")
    assert write(tmp_path / "2", make_predictor(other)).sha256 == one.sha256
    assert sha256_file(tmp_path / "1" / "weights.safetensors") == one.weights_sha256
    point = make_bundle().threshold.model_copy(update={"value": 0.36})
    moved = write(tmp_path / "3", make_predictor(make_bundle(threshold=point)))
    assert moved.sha256 != one.sha256
    changed = make_predictor()
    with torch.no_grad():
        changed.model.head.bias.add_(1e-3)
    assert write(tmp_path / "4", changed).sha256 != one.sha256


@pytest.mark.parametrize("name", ["weights.safetensors", "parity.safetensors"])
def test_a_changed_file_is_noticed(saved: Path, name: str) -> None:
    data = bytearray((saved / name).read_bytes())
    data[-1] ^= 1
    (saved / name).write_bytes(data)
    with pytest.raises(BundleError, match="BUNDLE_CHANGED") as caught:
        ImagePredictor.load(saved)
    assert caught.value.path == str(saved / name)


def test_a_threshold_moved_by_hand_is_noticed(saved: Path) -> None:
    text = (saved / "bundle.json").read_text()
    assert text.count("0.35") == 1
    (saved / "bundle.json").write_text(text.replace("0.35", "0.65"))
    with pytest.raises(BundleError, match="BUNDLE_CHANGED") as caught:
        ImagePredictor.load(saved)
    assert caught.value.path == str(saved / "bundle.json")


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_other_probabilities_than_when_saved_are_noticed(saved: Path, value: float) -> None:
    arrays = load_file(saved / "parity.safetensors")
    save_file(
        arrays | {"probabilities": np.full_like(arrays["probabilities"], value)},
        saved / "parity.safetensors",
    )
    edit(saved, parity_sha256=sha256_file(saved / "parity.safetensors"))
    read_bundle(saved, ImageBundle)
    with pytest.raises(BundleError, match="PARITY_LOST"):
        ImagePredictor.load(saved)


def test_weights_of_another_network_are_refused(saved: Path) -> None:
    recipe = json.loads((saved / "bundle.json").read_text())["recipe"]
    recipe["architecture"] = {"backbone": "test_resnet", "top_k": 2, "dropout": 0.2}
    edit(saved, recipe=recipe)
    with pytest.raises(BundleError, match="BUNDLE_INVALID"):
        ImagePredictor.load(saved)


def test_a_bundle_is_never_written_over_another(saved: Path) -> None:
    before = sha256_file(saved / "bundle.json")
    with pytest.raises(StoreError, match="FOLDER_TAKEN"):
        write(saved, make_predictor(make_bundle(run_id="second")))
    assert sha256_file(saved / "bundle.json") == before
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def test_parity_bags_have_the_shape_of_the_input() -> None:
    for how, n in ((Preprocessing(slices=6), 6), (Preprocessing(input="slice"), 1)):
        bags = parity_bags(how)
        assert {bag.pixels.shape for bag in bags} == {(n, how.rows, how.columns)}
        contrasts = [float(bag.pixels.std()) for bag in bags]
        assert contrasts == sorted(contrasts) and contrasts[0] > 10
