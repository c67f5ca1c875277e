"""Words that name a person or a hospital, found again in text; and descriptors without them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Set
from functools import cache

__all__ = ["cleaned", "holds_any", "holds_bytes", "words_of", "words_of_places"]

SHORTEST_WORD = 3
SHORTEST_NUMBER = 4
SHORTEST_WITHIN = 5
"""Characters from which a word is also found inside a longer one."""
SHORTEST_IN_BYTES = {False: 5, True: 8}
"""Of words and of numbers, from which they do not turn up by chance."""

VOCABULARY_CIDS = (2, 29, 4009, 4031)
"""Sides, modalities and anatomy (PS3.16): what descriptors may say."""
OWN_VOCABULARY = """
    2d 3d abd abdomen angio art arterial ap ax axial bone bolus breath cap cardiac chest contrast
    cor coronal ct cta ctpa cxr delayed dose ecg enhanced exp expiration fc full gated head
    helical high hold hr hrct hres inj insp inspiration iv km kontrast kv lat lateral legs low
    lung lunge lungs lungenfenster med mediastinum mip mpr nativ native neck no non oral pa pe
    pelvis phase plain portable portal post pre protocol prone pure recon resolution retro routine
    sag sagittal scan scout sequence series sharp slice smooth soft spiral standard std supine
    thick thin thorax tissue topogram tra transversal ultra upright venous view volume weichteil
    window with without
"""
NO_NAMES = """
    anon anonym anonymized anonymous deidentified none patient phantom pseudonym removed simulated
    subject test unknown
"""
"""What stands in the place of a name."""
WORDS_OF_PLACES = """
    and center centre clinic department hospital institute klinik klinikum medical of radiologie
    radiology road street the und universitaet university
"""
KERNEL = re.compile(r"[bdhiqtu][a-z]?\d\d[a-z]?", re.IGNORECASE)
"""As Siemens names them: B30f, Br40d."""
MEASURE = re.compile(r"\d{1,2}([.,]\d{1,2})?(mm|cm|ml|s|kv)|\d[.,]\d{1,2}", re.IGNORECASE)
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa"})
SPLIT = re.compile(r"[^0-9a-z]+")


def _plain(text: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _forms(text: str) -> set[str]:
    return {_plain(text), _plain(text.casefold().translate(UMLAUTS))}


def words_of(values: Iterable[str]) -> frozenset[str]:
    """The words of names, identifiers and addresses, in the plain form in which they are sought.

    Words of the vocabulary of descriptors count too: a patient may be called Chest.
    """
    words: set[str] = set()
    for form in (form for value in values for form in _forms(value)):
        parts = [part for part in SPLIT.split(form) if part]
        words.update((*parts, "".join(parts)))
    words -= set(NO_NAMES.split())
    return frozenset(
        word
        for word in words
        if len(word) >= (SHORTEST_NUMBER if word.isdigit() else SHORTEST_WORD)
    )


def words_of_places(values: Iterable[str]) -> frozenset[str]:
    """The words that name a hospital, less those that say what it is."""
    return words_of(values) - _vocabulary() - set(WORDS_OF_PLACES.split())


def holds_any(text: str, words: Set[str]) -> bool:
    """Whether a text holds one of the words: as a word, or the longer ones anywhere."""
    if not words:
        return False
    for form in _forms(text):
        parts = [part for part in SPLIT.split(form) if part]
        whole = "".join(parts)
        if not words.isdisjoint(parts):
            return True
        if any(len(word) >= SHORTEST_WITHIN and word in whole for word in words):
            return True
    return False


def holds_bytes(data: bytes, words: Set[str]) -> bool:
    """Whether bytes hold one of the longer words in ASCII or UTF-16, in either case."""
    lower = data.lower()  # of ASCII letters alone, whatever the encoding
    return any(
        form in lower
        for word in words
        if len(word) >= SHORTEST_IN_BYTES[word.isdigit()]
        for form in (word.encode(), b"\0".join(c.encode() for c in word))
    )


@cache
def _vocabulary() -> frozenset[str]:
    from pydicom.sr.codedict import codes  # takes a tenth of a second

    words = set(OWN_VOCABULARY.split())
    for cid in VOCABULARY_CIDS:
        context = getattr(codes, f"cid{cid}")
        for name in context.dir():
            words.update(SPLIT.split(_plain(getattr(context, name).meaning)))
    return frozenset(word for word in words if len(word) > 1 and not word.isdigit())


def cleaned(text: str, words: Set[str]) -> str:
    """A descriptor's words of anatomy and technique, kernels and measures; all else is left out.

    >>> cleaned("Thorax^Doe_Jane 1.5mm B30f, 4711", frozenset({"doe"}))
    'Thorax 1.5mm B30f'
    """
    kept = [part.strip(".,") for part in re.split(r"[^0-9A-Za-z.,]+", text)]
    return " ".join(part for part in kept if _may_stay(part) and not holds_any(part, words))


def _may_stay(part: str) -> bool:
    if KERNEL.fullmatch(part) or MEASURE.fullmatch(part):
        return True
    return bool(part) and part.lower() in _vocabulary()
