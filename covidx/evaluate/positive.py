"""Which class is the positive one, where the user does not say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from covidx.errors import InvalidInputError

USUAL_POSITIVE = "covid-19"
_POSITIVE = re.compile(r"(covid|ncov|sars)[a-z0-9-]*|true|yes|pos|positive|[a-z0-9-]+-pos(itive)?")
_NEGATIVE = re.compile(
    r"0(\.0+)?|false|no|neg|negative|[a-z0-9-]+-neg(ative)?|(non|no|not)-.+|noncovid.*|normal"
    r"|healthy|control|rest|other|others|none|well|without-.+|covid-free"
)
"""Names that say which class is positive, and which is not, without case and with hyphens."""


def positive_class(classes: Sequence[str]) -> str:
    """The positive class by its name.

    ``covid-19`` where there is one; else the only class whose name says so (positive, yes, true,
    covid...); else, of two classes, the one whose counterpart's name says that it is not (0,
    negative, normal, rest...).

    Parameters
    ----------
    classes : sequence of str
        At least one.

    Raises
    ------
    InvalidInputError
        ``POSITIVE_UNKNOWN`` where names do not decide: nothing is guessed from their order.

    Examples
    --------
    >>> positive_class(["0", "1"]), positive_class(["tb", "rest"])
    ('1', 'tb')
    """
    plain = {name: re.sub(r"[\s_]+", "-", name.strip().casefold()) for name in classes}
    no = [name for name in classes if _NEGATIVE.fullmatch(plain[name])]
    yes = [name for name in classes if _POSITIVE.fullmatch(plain[name]) and name not in no]
    if USUAL_POSITIVE in classes:
        return USUAL_POSITIVE
    if len(yes) == 1:
        return yes[0]
    if len(classes) == 2 and len(no) == 1 and not yes:
        return next(name for name in classes if name not in no)
    raise InvalidInputError(
        "POSITIVE_UNKNOWN",
        "The names of the classes do not say which one is positive.",
        expected=f"one of {', '.join(classes)}",
        hint="Name it with --positive.",
    )
