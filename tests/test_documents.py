"""Reading documents: what is refused, in which words, and that the text is never touched."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.documents import MAX_BYTES, from_text, read_path, read_stream
from summarise.errors import UnreadableDocumentError, UsageError

PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\r"), min_size=1)


@given(PRINTABLE.filter(str.strip))
def test_utf8_text_comes_through_untouched(text: str) -> None:
    marked = text.startswith("\ufeff")
    document = read_stream(io.BytesIO(text.encode()))
    assert document.text == (text[1:] if marked else text)
    assert document.source == "-"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_is_not_part_of_the_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "marked.txt"
    path.write_bytes("Zoë spoke.\r\nAll left.".encode(encoding))
    document = read_path(path)
    assert document.text == "Zoë spoke.\r\nAll left."
    assert document.notes == ()


def test_another_encoding_is_guessed_and_said(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(("Le maire a déclaré que la fête était annulée à cause de la grève. " * 8).encode("cp1252"))
    document = read_path(path)
    assert "déclaré" in document.text
    assert [code for code, _ in document.notes] == ["encoding_guessed"]


def test_the_encoding_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("Fête “oui”".encode("cp1252"))
    assert read_path(path, encoding="cp1252").text == "Fête “oui”"
    with pytest.raises(UnreadableDocumentError, match="not utf-8"):
        read_path(path, encoding="utf-8")
    with pytest.raises(UsageError, match="unknown encoding"):
        read_path(path, encoding="utf-99")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \r\n\t\n", "empty"),
        (b"%PDF-1.7 and so on", "PDF.*pdftotext"),
        (b"PK\x03\x04rest", "convert"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xfe" * 40, "not text"),
        (b"words\x00words", "not text"),
        (b"words \x01\x02 words", "control characters"),
    ],
)
def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(UnreadableDocumentError, match=words) as caught:
        read_path(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 1


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocumentError, match="no such file"):
        read_path(tmp_path / "nowhere.txt")
    with pytest.raises(UnreadableDocumentError, match="is a folder"):
        read_path(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("words")
    path.chmod(0)
    with pytest.raises(UnreadableDocumentError, match="not permitted"):
        read_path(path)


def test_a_permission_error_is_said_even_to_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret.txt"
    path.write_text("words")
    monkeypatch.setattr("summarise.documents.os.open", refuse)
    with pytest.raises(UnreadableDocumentError, match="not permitted"):
        read_path(path)


def test_a_file_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(UnreadableDocumentError, match="larger than"):
        read_path(path)


def test_the_same_text_has_the_same_id_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Same words.", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Same words.", encoding="utf-16")
    assert read_path(tmp_path / "a.txt").id == read_path(tmp_path / "b.txt").id == from_text("Same words.").id


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Harbour to close\n\nThe town said so.", "Harbour to close"),
        ("The town said so. It will close.\nMore.", None),
        ("One line only", None),
        ("x" * 200 + "\nrest", None),
    ],
)
def test_a_title_is_a_short_first_line_without_a_full_stop(text: str, title: str | None) -> None:
    assert from_text(text).title == title
