from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from covidx.errors import CovidxError
from covidx.evaluate import OperatingPoint, Rows, wilson
from covidx.evaluate.normal_ct import ct_normal, normal_ct
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 30 (10 positive)")
ROWS = Rows.of(predictions(ref.SCORES_A, ref.TRUTH), "covid-19")
FINDING = pd.Series(np.where(ref.INDEX % 2 == 0, "normal", "abnormal")).astype(object)


def test_the_positives_with_a_normal_ct() -> None:
    said = ct_normal(pd.DataFrame({"finding": FINDING}), "finding=normal")
    found = normal_ct(ROWS, said, "finding=normal", POINT, resamples=200)
    mine = ref.TRUTH & (ref.INDEX % 2 == 0)
    one = found.rows["normal CT"]
    hits = int((ref.SCORES_A[mine] >= 0.5).sum())
    assert one["sensitivity"].n == mine.sum() == 10
    assert (one["sensitivity"].low, one["sensitivity"].high) == wilson(hits, 10)
    some = mine | ~ref.TRUTH
    expected = roc_auc_score(ref.TRUTH[some], ref.SCORES_A[some])
    assert one["auroc"].value == pytest.approx(expected)
    assert "10 such positives against 40 negatives" in one["auroc"].method
    assert found.missing == 0


def test_what_is_not_said_is_counted_and_not_normal() -> None:
    values = FINDING.where(ref.INDEX > 9)
    said = ct_normal(pd.DataFrame({"finding": values}), "finding=normal")
    found = normal_ct(ROWS, said, "finding=normal", None, resamples=100)
    assert found.missing == int(ref.TRUTH[:10].sum())
    n = sum(row["sensitivity"].n for row in found.rows.values())
    assert n == 20 - found.missing
    assert found.rows["normal CT"]["sensitivity"].reason == "there is no threshold"


@pytest.mark.parametrize(
    ("column_value", "code", "shown"),
    [
        ("finding", "NORMAL_CT_FORM", "column=value"),
        ("finding=", "NORMAL_CT_FORM", "column=value"),
        ("report=normal", "NORMAL_CT_COLUMN", "finding"),
        ("finding=clear", "NORMAL_CT_COLUMN", "abnormal, normal"),
    ],
)
def test_a_column_that_does_not_say_it(column_value: str, code: str, shown: str) -> None:
    with pytest.raises(CovidxError, match=shown) as caught:
        ct_normal(pd.DataFrame({"finding": FINDING}), column_value)
    assert caught.value.code == code
