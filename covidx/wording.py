"""Counts and lists of names as a person writes them."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural.

    Parameters
    ----------
    number : int
        How many; 1 takes the singular, all others, 0 among them, the plural.
    noun : str
        In the singular; its plural ends in s.

    Examples
    --------
    >>> counted(1, "file"), counted(12, "file")
    ('1 file', '12 files')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Iterable[object], most: int = 10) -> str:
    """Names with commas between them, the first `most` of them and how many there are besides.

    Parameters
    ----------
    names : iterable
        What is listed, in its order; each as its text.
    most : int
        How many are named.

    Examples
    --------
    >>> listed("abc"), listed("abc", 2)
    ('a, b, c', 'a, b and 1 more')
    """
    texts = [str(name) for name in names]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if texts[most:] else "")
