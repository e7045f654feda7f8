"""Folders and zip archives that a stranger packed."""

from __future__ import annotations

import io
import os
import resource
import stat
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import SourceUnreadable
from features.runbook_sources import budget, read_runbooks
from features.runbook_sources.page_files import MAX_DEPTH, open_files, read_bounded, read_some


def pack(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_paths_that_leave_an_archive_and_links_are_refused(tmp_path: Path):
    archive = pack(
        tmp_path / "x.zip",
        {"../evil.md": "text", "/abs.md": "text", "C:/w.md": "text", "a\\..\\b.md": "t", "ok.md": "# Ok\ntext"},
    )
    with zipfile.ZipFile(archive, "a") as more:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        more.writestr(link, "/etc/passwd")
    result = read_runbooks(archive)
    assert [runbook.title for runbook in result.runbooks] == ["Ok"]
    assert dict(result.rejected) == dict.fromkeys(
        ("../evil.md", "/abs.md", "C:/w.md", "a/../b.md"), "its path leads out of the archive"
    ) | {"link.md": "it is a link"}


def test_a_page_that_unpacks_to_gigabytes_is_left_out(tmp_path: Path):
    archive = pack(tmp_path / "x.zip", {"bomb.md": b"a" * 50_000_000, "ok.md": "text"})
    result = read_runbooks(archive)
    assert [runbook.id for runbook in result.runbooks] == ["ok"]
    assert result.rejected == [("bomb.md", "it has more than 1000000 bytes")]


def test_an_entry_that_is_damaged_is_left_out(tmp_path: Path):
    archive = pack(tmp_path / "x.zip", {"bad.md": os.urandom(5_000), "ok.md": "text"})
    data = bytearray(archive.read_bytes())
    data[200:260] = b"\0" * 60
    archive.write_bytes(data)
    result = read_runbooks(archive)
    assert [runbook.id for runbook in result.runbooks] == ["ok"]
    assert [path for path, _ in result.rejected] == ["bad.md"]
    assert "cannot be unpacked" in result.rejected[0][1]


def test_the_folder_that_holds_all_is_no_part_of_an_id(tmp_path: Path):
    archive = pack(
        tmp_path / "x.zip", {"repo-main/a/one.md": "text", "repo-main/two.md": "text", "__MACOSX/._two.md": "x"}
    )
    folder = tmp_path / "repo"
    (folder / "a").mkdir(parents=True)
    for name in ("a/one.md", "two.md"):
        (folder / name).write_text("text")
    ids = [[runbook.id for runbook in read_runbooks(path).runbooks] for path in (archive, folder)]
    assert ids == [["a-one", "two"], ["a-one", "two"]]


def test_archives_inside_an_archive_are_opened(tmp_path: Path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("one.md", "text")
    path = pack(tmp_path / "x.zip", {"Export-Part-1.zip": inner.getvalue()})
    assert [runbook.id for runbook in read_runbooks(path).runbooks] == ["one"]
    with pytest.raises(SourceUnreadable, match=r"holds 'Export-Part-1.zip', which cannot be unpacked"):
        read_runbooks(pack(tmp_path / "y.zip", {"Export-Part-1.zip": inner.getvalue()[:-30]}))


def many_archives(path: Path, number: int) -> Path:
    inner = pack(path.with_name("inner.zip"), {"one.md": "text"}).read_bytes()
    return pack(path, {f"{each}.zip": inner for each in range(number)})


def test_archives_inside_an_archive_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SourceUnreadable, match="holds more than 100 archives; unpack them and give the folder"):
        read_runbooks(many_archives(tmp_path / "x.zip", 101))
    archive = many_archives(tmp_path / "y.zip", 3)
    monkeypatch.setattr(budget, "MAX_INNER_BYTES", (tmp_path / "inner.zip").stat().st_size * 5 // 2)
    with pytest.raises(SourceUnreadable, match="archives inside the archive have more than"):
        read_runbooks(archive)


def test_a_machine_that_can_hold_no_more_archives_is_told_of(tmp_path: Path):
    archive = many_archives(tmp_path / "x.zip", 50)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))
    try:
        with pytest.raises(SourceUnreadable, match=r"which cannot be unpacked \(.*Too many open files"):
            read_runbooks(archive)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_fails_while_it_is_read_is_told_of():
    if not Path("/proc/self/mem").exists():
        pytest.skip("needs a file that opens and cannot be read: /proc/self/mem")
    with Path("/proc/self/mem").open("rb") as file, pytest.raises(ValueError, match="it cannot be read"):
        read_some(file, 10)


def test_what_is_no_archive(tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(b"PK\3\4 not really")
    with pytest.raises(SourceUnreadable, match="is no zip archive that can be read"):
        read_runbooks(tmp_path / "x.zip")


def test_links_that_leave_a_folder_are_refused(tmp_path: Path):
    (tmp_path / "secret.md").write_text("secret")
    folder = tmp_path / "runbooks"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "ok.md").write_text("text")
    (folder / "inside.md").symlink_to(folder / "a" / "ok.md")
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.md")
    result = read_runbooks(folder)
    assert [runbook.id for runbook in result.runbooks] == ["a-ok", "inside"]
    assert dict(result.rejected) == dict.fromkeys(
        ("gone.md", "out.md", "up"), "it is a link that leads out of the folder"
    )


def test_a_folder_that_is_too_deep_is_told_of(tmp_path: Path):
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 1))
    deep.mkdir(parents=True)
    (deep / "x.md").write_text("text")
    (tmp_path / "ok.md").write_text("text")
    result = read_runbooks(tmp_path)
    assert [runbook.id for runbook in result.runbooks] == ["ok"]
    assert [reason for _, reason in result.rejected] == [f"it is more than {MAX_DEPTH} folders deep"]


@pytest.mark.parametrize("mode", [0o444, 0o111], ids=["listed only", "not listed"])
def test_a_folder_without_permission_is_told_of(mode: int):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / "ok.md").write_text("text")
        (folder / "sub").mkdir()
        (folder / "sub" / "x.md").write_text("text")
        (folder / "sub").chmod(mode)
        is_root = os.geteuid() == 0  # whom no permission stops
        if is_root:
            os.seteuid(65534)
        try:
            result = read_runbooks(folder)
        finally:
            if is_root:
                os.seteuid(0)
            (folder / "sub").chmod(0o700)
    assert [runbook.id for runbook in result.runbooks] == ["ok"]
    assert result.rejected == [("sub/", "it cannot be read (Permission denied)")]
    assert result.may_be_rejected("sub-x")


def test_names_that_differ_only_in_bytes_that_are_no_text_get_one_id(tmp_path: Path):
    for name in (b"caf\xe9.md", b"caf\xea.md"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("text")
    result = read_runbooks(tmp_path)
    assert [runbook.id for runbook in result.runbooks] == ["caf"]
    assert [reason for _, reason in result.rejected] == [
        "its id 'caf' is that of caf.md; give it an id in front matter"
    ]


def test_a_file_that_went_away_is_told_of(tmp_path: Path):
    (tmp_path / "x.md").write_text("text")
    with open_files(tmp_path) as files:
        (tmp_path / "x.md").unlink()
        with pytest.raises(ValueError, match="it cannot be read"):
            read_bounded(files, "x.md", 10)


@given(damage=st.lists(st.tuples(st.integers(0, 5_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_archive_damaged_anywhere_is_read_or_reported(tmp_path: Path, damage: list[tuple[int, bytes]]):
    archive = pack(tmp_path / "x.zip", {"a/one.md": "# One\n\nRestart it.\n" * 20, "two.md": "# Two\n\nDrain it."})
    data = bytearray(archive.read_bytes())
    for at, new in damage:
        data[at % len(data) : at % len(data) + len(new)] = new
    archive.write_bytes(data)
    with suppress(SourceUnreadable):
        result = read_runbooks(archive)
        assert len(result.runbooks) + len(result.rejected) <= 4
        # A damaged name may be any, "//one.md" too; but none tells where the archive lies.
        assert all(str(tmp_path) not in path and reason for path, reason in result.rejected)
