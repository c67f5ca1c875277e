"""Atomic files, digests, and the lock."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from covidx.errors import StoreError
from covidx.files import (
    locked,
    make_folder,
    read_json,
    replacing,
    replacing_folder,
    sha256_bytes,
    sha256_file,
    sha256_json,
    write_json,
)

# FIPS 180-2, appendix B.1
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_digests_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_bytes(b"abc") == sha256_file(tmp_path / "abc") == ABC


def test_json_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert sha256_json({"b": 1, "a": [2]}) == sha256_json({"a": [2], "b": 1})
    assert sha256_json({"b": 1, "a": [2]}) == hashlib.sha256(b'{"a":[2],"b":1}').hexdigest()
    with pytest.raises(ValueError, match="JSON compliant"):
        sha256_json(float("nan"))


def test_replacing_puts_a_whole_file_in_place(tmp_path: Path) -> None:
    target = tmp_path / "image.nii.gz"
    target.write_text("old")
    with replacing(target) as temporary:
        assert temporary.parent == tmp_path and temporary.name.endswith(".nii.gz")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing_folder(tmp_path / "new") as temporary:
        (temporary / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_never_replaces_one_with_content(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "kept").write_text("kept")
    with (
        pytest.raises(StoreError, match="FOLDER_TAKEN"),
        replacing_folder(tmp_path / "old") as temporary,
    ):
        (temporary / "new").write_text("new")
    assert [p.name for p in tmp_path.rglob("*")] == ["old", "kept"]


def test_json_round_trip_keeps_order_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, None], "a": "ä"})
    assert list(read_json(tmp_path / "a.json").items()) == [("b", [1, None]), ("a", "ä")]
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json")["b"] == [1, None]


@pytest.mark.parametrize("content", [None, "{", "\x00"])
def test_unreadable_json_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StoreError, match="UNREADABLE") as caught:
        read_json(path)
    assert caught.value.path == str(path)


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="UNWRITABLE"):
        make_folder(tmp_path / "file" / "folder")


def test_a_folder_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(StoreError, match="UNWRITABLE"):
        make_folder(tmp_path)


def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from covidx.files import locked\n"
        f"with locked(Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="IN_USE"), locked(tmp_path):
            pass
        other.kill()  # a lock of a dead process holds nobody up
        other.wait()
        with locked(tmp_path):
            pass
