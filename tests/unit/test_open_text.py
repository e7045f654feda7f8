"""Any text file, decoded in constant memory."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import SourceUnreadable
from features.sources.open_text import Line, TextFile, Utf8Reader


def _file(tmp_path: Path, data: bytes) -> TextFile:
    (tmp_path / "file.txt").write_bytes(data)
    return TextFile(tmp_path / "file.txt")


def _text(file: TextFile) -> str:
    return "".join(file.blocks())


@pytest.mark.parametrize(
    "data",
    [
        "naïve 日本\n🙂".encode(),
        b"\xef\xbb\xbf" + "naïve 日本\n🙂".encode(),
        b"\xff\xfe" + "naïve 日本\n🙂".encode("utf-16-le"),
        b"\xfe\xff" + "naïve 日本\n🙂".encode("utf-16-be"),
        "naïve 日本\r\n🙂".encode(),
        "naïve 日本\r🙂".encode(),
        gzip.compress("naïve 日本\n🙂".encode()),
        gzip.compress(b"\xef\xbb\xbf" + "naïve 日本\n".encode()) + gzip.compress("🙂".encode()),
    ],
    ids=["utf-8", "utf-8 mark", "utf-16 little", "utf-16 big", "crlf", "cr", "gz", "gz of two members"],
)
def test_encodings(tmp_path: Path, data: bytes) -> None:
    file = _file(tmp_path, data)
    assert _text(file) == "naïve 日本\n🙂"
    assert (file.n_faults, file.notes) == (0, ())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"])), encoding=st.sampled_from(["utf-8-sig", "utf-16"]))
def test_what_was_encoded_is_read_with_line_ends_as_one(tmp_path: Path, text: str, encoding: str) -> None:
    file = _file(tmp_path, f"x{text}".encode(encoding))
    expected = f"x{text}".replace("\r\n", "\n").replace("\r", "\n")
    assert _text(file) == expected
    lines = expected.removesuffix("\n").split("\n")
    assert [line.text for line in file.lines()] == lines
    assert [line.number for line in file.lines()] == list(range(1, len(lines) + 1))


@given(st.binary())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_text_that_can_be_stored(tmp_path: Path, data: bytes) -> None:
    _text(_file(tmp_path, b"x" + data)).encode()


def test_faults_become_marks_and_are_counted(tmp_path: Path) -> None:
    file = _file(tmp_path, b"good\ncaf\xe9 \xff\nlast \xc3")
    assert _text(file) == "good\ncaf\ufffd \ufffd\nlast \ufffd"
    assert (file.n_faults, file.first_fault_line) == (3, 2)
    assert file.notes == (
        "file.txt: 3 bytes are not valid text (the first near line 2) and became U+FFFD; export the file as UTF-8 to "
        "keep them.",
    )


def test_a_mark_that_the_file_holds_is_no_fault(tmp_path: Path) -> None:
    file = _file(tmp_path, "a \ufffd".encode())
    assert _text(file) == "a \ufffd"
    assert file.n_faults == 0


def test_half_a_code_unit(tmp_path: Path) -> None:
    file = _file(tmp_path, b"\xff\xfea\x00b")
    assert _text(file) == "a\ufffd"
    assert file.n_faults == 1


def test_characters_across_blocks(tmp_path: Path) -> None:
    text = "€" * 100_000 + "\r\n" + "\r\n".join(["é" * 7] * 30_000)
    file = _file(tmp_path, text.encode())
    assert _text(file) == text.replace("\r\n", "\n")
    assert max(len(block) for block in file.blocks()) <= 65_537


def test_long_lines_are_passed_over(tmp_path: Path) -> None:
    file = _file(tmp_path, b"12345\n" + b"x" * 200_000 + b"\n\nabc")
    assert list(file.lines(max_chars=6)) == [Line(1, "12345"), Line(2, None), Line(3, ""), Line(4, "abc")]
    assert list(_file(tmp_path, b"1234567").lines(max_chars=6)) == [Line(1, None)]


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")])
def test_an_empty_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SourceUnreadable, match=r"file\.txt is empty; export it again"):
        _text(_file(tmp_path, data))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"cannot be read \(No such file or directory\); check the path"):
        _text(TextFile(tmp_path / "none"))


def test_an_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"is a zip archive or an Excel workbook; .*save it as CSV"):
        _text(_file(tmp_path, b"PK\x03\x04rest"))


@pytest.mark.parametrize("cut", [20, 500, -4, -1])
def test_a_gz_that_breaks_off(tmp_path: Path, cut: int) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(100_000))
    file = _file(tmp_path, gzip.compress(lines)[:cut])
    with pytest.raises(SourceUnreadable, match=r"breaks off or is damaged after line \d+; copy or export it again"):
        _text(file)


def test_a_gz_with_a_flipped_byte(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"".join(b"line %d\n" % number for number in range(1000))))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(SourceUnreadable, match=r"breaks off or is damaged"):
        _text(_file(tmp_path, bytes(data)))


def test_reading_as_a_file_of_bytes() -> None:
    reader = Utf8Reader(iter(["abc", "", "é"]))
    assert (reader.read(2), reader.read(0), reader.read(2), reader.read(-1), reader.read(9)) == (
        b"ab",
        b"",
        b"c",
        "é".encode(),
        b"",
    )
    assert io.BytesIO(Utf8Reader(iter([])).read()).read() == b""
