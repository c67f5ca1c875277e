"""Counts as a person writes them."""

from __future__ import annotations


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
