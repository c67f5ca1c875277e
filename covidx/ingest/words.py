"""Words that name a person or a hospital, found again in text; and descriptors without them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Set
from functools import cache, lru_cache

SHORTEST_WORD = 2
SHORTEST_OF_PLACES = 3
SHORTEST_NUMBER = 4
SHORTEST_WITHIN = 5
"""Characters from which a word is also found inside a longer one."""
SHORTEST_IDEOGRAPHS = 2
"""Of them from which that holds for ideographs."""
SHORTEST_FORM = 4
"""Bytes from which a name that is not Latin does not turn up by chance."""
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
    subject test unknown dr mr mrs ms prof
"""
"""What stands in the place of a name, or before many."""
DEFINED_TERMS = ("CT", "MR", "CR", "DX", "PA", "AP", "LL", "RL", "HU", "US")
"""Values of the standard that are names as well, such as Hu; none where it asks for them."""
WORDS_OF_PLACES = """
    and center centre clinic department hospital institute klinik klinikum medical of radiologie
    radiology road street the und universitaet university
"""
KERNEL = re.compile(r"[bdhiqtu][a-z]?\d\d[a-z]?", re.IGNORECASE)
"""As Siemens names them: B30f, Br40d."""
MEASURE = re.compile(r"\d{1,2}([.,]\d{1,2})?(mm|cm|ml|s|kv)|\d[.,]\d{1,2}", re.IGNORECASE)
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa"})
STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})
"""Letters of the Latin script that Unicode does not decompose."""
KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
"""Hiragana to katakana: a name may be spelt in either."""
FIRST_IDEOGRAPH = "\u2e80"
"""From here on a letter is a syllable or a word (Han, kana, Hangul)."""
SPLIT = re.compile(r"[^0-9a-z]+")
CHARSETS = (
    *("utf-8", "utf-16-le", "utf-16-be", "gb18030", "shift_jis", "euc_jp", "euc_kr"),
    *(f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15)),
)
"""Of names that are not ASCII (PS3.3 C.12.1.1.2)."""


def _plain(text: str) -> str:
    """Lower case without accents, in one spelling (Unicode NFKC)."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(STROKES))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return unicodedata.normalize("NFKC", bare).translate(KATAKANA)


@lru_cache(maxsize=4096)
def _forms(text: str) -> tuple[tuple[str, ...], ...]:
    """The words of a text in each form in which they are sought: letters, marks and digits."""
    lower = text.casefold()
    forms = {_plain(text), _plain(lower.translate(UMLAUTS))}
    return tuple(_parts(form) for form in sorted(forms))


def _parts(form: str) -> tuple[str, ...]:
    if form.isascii():
        return tuple(part for part in SPLIT.split(form) if part)
    kept = (c if unicodedata.category(c)[0] in "LNM" else " " for c in form)
    return tuple("".join(kept).split())


def _is_ideographic(word: str) -> bool:
    return max(word) >= FIRST_IDEOGRAPH


def words_of(values: Iterable[str], shortest: int = SHORTEST_WORD) -> frozenset[str]:
    """The words of names, identifiers and addresses, in the plain form in which they are sought.

    Words of the vocabulary of descriptors count too: a patient may be called Chest. Of a name in
    several scripts (PS3.5 6.2.1.1), those of each are sought.

    Parameters
    ----------
    values : iterable of str
        Names, identifiers and addresses.
    shortest : int
        Letters from which a word counts; a single ideograph or syllable always does.
    """
    return _words_of(tuple(values), shortest)


@lru_cache(maxsize=1024)
def _words_of(values: tuple[str, ...], shortest: int) -> frozenset[str]:
    words: set[str] = set()
    for group in (group for value in values for group in value.split("=")):
        for parts in _forms(group):
            words.update((*parts, "".join(parts)))
        parts = _parts(unicodedata.normalize("NFC", group.lower()))
        words.update((*parts, "".join(parts)))  # as bytes may have it, accents and all
    words -= {"", *NO_NAMES.split()}
    return frozenset(
        word
        for word in words
        if _is_ideographic(word) or len(word) >= (SHORTEST_NUMBER if word.isdigit() else shortest)
    )


def words_of_places(values: Iterable[str]) -> frozenset[str]:
    """The words in `values` that name a hospital, less those that say what it is."""
    words = words_of(values, SHORTEST_OF_PLACES) - _vocabulary()
    return words - set(WORDS_OF_PLACES.split())


def holds_any(text: str, words: Set[str]) -> bool:
    """Whether `text` holds one of the `words`: as a word, or the longer ones anywhere."""
    if not words or not text:
        return False
    for parts in _forms(text):
        if not words.isdisjoint(parts):
            return True
        whole = "".join(parts)
        if any(word in whole for word in words if len(word) >= _shortest_within(word)):
            return True
    return False


def _shortest_within(word: str) -> int:
    return SHORTEST_IDEOGRAPHS if _is_ideographic(word) else SHORTEST_WITHIN


def holds_bytes(data: bytes, words: Set[str]) -> bool:
    """Whether `data` hold one of the longer `words`, of either case."""
    lower = data.lower()  # of ASCII letters alone, whatever the encoding
    return any(form in lower for word in words for form in _encoded(word))


@lru_cache(maxsize=4096)
def _encoded(word: str) -> tuple[bytes, ...]:
    if word.isascii():
        if len(word) < SHORTEST_IN_BYTES[word.isdigit()]:
            return ()
        return word.encode(), b"\0".join(c.encode() for c in word)
    if len(word) < (SHORTEST_IDEOGRAPHS if _is_ideographic(word) else SHORTEST_FORM):
        return ()
    spelt = {word, word.upper(), word.capitalize()}
    found = {_in_charset(one, charset).lower() for one in spelt for charset in CHARSETS}
    return tuple(form for form in found if len(form) >= SHORTEST_FORM)


def _in_charset(word: str, charset: str) -> bytes:
    try:
        return word.encode(charset)
    except UnicodeEncodeError:
        return b""


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

    Parameters
    ----------
    text : str
        A descriptor, such as a series description.
    words : set of str
        Words of names, which are left out.
    """
    kept = [part.strip(".,") for part in re.split(r"[^0-9A-Za-z.,]+", text)]
    return " ".join(part for part in kept if _may_stay(part) and not _names(part, words))


def _names(part: str, words: Set[str]) -> bool:
    """Of the vocabulary, two letters such as AX are technique, whoever is called so."""
    return len(part) > SHORTEST_WORD and holds_any(part, words)


def _may_stay(part: str) -> bool:
    if KERNEL.fullmatch(part) or MEASURE.fullmatch(part):
        return True
    return bool(part) and part.lower() in _vocabulary()
