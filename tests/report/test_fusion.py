"""What moved each score, drawn: the line between the calls, and where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.report.fusion import contributions_figure

PATIENTS = pd.DataFrame(
    {
        "label": ["covid-19", "rest"],
        "base": [0.5, 0.5],
        "image": [1.0, -1.0],
        "clinical": [0.2, -0.1],
        "of": ["a", "b"],
    }
)


@pytest.mark.filterwarnings("error")
def test_the_line_is_where_the_parts_make_up_the_threshold() -> None:
    (axes,) = contributions_figure(PATIENTS, "covid-19", 0.75).axes
    (line,) = [one for one in axes.lines if "threshold 0.75" in str(one.get_label())]
    across, up = line.get_xdata(), line.get_ydata()
    assert np.allclose(np.add(across, up) + 0.5, np.log(3))  # the odds of 0.75


@pytest.mark.filterwarnings("error")
def test_a_threshold_that_calls_everybody_lies_beyond_all() -> None:
    (axes,) = contributions_figure(PATIENTS, "covid-19", 0.0).axes
    (line,) = [one for one in axes.lines if "threshold 0.00" in str(one.get_label())]
    assert np.all(np.add(line.get_xdata(), line.get_ydata()) < axes.get_ylim()[0])
