"""Names found again in text, and descriptors without them."""

from __future__ import annotations

import pytest

from covidx.ingest.words import cleaned, holds_any, holds_bytes, words_of, words_of_places


def test_words_of_a_name() -> None:
    assert words_of(["Doe-Smith^Jane^A."]) == {"doe", "smith", "jane", "doesmithjanea"}
    assert words_of(["Øberg^Zoë"]) >= {"oeberg", "zoe"}
    assert words_of(["12 34", "4711"]) == {"1234", "4711"}  # short numbers are everywhere


def test_what_stands_for_a_name_is_none() -> None:
    assert words_of(["PHANTOM^ANON-17", "REMOVED"]) == {"phantomanon17"}


def test_words_of_a_place_leave_out_what_it_is() -> None:
    assert words_of_places(["Mercy Hospital, Radiology", "12 Chest Road"]) == {
        "mercy",
        "mercyhospitalradiology",
        "12chestroad",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("JANE DOE", True),
        ("scan_of_doe", True),
        ("doeskin", False),  # a short name counts as a word alone
        ("XMUELLERX", True),
        ("Müller", True),
        ("thorax", False),
        ("", False),
    ],
)
def test_names_in_text(text: str, found: bool) -> None:
    assert holds_any(text, words_of(["Doe^Jane", "Müller"])) is found


def test_names_in_bytes() -> None:
    words = words_of(["Zwiebelfisch", "1234567", "12345678"])
    assert holds_bytes(b"\0ZWIEBELFISCH\0", words)
    assert holds_bytes("zwiebelfisch".encode("utf-16-be"), words)
    assert holds_bytes(b"9123456789", words)
    assert not holds_bytes(b"91234567", words)  # by chance


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CT Thorax 5.0 B30f", "CT Thorax 5.0 B30f"),
        ("THORAX^NATIV (Doe)", "THORAX NATIV"),
        ("chest 3mm 4711 20200401 01.04.1950", "chest 3mm"),
        ("call Dr Roe 0511/9876", ""),
        ("lung_window-axial", "lung window axial"),
    ],
)
def test_descriptors(text: str, kept: str) -> None:
    assert cleaned(text, words_of(["Doe"])) == kept
