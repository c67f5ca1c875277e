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


SCRIPTS = {
    "Han": "王^小明",
    "kana": "やまだ^たろう",
    "Hangul": "김^철수",
    "Cyrillic": "Йванов^Андрей",
    "Greek": "Παπαδόπουλος^Νίκος",
    "Arabic": "أحمد^سالم",
    "Hebrew": "כהן^דוד",
    "Thai": "สมชาย^ใจดี",
    "Devanagari": "कुमार^राजेश",
    "Armenian": "Պետրոսյան^Արամ",
}


@pytest.mark.parametrize("name", SCRIPTS.values(), ids=SCRIPTS)
def test_names_in_ten_scripts(name: str) -> None:
    """As written, in upper case, in one piece and within a text; other words are none."""
    words = words_of([f"Quercus^Ilex={name}"])  # the groups of PS3.5 6.2.1.1
    whole = name.replace("^", "")
    for text in (name, name.upper(), name.replace("^", " "), f"x {whole}", f"kernel_{whole}_2"):
        assert holds_any(text, words), text
    assert holds_any("quercus", words)
    for other in ("B30f", "SIEMENS", "日本", "Томск", "Αθήνα", "مستشفى", "โรงพยาบาล"):
        assert not holds_any(other, words), other
    for charset in ("utf-8", "utf-16-le", "utf-16-be"):
        assert holds_bytes(b"\0\1" + whole.encode(charset) + b"\0", words), charset


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("王^小明", "gb18030"),
        ("山田^太郎", "shift_jis"),
        ("山田^太郎", "euc_jp"),
        ("김^철수", "euc_kr"),
        ("Йванов^Андрей", "iso8859-5"),
        ("Παπαδόπουλος^Νίκος", "iso8859-7"),
        ("Müller^Jörg", "iso8859-1"),
    ],
)
def test_names_in_bytes_of_other_character_sets(name: str, charset: str) -> None:
    """Of PS3.3 C.12.1.1.2."""
    words = words_of([name])
    assert holds_bytes(b"\0" + name.replace("^", " ").encode(charset), words)
    assert not holds_bytes(bytes(range(256)), words)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WU^LI", "li wu"),
        ("Łukasz^Żak", "LUKASZ"),
        ("Øst^Bjørn", "bjorn"),
        ("Øst^Bjørn", "bjoern"),
        ("ヤマダ^タロウ", "やまだ"),  # half a name in the other kana
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ヤマダ"),  # and in half width, as ISO_IR 13 has them
        ("ILIK^Ayşe", "ılık"),
    ],
)
def test_other_spellings_of_a_name(name: str, text: str) -> None:
    assert holds_any(text, words_of([name]))
