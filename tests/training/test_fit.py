"""Training: repeatable to the bit, taken up again after a kill, quiet."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning import LightningDataModule
from torch import Tensor

from covidx.cohort import Classes
from covidx.errors import CovidxError, StoreError
from covidx.files import locked
from covidx.imaging import Augmentation, BagCache
from covidx.inference import to_tensor
from covidx.models import BagClassifier
from covidx.models.learning import ImageLearning
from covidx.training import Fit, Learner, fit_classifier, fit_learner
from covidx.training.data import BagData, _TrainingBags, collate
from covidx.training.fit import epochs_between_validations
from covidx.training.module import BagLearner

from .conftest import TINY, make_cache, make_rows

LEARNING = ImageLearning(epochs=4, patience=4, batch=2, slices=2, pretrained=False)
CLASSES = Classes(("well", "sick"), "sick")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> BagCache:
    return make_cache(tmp_path_factory.mktemp("cache"))


def train(cache: BagCache, folder: Path, learning: ImageLearning = LEARNING, seed: int = 0) -> Fit:
    return fit_classifier(cache, make_rows(), CLASSES, TINY, learning, seed, folder)


def same(one: BagClassifier, other: BagClassifier) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


@pytest.fixture(scope="module")
def whole(cache: BagCache, tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """An uninterrupted training."""
    return train(cache, tmp_path_factory.mktemp("whole"))


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from covidx.training.module import BagLearner
    from tests.training.test_fit import make_cache, train

    step = BagLearner.training_step

    def dying(self, batch, number):
        if (self.trainer.current_epoch, number) == (2, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, number)

    BagLearner.training_step = dying
    train(make_cache(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_killed_training_ends_as_if_it_had_not_been(
    cache: BagCache, whole: Fit, tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    folder = tmp_path / "fit"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), tmp_path / "cache", folder],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr
    assert (folder / "last.ckpt").exists()
    resumed = train(cache, folder)
    assert resumed.resumed_from == 2 and whole.resumed_from is None
    assert same(resumed.model, whole.model)
    pd.testing.assert_frame_equal(resumed.curves, whole.curves, check_exact=True)
    assert resumed.best_epoch == whole.best_epoch


def test_the_same_seed_gives_the_same_weights(cache: BagCache, whole: Fit, tmp_path: Path) -> None:
    torch.manual_seed(99)  # what went before must not matter
    again = train(cache, tmp_path / "again")
    assert same(again.model, whole.model)
    assert not same(train(cache, tmp_path / "other", seed=1).model, whole.model)


def test_curves_and_the_best_epoch(whole: Fit) -> None:
    assert whole.curves["epoch"].tolist() == [0, 1, 2, 3]
    assert {"train_loss", "validation_loss", "validation_auroc"} <= set(whole.curves.columns)
    assert whole.best_epoch == int(whole.curves["validation_loss"].idxmin())
    assert not whole.model.training
    assert {p.device.type for p in whole.model.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("epochs", "every"),
    [(1, 1), (4, 1), (7, 1), (8, 2), (9, 1), (10, 2), (12, 3), (14, 2), (40, 10)],
)
def test_validation_that_chooses_nothing_is_rare_and_never_misses_the_end(
    epochs: int, every: int
) -> None:
    assert epochs_between_validations(epochs) == every


def test_without_patience_epochs_between_validations_have_no_figure_of_them(
    cache: BagCache, tmp_path: Path
) -> None:
    learning = LEARNING.model_copy(update={"patience": None, "epochs": 8})
    found = train(cache, tmp_path, learning)
    validated = found.curves["validation_loss"].notna()
    assert validated.tolist() == [False, True] * 4
    assert found.curves["validation_auroc"].notna().equals(validated)
    assert found.curves["train_loss"].notna().all()
    assert found.best_epoch == 7


def test_it_learns_a_bright_square(cache: BagCache, tmp_path: Path) -> None:
    rates = {"head_rate": 1e-2, "backbone_rate": 3e-3, "epochs": 12, "patience": 12}
    found = train(cache, tmp_path, LEARNING.model_copy(update=rates))
    assert float(found.curves["validation_auroc"].iloc[-1]) == 1.0


def test_early_stopping_stays_stopped_when_taken_up_again(cache: BagCache, tmp_path: Path) -> None:
    """A run that was killed after its training had stopped must not train one epoch more."""
    learning = LEARNING.model_copy(update={"patience": 1, "epochs": 30, "head_rate": 0.5})
    first = train(cache, tmp_path, learning)
    assert len(first.curves) < 30
    again = train(cache, tmp_path, learning)
    pd.testing.assert_frame_equal(again.curves, first.curves)
    assert same(again.model, first.model)


def test_a_finished_training_is_not_repeated(cache: BagCache, whole: Fit, tmp_path: Path) -> None:
    train(cache, tmp_path)
    again = train(cache, tmp_path)
    assert again.resumed_from == 4 and same(again.model, whole.model)


def test_a_diverged_training_is_an_error(cache: BagCache, tmp_path: Path) -> None:
    learning = LEARNING.model_copy(update={"head_rate": 1e30, "backbone_rate": 1e30})
    with pytest.raises(CovidxError, match="TRAINING_DIVERGED") as caught:
        train(cache, tmp_path, learning)
    assert "Lower learning.head_rate and learning.backbone_rate" in str(caught.value)


class _Toy(Learner):
    """Logs `figures`, one an epoch; the training loss is the rate's doing."""

    logged = ("train_loss", "validation_loss", "validation_share")
    monitor, mode = "validation_share", "max"
    rate_settings = ("toy.step",)
    figures = (0.2, 0.9, 0.5)

    def __init__(self, loss: float) -> None:
        super().__init__(torch.nn.Linear(1, 1), seed=0)
        self.loss = loss

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        loss = self.model(batch).mean() * 0 + self.loss
        self.log_mean("train_loss", loss, len(batch))
        return loss

    def validation_step(self, batch: Tensor, _: int) -> None:
        self.log_mean("validation_loss", torch.tensor(float(self.current_epoch)), len(batch))
        self.log("validation_share", self.figures[self.current_epoch])
        self.log("never_declared", 1.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _toy_data() -> LightningDataModule:
    rows: Any = torch.ones(4, 1)
    return LightningDataModule.from_datasets(rows, rows, batch_size=2)


def test_a_learner_says_what_it_logs_and_which_figure_chooses_the_epoch(tmp_path: Path) -> None:
    fitted = fit_learner(_Toy(1.0), _toy_data(), 3, 3, tmp_path, bar=False)
    assert fitted.best_epoch == 1  # of the highest share, though its loss is not the lowest
    assert fitted.curves["validation_share"].tolist() == pytest.approx(_Toy.figures)
    assert set(fitted.curves) == {"epoch", *_Toy.logged}


def test_a_learner_says_which_setting_to_lower(tmp_path: Path) -> None:
    with pytest.raises(CovidxError, match="TRAINING_DIVERGED") as caught:
        fit_learner(_Toy(float("nan")), _toy_data(), 3, 3, tmp_path, bar=False)
    assert "Lower toy.step" in str(caught.value)


def test_two_trainings_in_one_folder_are_refused(cache: BagCache, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StoreError, match="IN_USE"):
        train(cache, tmp_path)


def test_nothing_reaches_the_users_stderr_and_nothing_stays_switched(
    cache: BagCache, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        train(cache, tmp_path, LEARNING.model_copy(update={"epochs": 1}))
        train(cache, tmp_path, LEARNING.model_copy(update={"epochs": 2}))  # the folder is not empty
        assert warnings.filters == filters
    assert [str(w.message) for w in caught] == []
    assert capfd.readouterr().err == ""
    assert not torch.are_deterministic_algorithms_enabled()


# --- the data


def test_collate_puts_bags_after_each_other() -> None:
    bags = [(torch.full((n, 1, 2, 2), float(n)), n) for n in (2, 1)]
    batch = collate(bags)
    assert batch.slices[:, 0, 0, 0].tolist() == [2, 2, 1]
    assert batch.sizes == [2, 1] and batch.targets.tolist() == [2, 1]


def test_bytes_become_floats_channels_last(cache: BagCache) -> None:
    found = to_tensor(cache.bag("i1").pixels)
    assert found.shape == (3, 1, 32, 32) and found.dtype == torch.float32
    assert float(found[0, 0, 5, 5]) == pytest.approx(230 / 255)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_training_bag_depends_on_seed_epoch_and_place_alone(cache: BagCache) -> None:
    items = [(f"i{k}", k % 2) for k in range(10)]

    def bags(seed: int, epoch: int) -> _TrainingBags:
        return _TrainingBags(cache, items, Augmentation(), 2, (seed, epoch))

    one, again, later = bags(0, 1), bags(0, 1), bags(0, 2)
    assert torch.equal(one[7][0], again[7][0]) and torch.equal(one[7][0], one[7][0])
    assert one[7][0].shape[0] == 2  # of three slices
    assert [i for i, _ in one.items] != [i for i, _ in later.items]
    assert sorted(later.items) == sorted(items)


def test_drawn_slices_stay_in_order_and_vary(cache: BagCache, tmp_path: Path) -> None:
    still = Augmentation(flip=False, rotation_deg=0, scale=0, shift=0, brightness=0, contrast=0)
    whole = to_tensor(cache.bag("i0").pixels)
    seen = set()
    for epoch in range(20):
        (slices, _) = _TrainingBags(cache, [("i0", 0)], still, 2, (0, epoch))[0]
        places = [
            next(k for k in range(3) if torch.allclose(part, whole[k], atol=1e-5))
            for part in slices
        ]
        assert places == sorted(places)
        seen.add(tuple(places))
    assert seen == {(0, 1), (0, 2), (1, 2)}


def test_a_small_set_is_not_dropped_as_a_lone_batch(cache: BagCache) -> None:
    data = BagData(cache, [("i0", 0), ("i1", 1), ("i2", 0)], [("i3", 1)], Augmentation(), 2, 2, 0)
    assert [b.sizes for b in data.train_dataloader()] == [[2, 2]]  # the lone third one waits
    data.batch = 8
    assert [b.sizes for b in data.train_dataloader()] == [[2, 2, 2]]
    assert [b.sizes for b in data.val_dataloader()] == [[3]]


def test_weights_that_the_last_step_spoilt_end_the_training_before_they_score(
    cache: BagCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of every step is finite; without a look at the weights all scores were NaN."""

    def spoil(self: Any, *_: object) -> None:
        if self.trainer.is_last_batch:
            with torch.no_grad():
                self.model.head.weight[0, 0] = torch.nan

    monkeypatch.setattr(BagLearner, "on_train_batch_end", spoil, raising=False)
    learning = LEARNING.model_copy(update={"epochs": 1})
    with pytest.raises(CovidxError, match="TRAINING_DIVERGED") as caught:
        train(cache, tmp_path, learning)
    assert caught.value.actual == "model.head.weight in epoch 0" and "rate" in str(
        caught.value.hint
    )


@pytest.mark.parametrize("patience", [None, 2])
def test_weights_too_large_to_score_with_end_the_training(
    cache: BagCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int | None
) -> None:
    """All weights and every training loss are finite; the difference of two logits is not."""

    def spoil(self: Any, *_: object) -> None:
        if self.trainer.is_last_batch and self.current_epoch == 1:
            with torch.no_grad():
                self.model.head.bias.copy_(torch.tensor([3e38, -3e38]))

    monkeypatch.setattr(BagLearner, "on_train_batch_end", spoil, raising=False)
    learning = LEARNING.model_copy(update={"epochs": 2, "patience": patience})
    with pytest.raises(CovidxError, match="TRAINING_DIVERGED") as caught:
        train(cache, tmp_path, learning)
    assert str(caught.value.actual).startswith("validation_loss")
    assert "in epoch 1" in str(caught.value.actual)
    assert "Lower learning.head_rate" in str(caught.value.hint)


def test_frozen_layers_come_out_of_a_training_as_they_went_in(
    cache: BagCache, tmp_path: Path
) -> None:
    learning = LEARNING.model_copy(update={"frozen_reduction": 8, "epochs": 2})
    torch.manual_seed(0)  # of the training's seed, as the learner does
    before = BagClassifier(TINY, 2, pretrained=False).state_dict()
    after = train(cache, tmp_path, learning).model.state_dict()
    early = ("backbone.conv_stem", "backbone.bn1", *(f"backbone.blocks.{n}." for n in range(3)))
    frozen = [name for name in before if name.startswith(early)]
    assert any("running_mean" in name for name in frozen)
    assert not [name for name in frozen if not after[name].equal(before[name])]
    assert not after["backbone.bn2.running_mean"].equal(before["backbone.bn2.running_mean"])
