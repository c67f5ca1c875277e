from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from benchmarks.planted import WAYS, plant
from covidx.audit.data import copies, describe_all, find_copies, read_picture, shrunk
from covidx.audit.data.alignment import MIN_CORRELATION, aligned, transform
from covidx.audit.data.copies import limit_of
from covidx.audit.data.features import describe, viewed
from covidx.errors import InvalidInputError
from tests.audit.cohorts import clouds

ORIGINALS = [shrunk(clouds(seed)) for seed in range(12)]


def found(pictures, patients=()):
    read = pictures.__getitem__
    return find_copies(describe_all(len(pictures), read), read, patients)


@pytest.mark.parametrize("way", WAYS)
def test_a_planted_copy_is_the_only_pair(way):
    copy = shrunk(plant(clouds(5), way, np.random.default_rng(3)))
    pairs = found([*ORIGINALS, copy])
    assert [(pair.first, pair.second) for pair in pairs] == [(5, 12)]
    assert pairs[0].view == (way in ("mirror", "flip", "all"), way == "negative")


def test_distinct_pictures_are_no_pairs():
    assert found(ORIGINALS) == []


def test_the_same_pixels_make_a_pair_of_each_two():
    pairs = found([ORIGINALS[0], ORIGINALS[1], ORIGINALS[0], ORIGINALS[0]])
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 2), (0, 3), (2, 3)]
    assert {pair.kind for pair in pairs} == {"exact"}


def test_a_near_copy_of_one_is_a_near_copy_of_its_twin():
    near = shrunk(plant(clouds(0), "all", np.random.default_rng(3)))
    pairs = found([near, ORIGINALS[0], ORIGINALS[1], ORIGINALS[0]])
    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [
        (0, 1, "near"),
        (0, 3, "near"),
        (1, 3, "exact"),
    ]


def test_a_placeholder_makes_no_pair_of_each_two():
    """Of 100 the first 32 are paired with all: 99 + 98 + ... + 68."""
    assert len(found([ORIGINALS[0]] * 100)) == sum(range(68, 100))


@pytest.mark.parametrize("pictures", [[], [ORIGINALS[0]], [np.zeros((256, 256), np.uint8)] * 2])
def test_too_few_or_plain_pictures_have_no_copies(pictures):
    assert found(pictures) == []


@pytest.mark.parametrize(
    ("view", "changed"),
    [
        ((True, False), ORIGINALS[0][:, ::-1]),
        ((False, True), 255 - ORIGINALS[0]),
        ((True, True), 255 - ORIGINALS[0][:, ::-1]),
    ],
)
def test_rearranged_descriptors_are_those_of_the_changed_picture(view, changed):
    """OpenCV describes the changed picture itself; most keypoints must agree with ours."""
    ours = viewed(describe(ORIGINALS[0]), view)
    theirs = describe(np.ascontiguousarray(changed))
    near = np.linalg.norm(ours.points[:, None] - theirs.points[None], axis=2)
    partner = near.argmin(axis=1)
    close = near.min(axis=1) < 1
    cosine = (ours.unit * theirs.unit[partner]).sum(axis=1)[close]
    assert close.mean() > 0.8
    assert np.median(cosine) > 0.97
    plain = (describe(ORIGINALS[0]).unit * theirs.unit[partner]).sum(axis=1)[close]
    assert np.median(plain) < 0.9  # without the rearrangement they differ


def test_a_known_crop_is_laid_where_it_was_cut():
    crop = np.ascontiguousarray(ORIGINALS[3][40:240, 20:220])
    start = transform(describe(crop), describe(ORIGINALS[3]))
    assert start == pytest.approx(np.array([[1, 0, 20], [0, 1, 40]]), abs=0.5)
    fit = aligned(crop, ORIGINALS[3], start)
    assert fit.correlation > 0.97  # interpolated by a fraction of a pixel
    assert fit.overlap == pytest.approx(1, abs=0.02)


def test_a_broken_image_is_refused_and_the_others_are_compared():
    def read(place):
        if place == 1:
            raise InvalidInputError("IMAGE_UNREADABLE", "broken")
        return ORIGINALS[0]

    described = describe_all(3, read)
    assert {place: error.code for place, error in described.refused.items()} == {
        1: "IMAGE_UNREADABLE"
    }
    assert [(pair.first, pair.second) for pair in find_copies(described, read)] == [(0, 2)]


def test_a_picture_keeps_its_proportions_and_loses_its_range(tmp_path):
    wide = np.linspace(1000, 3000, 512 * 256).reshape(256, 512).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    picture = read_picture(tmp_path / "wide.png")
    assert picture.shape == (128, 256)
    assert (picture.min(), picture.max()) == (0, 255)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "IMAGE_MISSING"),
        (b"", "IMAGE_UNREADABLE"),
        (b"not an image", "IMAGE_UNREADABLE"),
        (b"\x89PNG\r\n\x1a\n broken", "IMAGE_UNREADABLE"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, content, code):
    path = tmp_path / "image.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError) as error:
        read_picture(path)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("side", "code"),
    [(8, "IMAGE_UNUSABLE"), (5_001, "IMAGE_TOO_LARGE"), (10_000, "IMAGE_TOO_LARGE")],
)
def test_a_picture_of_a_size_that_nobody_compares_is_refused(tmp_path, side, code):
    Image.new("1", (20_000, side)).save(tmp_path / "image.png")
    with pytest.raises(InvalidInputError) as error:
        read_picture(tmp_path / "image.png")
    assert error.value.code == code
    assert error.value.path == str(tmp_path / "image.png")


def test_a_format_that_other_programs_draw_is_refused(tmp_path):
    """Pillow gives EPS to Ghostscript."""
    Image.new("L", (64, 64)).save(tmp_path / "image.eps")
    with pytest.raises(InvalidInputError, match="IMAGE_UNREADABLE"):
        read_picture(tmp_path / "image.eps")


def test_of_a_volume_the_middle_slice(tmp_path):
    """Voxel (x, y, z) = 1000 z + y: rows rise, all columns are alike."""
    values = np.add.outer(np.zeros((40, 1)), np.arange(60)).reshape(40, 60, 1)
    volume = (values + 1000 * np.arange(5)).astype(np.float32)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "volume.nii.gz")
    picture = read_picture(tmp_path / "volume.nii.gz")
    assert picture.shape == (256, 171)
    assert np.array_equal(picture, shrunk(np.repeat(np.arange(60)[:, None], 40, axis=1)))


@pytest.mark.parametrize("content", [b"", b"no volume", b"\x1f\x8b\x08 broken"])
def test_a_broken_volume_stops_no_batch(tmp_path, content):
    (tmp_path / "volume.nii.gz").write_bytes(content)
    with pytest.raises(InvalidInputError, match="IMAGE_UNREADABLE"):
        read_picture(tmp_path / "volume.nii.gz")


def test_a_set_of_alike_pictures_has_a_limit_of_its_own():
    """By hand: 60 pairs of z 0.35 and 0.45 by turns: mean 0.4, deviation 0.05 * sqrt(60 / 59) =
    0.0504, so Gumbel's scale is 0.0393; ln 60 - ln(-ln 0.95) - 0.5772 = 6.487 of it is 0.255."""
    pairs = list(np.tanh([0.35, 0.45] * 30))
    assert limit_of(pairs) == MIN_CORRELATION  # tanh(0.655) = 0.575 is below the usual limit
    alike = list(np.tanh([0.75, 0.85] * 30))
    assert limit_of(alike) == pytest.approx(np.tanh(0.8 + 0.255), abs=1e-3)
    assert limit_of(alike[:49]) == MIN_CORRELATION  # too few to tell
    assert limit_of([*alike, *[0.99] * 9]) == limit_of(alike)  # copies tell nothing of the rest


def test_alike_pictures_are_no_copies_and_a_copy_among_them_is_found(monkeypatch):
    """As simulated chests are: a common frame, and more or less of each one's own."""
    own = np.linspace(0.5, 0.8, 24)
    raw = [clouds(0) + share * clouds(seed) for seed, share in enumerate(own, 1)]
    alike = [shrunk(picture) for picture in raw]
    pairs = [(a, b, (False, False)) for b in range(25) for a in range(b)]
    monkeypatch.setattr(
        copies, "candidates", lambda features: [p for p in pairs if p[1] < len(features)]
    )
    assert len(found(alike)) >= 3  # nothing is known of whose they are
    assert found(alike, patients=range(24)) == []
    cut = shrunk(raw[2][10:-10, 10:-10])
    pairs_found = found([*alike, cut], patients=range(25))
    assert [(pair.first, pair.second) for pair in pairs_found] == [(2, 24)]
    one = found(alike, patients=["the same"] * 24)  # exposures of one patient are not unrelated
    assert len(one) >= 3


def test_the_order_of_the_table_changes_no_pair():
    """Pseudonyms, and with them the order, go by each user's key."""
    pictures = [*ORIGINALS, *(shrunk(plant(clouds(k), "all", np.random.default_rng(k)))
                              for k in range(6))]  # fmt: skip
    listed = [{(a.first, a.second, a.correlation) for a in found(pictures)}]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(pictures))
        pairs = found([pictures[place] for place in order])
        listed.append(
            {(*sorted((int(order[a.first]), int(order[a.second]))), a.correlation) for a in pairs}
        )
    assert listed[0] and all(one == listed[0] for one in listed)
