"""How well the images are ranked under each condition, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.audit.finding import RULED_OUT, Finding, Verdict
from covidx.audit.shortcuts.conditions import HULL_MARGIN, RING, SIGMA, TEXT_ZONE
from covidx.audit.shortcuts.probes import FEWEST, forest, out_of_fold
from covidx.audit.shortcuts.scoring import Scored
from covidx.evaluate import Clusters, Estimate, auroc_estimate, paired_difference
from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.deferred import Deferred, compute
from covidx.evaluate.weighted import auroc_statistic
from covidx.wording import counted

LIMIT = 0.6
"""AUROC that an interval must lie above to be a fault: 0.5 knows nothing, and what is left
of a chest without its lungs may be slightly informative."""
RESAMPLES = 2000
ELSEWHERE = (
    "The classes differ outside of the lungs, and the {learner} uses it. Look for how (markers, "
    "tubes, posture, crop, scanner; covidx audit data for the columns), mask or balance it, train "
    "again, and test on another hospital."
)
NO_LUNGS = (
    "Nothing finds the lungs of these images. Name masks (--masks, as covidx segment writes them) "
    "or a bundle that segments lungs and was trained on other patients (--segmenter)."
)
YARDSTICK = (
    "how well the model ranks the images as they are, the yardstick for what follows: an AUROC of "
    "0.5 is chance, 1 sets the classes apart"
)
HULL = (
    f"by slice, the convex hull of both, dilated by {HULL_MARGIN:.0%} of the longer side, so that "
    "no lesion's outline remains"
)
REACHING = (
    " The lungs are not known: on radiographs with lung annotations they make up about 2 % of "
    "this border."
)
BLURRED = (
    f"the image blurred (Gaussian, sigma {SIGMA:.0%} of the longer side): fine texture is gone, "
    "gross greys remain"
)
TEXT = (
    f"small bright parts within {TEXT_ZONE:.0%} of the edge and outside of the lungs, as burnt-in "
    "letters and markers are, filled from their surroundings"
)
MISSED = "Large, dim or dark letters escape, and letters over the lungs; ends of bones may count."
NO_SKILL = (
    "Not even the unchanged images are shown to be ranked better than by chance (the interval "
    "holds 0.5): where there is no skill, nothing shows what it would rest on."
)
WIDE = (
    f"The interval reaches {RULED_OUT}: a shortcut that separates the classes well cannot be ruled "
    "out."
)
MORE = "Audit the model on more patients of both classes."


@dataclass(frozen=True, eq=False)
class Ranked:
    """One condition.

    Parameters
    ----------
    estimate, unchanged : Estimate
        AUROC under the condition, and of the unchanged images, the same ones.
    n : str
        Which these are, in words.
    scores : ndarray, shape (rows,)
        Of the positive class, 0 to 1.
    rows : DataFrame
        Those that have a score.
    """

    estimate: Estimate
    unchanged: Estimate
    n: str
    scores: NDArray[np.float64]
    rows: pd.DataFrame

    @property
    def skill(self) -> bool:
        """Whether the model is shown to rank the unchanged images better than by chance."""
        return self.unchanged.low > 0.5  # False for NaN

    @property
    def text(self) -> str:
        """The figures in words."""
        return f"AUROC {self.estimate}, {self.n}; the unchanged images {self.unchanged}"


def auroc(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], groups: NDArray[np.str_]
) -> Estimate:
    """As `evaluate`: DeLong's interval, or the bootstrap where a group has several images.

    Parameters
    ----------
    scores : ndarray of float, shape (rows,)
        Of the positive class.
    truth : ndarray of bool, shape (rows,)
        Class.
    groups : ndarray of str, shape (rows,)
        Patients, or what else is not independent.
    """
    clusters = Clusters.of(groups)
    if not clusters.several_rows:
        return auroc_estimate(scores, truth)
    rarer = clusters.rarer(truth)
    waiting = Deferred(auroc_statistic(scores, truth, clusters), len(truth), rarer, ONE_CLASS)
    return compute({"auroc": waiting}, clusters, seed=0, resamples=RESAMPLES)["auroc"]


def rank(scored: Scored, scores: NDArray[np.float64], positive: str) -> Ranked:
    """AUROC of the rows that have a score.

    Parameters
    ----------
    scored : Scored
        Every image under every condition.
    scores : ndarray, shape (rows,)
        NaN of a row that is left out.
    positive : str
        Name of the positive class.
    """
    known = ~np.isnan(scores)
    rows = scored.rows[known]
    truth, groups = rows["truth"].to_numpy(np.bool_), rows["group_id"].to_numpy(np.str_)
    images, patients = len(rows), rows["patient_id"].nunique()
    of = (
        f"n = {images}"
        if images == patients
        else f"n = {counted(images, 'image')} of {counted(patients, 'patient')}"
    )
    return Ranked(
        auroc(scores[known], truth, groups),
        auroc(rows["unchanged"].to_numpy(np.float64), truth, groups),
        f"{of}, {int(truth.sum())} {positive}",
        scores[known],
        rows,
    )


def ranking_findings(scored: Scored, positive: str, masker: bool) -> list[Finding]:
    """The conditions, and the classifier trained on the border alone.

    Parameters
    ----------
    scored : Scored
        Every image under every condition.
    positive : str
        Name of the positive class.
    masker : bool
        Whether lungs were searched for.
    """

    def of(name: str) -> Ranked:
        return rank(scored, scored.rows[name].to_numpy(np.float64), positive)

    rim = f"the outer {RING:.0%} of each side, " + (
        "the hull of the lungs left out" if masker else "lungs and all"
    )
    lungs = {
        "lungs_out": ("Without the lungs", f"what is left when the lungs are black: {HULL}"),
        "lungs_only": ("The lungs alone", "the lungs by their mask, all else black"),
    }
    border = ("The border alone", f"what the model makes of {rim}, all else black")
    trained = (
        "A classifier trained on the border",
        f"whether any model could separate the classes by {rim}: a random forest on its greys, "
        "in five folds by group",
    )
    doubt = "" if masker else REACHING
    return [
        _reported("whole_image", ("The whole image", YARDSTICK), of("unchanged")),
        _limited("lungs_out", lungs["lungs_out"], of("lungs out"))
        if masker
        else _not_looked_at("lungs_out", lungs["lungs_out"], NO_LUNGS),
        _limited("border_only", border, of("border only"), doubt),
        _border_trained(scored, positive, trained, doubt),
        _reported("lungs_only", lungs["lungs_only"], of("lungs only"))
        if masker
        else _not_looked_at("lungs_only", lungs["lungs_only"], NO_LUNGS),
        _reported("low_pass", ("Without fine structure", BLURRED), of("low-pass")),
        _text(of("text masked"), positive),
    ]


def _not_looked_at(name: str, question: tuple[str, str], why: str) -> Finding:
    return Finding(name, question[0], "not looked at", question[1], why, "")


def _cannot_tell(
    name: str,
    question: tuple[str, str],
    found: str,
    why: str = "",
    estimate: Estimate | None = None,
) -> Finding:
    """A question that was looked at, and to which these images have no answer."""
    return Finding(
        name, question[0], "cannot tell", question[1], found, why, MORE, estimate=estimate
    )


def _reported(name: str, question: tuple[str, str], ranked: Ranked) -> Finding:
    """A condition that is reported and cannot fail; `question` is (title, what is looked for)."""
    estimate = ranked.estimate
    if np.isnan(estimate.value):
        return _cannot_tell(name, question, f"There is no AUROC: {estimate.reason}.")
    sure = f"{estimate.method}. Reported; no figure here is a fault."
    text = f"AUROC {estimate}, {ranked.n}" if name == "whole_image" else ranked.text
    if not ranked.skill:
        return _cannot_tell(name, question, f"{text}.", f"{estimate.method}. {NO_SKILL}", estimate)
    return Finding(name, question[0], "pass", question[1], f"{text}.", sure, estimate=estimate)


def _limited(
    name: str, question: tuple[str, str], ranked: Ranked, doubt: str = "", learner: str = "model"
) -> Finding:
    """A fault where the interval lies above `LIMIT`."""
    estimate = ranked.estimate
    if np.isnan(estimate.low):
        return _cannot_tell(name, question, f"There is no interval: {estimate.reason}.")
    failed = estimate.low > LIMIT
    sure = f"{estimate.method}. A fault if the interval lies above {LIMIT}."
    if not failed:
        blind = learner == "model" and not ranked.skill
        if blind or estimate.high >= RULED_OUT:
            why = f"{sure} {NO_SKILL if blind else WIDE}{doubt}"
            return _cannot_tell(name, question, f"{ranked.text}.", why, estimate)
        sure += f" A shortcut worth an AUROC of up to {estimate.high:.2f} cannot be ruled out."
    return Finding(
        name,
        question[0],
        "fail" if failed else "pass",
        question[1],
        f"{ranked.text}.",
        sure + doubt,
        ELSEWHERE.format(learner=learner) if failed else "",
        estimate=estimate,
    )


def _border_trained(
    scored: Scored, positive: str, question: tuple[str, str], doubt: str
) -> Finding:
    """Not what the model does, but what the data would let any model do."""
    known = scored.rows["border only"].notna().to_numpy()
    rows = scored.rows[known]
    truth, groups = rows["truth"].to_numpy(np.bool_), rows["group_id"].to_numpy(np.str_)
    by_border = out_of_fold(scored.border[known], truth, groups, forest)
    if by_border is None:
        few = f"A class has fewer than {FEWEST} groups."
        return replace(_cannot_tell("border_trained", question, few), decides=False)
    scores = np.full(len(known), np.nan)
    scores[known] = by_border
    ranked = rank(scored, scores, positive)
    # What the data allow does not decide what the model does.
    return replace(
        _limited("border_trained", question, ranked, doubt, learner="border"), decides=False
    )


def _text(ranked: Ranked, positive: str) -> Finding:
    name, question = "text_masked", ("Without text", TEXT)
    truth, text = (ranked.rows[c].to_numpy(np.bool_) for c in ("truth", "text"))
    counts = [
        f"{int((text & side).sum())} of {int(side.sum())} {what}"
        for side, what in ((truth, positive), (~truth, "other"))
    ]
    found = f"Such parts in {counts[0]} and {counts[1]} images"
    if not len(ranked.rows):
        return _not_looked_at(name, question, "No image whose lungs are known.")
    if not text.any():
        return Finding(name, question[0], "pass", question[1], f"{found}.", MISSED)
    unchanged = ranked.rows["unchanged"].to_numpy(np.float64)
    change = paired_difference(unchanged, ranked.scores, truth, ranked.rows["group_id"])
    # No interval: all resamples agree.
    lost = change.value > 0 and not change.low <= 0
    verdict: Verdict = "note" if lost else "pass" if ranked.skill else "cannot tell"
    return Finding(
        name,
        question[0],
        verdict,
        question[1],
        f"{found}. {ranked.text}; lost {str(change).replace('-0.00', '0.00')}.",
        f"{change.method}. {MISSED}",
        "Look at these parts; remove text from the images before training." if lost else "",
        estimate=change,
    )
