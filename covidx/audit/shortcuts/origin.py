"""Can the origin of an image be read from the model's features, and would it pay?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from covidx.audit.data.association import Association, associations
from covidx.audit.finding import Finding
from covidx.audit.shortcuts.probes import FEWEST, linear, out_of_fold
from covidx.audit.shortcuts.ranking import LIMIT, auroc
from covidx.audit.shortcuts.scoring import Scored

COLUMNS = {"dataset": "source", "site": "site", "manufacturer": "manufacturer", "view": "view"}
"""Column of the manifest -> its name in the audit of data."""
ALPHA = 0.05
READABLE = 0.9
"""AUROC from which an origin that is read from the features is a risk, whatever its labels here.
Modelling choice: most networks' features hold traces of the device."""
UNKNOWN = "unknown"


def origin_findings(scored: Scored) -> list[Finding]:
    """One finding for each column of `scored` that names the origin of an image.

    Noted where the features predict a value (the interval of its AUROC lies above `LIMIT`) and the
    column goes with the label (Holm over the columns), or where they predict it nearly for sure
    (`READABLE`): on images where it goes with the label, it would be a shortcut.
    """
    use = (scored.rows["prepared"] == "").to_numpy()
    rows, features = scored.rows[use].reset_index(drop=True), scored.features[use]
    table = pd.DataFrame({"dataset": "audited", "unit": rows["group_id"]})
    table["label"] = rows["truth"].map({True: "positive", False: "rest"})
    for column, name in COLUMNS.items():
        table[name] = rows[column]
    tied = {one.column: one for one in associations(table)[0]}
    return [_of(column, rows, features, tied.get(name)) for column, name in COLUMNS.items()]


def _of(column: str, rows: pd.DataFrame, features: np.ndarray, tied: Association | None) -> Finding:
    name, title = f"origin_{column}", f"The image's {column}, read from the model's features"
    values = rows[column].astype(object).fillna(UNKNOWN).astype(str).to_numpy(np.str_)
    groups = rows["group_id"].to_numpy(np.str_)
    if len(set(values)) < 2:
        return Finding(name, title, "not looked at", "", "The column has one value alone.", "")
    tested = {}
    for value in sorted(set(values)):
        scores = out_of_fold(features, values == value, groups, linear)
        if scores is not None:
            tested[value] = auroc(scores, values == value, groups)
    if not tested or tied is None:
        why = f"No value is that of {FEWEST} groups or more, with as many others."
        return Finding(name, title, "cannot tell", "", why, "", decides=False)
    best = max(tested, key=lambda value: tested[value].value)
    predicted = any(area.low > LIMIT for area in tested.values())
    surely = predicted and tested[best].value >= READABLE
    p = tied.test.adjusted if tied.test.adjusted is not None else tied.test.p
    goes = p < ALPHA
    with_label = (
        f"The column goes with the label (Cramér's V {tied.estimate}, p = {p:.2g} by Holm)"
        if goes
        else f"Nothing shows that the column goes with the label (Cramér's V {tied.estimate}, "
        f"p = {p:.2g} by Holm), so that it would not help the score"
        + (" here; where it does, it is a ready shortcut: a risk" if surely else "")
    )
    risk = surely or (predicted and goes)
    return Finding(
        name,
        title,
        "note" if risk else "pass",
        "whether a logistic regression on the network's features, in five folds by group, "
        f"separates each {column} from the rest; and whether {column} goes with the label",
        f"Best separated: {best}, AUROC {tested[best]}, n = {len(rows)}, of {len(tested)} values. "
        f"{with_label}.",
        "Every network's features hold traces of the device. Where a column goes with the label, a "
        "model that uses nothing but the disease separates its values too: a hint, no proof. "
        f"{tested[best].method}.",
        f"Balance {column} over the classes, or test within one {column}."
        if predicted and goes
        else f"Test on another {column}, and train on several, each with both classes."
        if risk
        else "",
        [{column: value, "AUROC": str(one)} for value, one in tested.items()],
        tested[best],
        tied.test,
    )
