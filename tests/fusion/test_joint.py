"""The joint and the gated network: what they learn, absent arms, parts, and the bag of P1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import nn

from covidx.cards import Column
from covidx.errors import InvalidTableError
from covidx.fusion import (
    BOTH,
    CLINICAL_ARM,
    IMAGE,
    Arms,
    FusionRecipe,
    ImageTraining,
    JointFusion,
    JointLearning,
    fit_joint,
    logit,
    score,
)
from covidx.fusion.network import FusionNetwork, GatedHead, JointHead
from covidx.models.learning import ImageLearning
from tests.fusion.synthetic import arms

COLUMNS = [
    Column(name="crp", meaning="CRP", type="number"),
    Column(name="age", meaning="age", type="number"),
]
QUICK = JointLearning(width=16, hidden=16, epochs=15, batch=32)
MEMBERS = 2
NO_IMAGES = ImageTraining(
    SimpleNamespace(members=[None] * MEMBERS),  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    pd.DataFrame({"image_id": [], "patient_id": []}),
    pd.Series(dtype=int),
    1,
    ImageLearning(),
)


def _truth(found: Arms) -> np.ndarray:
    return (found.patients["label"] == "covid-19").to_numpy(float)


def _wide(found: Arms) -> Arms:
    """The same features of each of P1's networks, as of training patients."""
    return replace(found, features=np.tile(found.features, MEMBERS))


def _folds(found: Arms) -> np.ndarray:
    return np.arange(len(found)) % MEMBERS


def _cross_fit(
    folder: Path, kind: str, found: Arms, how: JointLearning = QUICK
) -> tuple[JointFusion, np.ndarray]:
    recipe = FusionRecipe(name="one", kind=kind, learning=how)  # type: ignore[arg-type]
    wide = _wide(found)
    return fit_joint(recipe, wide, COLUMNS, _truth(found), NO_IMAGES, _folds(found), 0, folder)


def _fit(folder: Path, kind: str, found: Arms, how: JointLearning = QUICK) -> JointFusion:
    return _cross_fit(folder, kind, found, how)[0]


@pytest.fixture(scope="module", params=["joint", "gated"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> JointFusion:
    return _fit(tmp_path_factory.mktemp("joint"), request.param, arms(1200))


def test_both_arms_beat_each(trained: JointFusion) -> None:
    fresh = _wide(arms(2000, seed=50))
    found = {
        pattern: roc_auc_score(_truth(fresh), score(trained, fresh.restricted(pattern)))
        for pattern in (BOTH, IMAGE, CLINICAL_ARM)
    }
    # Best possible: 0.977 with both arms, 0.921 with one.
    assert found[BOTH] > 0.95
    assert found[IMAGE] == pytest.approx(0.921, abs=0.03)
    assert found[CLINICAL_ARM] == pytest.approx(0.921, abs=0.03)


def test_scores_are_calibrated_for_each_pattern(trained: JointFusion) -> None:
    fresh = _wide(arms(4000, seed=50))
    for pattern in (BOTH, IMAGE, CLINICAL_ARM):
        said = logit(score(trained, fresh.restricted(pattern)))[:, None]
        # Fitted on out-of-fold outputs: a slope of 1, but for chance.
        slope = LogisticRegression(C=1e6).fit(said, _truth(fresh)).coef_[0, 0]
        assert 0.7 < slope < 1.5


def test_parts_are_shapley_values(trained: JointFusion) -> None:
    fresh = _wide(arms(50, seed=50))
    parts, told = (
        trained.contributions(fresh),
        {p: trained.logits(fresh, p) for p in (BOTH, IMAGE, CLINICAL_ARM)},
    )
    assert expit(parts.logits) == pytest.approx(score(trained, fresh))
    assert parts.logits == pytest.approx(told[BOTH])
    first, second = told[IMAGE] - trained.prior, told[BOTH] - told[CLINICAL_ARM]
    assert parts.image == pytest.approx((first + second) / 2)
    alone = trained.contributions(fresh.restricted(CLINICAL_ARM))
    assert (alone.image == 0).all()
    assert alone.logits == pytest.approx(told[CLINICAL_ARM])


def test_a_missing_arm_is_not_looked_at(trained: JointFusion) -> None:
    fresh = _wide(arms(50, seed=50))
    other = Arms(
        fresh.patients, fresh.image, fresh.features * 9, fresh.clinical, fresh.values
    ).restricted(CLINICAL_ARM)
    assert score(trained, fresh.restricted(CLINICAL_ARM)) == pytest.approx(score(trained, other))


def test_unknown_values_are_the_medians_of_training_and_an_indicator(tmp_path: Path) -> None:
    found = arms(300)
    values = found.values.assign(crp=found.values["crp"].mask(np.arange(300) % 5 == 0))
    trained = _fit(tmp_path, "joint", Arms(*_with(found, values)))
    trained = replace(trained, networks=trained.networks[:1])
    network, train = trained.networks[0].network, _folds(found) != 0
    assert network.medians.numpy() == pytest.approx(values[train].median().to_numpy(), abs=1e-6)
    assert network.gaps.tolist() == [True, False]
    # age was never unknown in training: where it is, it counts as the median, without a flag.
    fresh = _wide(arms(5, seed=50))
    unknown = Arms(*_with(fresh, fresh.values.assign(age=np.nan)))
    median = Arms(*_with(fresh, fresh.values.assign(age=float(network.medians[1]))))
    assert score(trained, unknown) == pytest.approx(score(trained, median), abs=1e-6)


def test_a_category_is_a_yes_or_no_for_each_value(tmp_path: Path) -> None:
    """Its places have no order: the middle one may be the ill one."""
    found, chance = arms(1500, clinic=0.0), np.random.default_rng(3)
    ill = _truth(found) > 0
    place = np.where(ill, 1.0, chance.choice([0.0, 2.0], 1500))
    values = found.values.assign(crp=np.where(np.arange(1500) % 10 == 0, np.nan, place))
    ward = Column(name="crp", meaning="ward", type="category", values=["a", "b", "c"])
    recipe = FusionRecipe(name="one", kind="joint", learning=QUICK)
    whole = Arms(*_with(found, values))
    learnt = (found.patients["role"] != "test").to_numpy()
    part = _wide(whole.only(learnt))
    columns, truth = [ward, COLUMNS[1]], _truth(part)
    trained, _ = fit_joint(recipe, part, columns, truth, NO_IMAGES, _folds(part), 0, tmp_path)
    assert len(trained.networks[0].network.medians) == 4
    test = _wide(whole.only(~learnt)).restricted(CLINICAL_ARM)
    told = score(trained, test)
    assert roc_auc_score(_truth(test), told) > 0.9


def _with(found: Arms, values: pd.DataFrame) -> tuple[object, ...]:
    return found.patients, found.image, found.features, found.clinical, values


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    found = arms(200)
    one, two = (_fit(tmp_path / name, "joint", found) for name in ("a", "b"))
    wide = _wide(found)
    assert score(one, wide).tolist() == score(two, wide).tolist()


def test_a_network_learns_nothing_of_the_patients_that_it_scores(tmp_path: Path) -> None:
    """Other labels and values in a fold leave the weights of its network as they are."""
    found = arms(200)
    trained, scores = _cross_fit(tmp_path / "a", "joint", found)
    own = _folds(found) == 0
    label = found.patients["label"]
    swapped = label.where(~own, label.map({"covid-19": "rest", "rest": "covid-19"}))
    values = found.values.copy()
    values.loc[own] = 5.0
    other = replace(found, patients=found.patients.assign(label=swapped), values=values)
    again = _fit(tmp_path / "b", "joint", other)
    theirs = trained.networks[0].state_dict()
    for name, value in again.networks[0].state_dict().items():
        assert torch.equal(value, theirs[name]), name
    assert len(trained.networks) == MEMBERS
    for number, network in enumerate(trained.networks):
        mine = _folds(found) == number
        alone = score(replace(trained, networks=[network]), _wide(found).only(mine))
        assert scores[mine].tolist() == alone.tolist()


def test_the_output_is_the_mean_over_networks_and_over_p1s_features(
    trained: JointFusion,
) -> None:
    first, second = arms(5, seed=1), arms(5, seed=2)
    both = replace(first, features=np.hstack([first.features, second.features]))
    expected = [
        replace(trained, networks=[network]).raw(replace(first, features=features), BOTH)
        for network in trained.networks
        for features in (first.features, second.features)
    ]
    assert trained.raw(both, BOTH) == pytest.approx(np.mean(expected, axis=0), abs=1e-6)


def test_too_few_patients_have_both(tmp_path: Path) -> None:
    found = arms(200)
    image = np.where(np.arange(200) < 195, np.nan, found.image)
    with pytest.raises(InvalidTableError, match=r"FUSION_ROWS.*role train"):
        _fit(
            tmp_path,
            "joint",
            Arms(found.patients, image, found.features, found.clinical, found.values),
        )


def test_the_network_is_as_mei_et_al_have_it() -> None:
    """512 image features and 12 clinical ones, two hidden layers of 64; plus a flag an arm."""
    network = FusionNetwork("joint", JointLearning(), 512, torch.zeros(12), torch.zeros(12).bool())
    assert isinstance(network.layer, nn.Identity) and isinstance(network.head, JointHead)
    shapes = [tuple(p.shape) for p in network.head.parameters() if p.ndim == 2]
    assert shapes == [(64, 512 + 12 + 2), (64, 64), (1, 64)]
    how = JointLearning()
    assert (how.noise, how.dropout, how.rate, how.weight_decay) == (1.0, 0.5, 2e-3, 1e-4)
    assert (how.epochs, how.batch, how.rate_decay) == (40, 16, 0.95)


def test_other_backbones_pass_a_layer() -> None:
    network = FusionNetwork("joint", JointLearning(), 1280, torch.zeros(3), torch.zeros(3).bool())
    assert network.layer.weight.shape == (512, 1280)


def test_an_open_gate_lets_one_arm_pass() -> None:
    head = GatedHead(2, 3, 4)
    both = torch.tensor([[0.3, -0.2, 5.0, 6.0, 7.0]])
    with torch.no_grad():
        head.gate.weight.zero_()
        head.gate.bias.fill_(50)
    image = head.out(head.image(both[:, :2]).tanh())
    assert torch.allclose(head(both), image)
    with torch.no_grad():
        head.gate.bias.fill_(-50)
    assert torch.allclose(head(both), head.out(head.clinic(both[:, 2:]).tanh()))
