"""One suite over every reader of runbooks: import again, keep ids, remove what is gone, report what is bad."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import SourceUnreadable
from features.history import History
from features.runbook_sources import KINDS, budget, open_source, read_runbooks
from features.runbook_sources.base import FoundRunbook, RejectedPage
from features.runbook_sources.budget import Budget
from features.runbook_sources.page_files import MAX_DEPTH
from features.runbooks import Runbook

Pages = Mapping[str, tuple[str, str]]
"""Title and text by a short name of the page; a blank text makes the page unusable."""

FIRST: Pages = {"a": ("Sync stalls", "Restart it."), "b": ("Queue full", "Drain it."), "c": ("DNS", "Wait.")}
SECOND: Pages = {
    "a": ("Sync hangs", "Restart it."),
    "b": ("Queue full", "Drain it."),
    "d": ("Disk", "Grow it."),
    "e": ("Bad", ""),
}


def number(name: str) -> int:
    return ord(name)


def markdown(pages: Pages) -> dict[str, str]:
    return {f"{name}.md": f"# {title}\n\n{text}\n" for name, (title, text) in pages.items()}


def front_matter(pages: Pages) -> dict[str, str]:
    """Files move with their title; the id in front matter is what stays."""
    return {
        f"{title}/{name}.md": f"---\nid: rb-{name}\ntitle: {title}\n---\n{text}\n"
        for name, (title, text) in pages.items()
    }


def notion(pages: Pages) -> dict[str, str]:
    return {f"{title} {number(name):032x}.md": f"# {title}\n\n{text}\n" for name, (title, text) in pages.items()}


def confluence_html(pages: Pages) -> dict[str, str]:
    return {
        f"{title.replace(' ', '-')}_{number(name)}.html": (
            '<html><body><ol id="breadcrumbs"><li class="first"><a href="index.html">Ops</a></li></ol>'
            f'<span id="title-text">Ops : {title}</span><div id="main-content"><p>{text}</p></div></body></html>'
        )
        for name, (title, text) in pages.items()
    }


def confluence_xml(pages: Pages) -> dict[str, str]:
    objects = "".join(
        f'<object class="Page"><id name="id">{number(name)}</id><property name="title">{title}</property></object>'
        f'<object class="BodyContent"><id name="id">1{number(name)}</id><property name="body"><![CDATA[<p>{text}</p>]]>'
        f'</property><property name="content" class="Page"><id name="id">{number(name)}</id></property></object>'
        for name, (title, text) in pages.items()
    )
    return {"entities.xml": f"<hibernate-generic>{objects}</hibernate-generic>"}


Export = Callable[[Pages], dict[str, str]]
EXPORTS: list[Export] = [markdown, front_matter, notion, confluence_html, confluence_xml]


def write(target: Path, files: Mapping[str, str]) -> Path:
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return target
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return target


@pytest.mark.parametrize("suffix", ["", ".zip"])
@pytest.mark.parametrize("export", EXPORTS)
def test_import_again_updates_removes_and_keeps_ids(export: Export, suffix: str, tmp_path: Path):
    first = read_runbooks(write(tmp_path / f"first{suffix}", export(FIRST)))
    second = read_runbooks(write(tmp_path / f"second{suffix}", export(SECOND)))
    assert [reason for _, reason in second.rejected] == ["it has no text below its headings"]
    with closing(History.open(f"sqlite:///{tmp_path}/history.db")) as history:
        assert history.replace_runbooks(first.runbooks).added == 3
        assert history.replace_runbooks(first.runbooks).unchanged == 3
        ids = {runbook.title: runbook.id for runbook in history.runbooks()}
        changes = history.replace_runbooks(second.runbooks)
        assert (changes.added, changes.updated, len(changes.removed), changes.unchanged) == (1, 1, 1, 1)
        now = {runbook.title: runbook.id for runbook in history.runbooks()}
    assert now.keys() == {"Sync hangs", "Queue full", "Disk"}
    assert (now["Sync hangs"], now["Queue full"]) == (ids["Sync stalls"], ids["Queue full"])


@pytest.mark.parametrize("export", EXPORTS)
def test_the_command_line_tells_what_it_did(export: Export, precedent: Any, tmp_path: Path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "precedent.toml").write_text('encoder = "hashing"\n')
    at = ["--workspace", tmp_path / "ws", "--json"]
    assert precedent("import", "runbooks", write(tmp_path / "first", export(FIRST)), *at).code == 0
    done = precedent("import", "runbooks", write(tmp_path / "second.zip", export(SECOND)), *at)
    told = json.loads(done.out)
    assert done.code == 0
    assert (told["read"], told["added"], told["updated"], len(told["removed"]), told["unchanged"]) == (3, 1, 1, 1, 1)
    assert told["source"] == export.__name__.split("_")[0].replace("front", "markdown")
    assert [each["reason"] for each in told["rejected"]] == ["it has no text below its headings"]
    nothing = precedent("import", "runbooks", write(tmp_path / "bad", export({"e": ("Bad", "")})), *at[:2])
    assert nothing.code == 1
    assert "The history is left as it was" in nothing.err
    with closing(History.open(f"sqlite:///{tmp_path}/ws/history.db")) as history:
        assert len(history.runbooks()) == 3


@pytest.mark.parametrize("export", EXPORTS)
def test_a_page_that_turned_bad_keeps_what_is_stored(export: Export, precedent: Any, tmp_path: Path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "precedent.toml").write_text('encoder = "hashing"\n')
    at = ["--workspace", tmp_path / "ws"]
    assert precedent("import", "runbooks", write(tmp_path / "first", export(FIRST)), *at).code == 0
    second = write(tmp_path / "second", export({"a": FIRST["a"], "b": ("Queue full", "")}))
    done = precedent("import", "runbooks", second, *at)
    with closing(History.open(f"sqlite:///{tmp_path}/ws/history.db")) as history:
        stored = {runbook.title: runbook for runbook in history.runbooks()}
    assert stored.keys() == {"Sync stalls", "Queue full"}
    assert stored["Queue full"].sections[0].text == "Drain it."
    kept = stored["Queue full"].id
    assert f"Kept as stored, since their files were rejected: {kept}." in done.err
    again = json.loads(precedent("import", "runbooks", second, *at, "--json").out)
    assert (again["kept"], again["removed"], again["unchanged"]) == ([kept], [], 1)


@pytest.mark.parametrize(
    "bad",
    [
        b"---\nid: rb-7\nlast_reviewed: January\n---\ntext",
        b"---\r\nid: 'rb-7' # kept\r\ntags: [dns\r\n---\r\ntext",
        b"---\nid: rb-7\n---\ncaf\xe9",
        b"---\nid: rb-7\n---\n" + b"x" * 1_000_000,
    ],
)
def test_a_rejected_file_is_known_by_the_id_in_its_front_matter(bad: bytes, tmp_path: Path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "dns.md").write_bytes(bad)
    read = read_runbooks(tmp_path)
    known = [each for each in ("rb-7", "net-dns", "dns", "rb-8") if read.may_be_rejected(each)]
    assert (known, read.runbooks) == (["rb-7", "net-dns"], [])


def test_ids_below_a_folder_that_is_not_read_may_be_rejected(tmp_path: Path):
    deep = tmp_path.joinpath("net", *["d"] * MAX_DEPTH)
    deep.mkdir(parents=True)
    (tmp_path / "ok.md").write_text("text")
    read = read_runbooks(tmp_path)
    below = "net-" + "d-" * (MAX_DEPTH - 1)
    assert [each for each in (f"{below}d-x", "net-d-x", "ok") if read.may_be_rejected(each)] == [f"{below}d-x"]


def test_a_kind_can_be_told(tmp_path: Path, precedent: Any):
    folder = write(tmp_path / "mixed", notion(FIRST))
    assert read_runbooks(folder).kind == "notion"
    assert read_runbooks(folder, kind="markdown").runbooks[0].id.startswith("dns-0000")
    with pytest.raises(SourceUnreadable, match="holds no page of confluence runbooks; check the path and --source"):
        read_runbooks(folder, kind="confluence")
    with pytest.raises(
        SourceUnreadable, match="no source 'wiki' of runbooks; choose one of markdown, confluence, notion"
    ):
        read_runbooks(folder, kind="wiki")
    done = precedent("import", "runbooks", folder, "--base-url", "wiki", "--workspace", tmp_path / "ws")
    assert done.code != 0
    assert "The base URL 'wiki' is not an address of the web" in done.err


@pytest.mark.parametrize("files", [{}, {"a.txt": "text"}, {"index.html": "<p>text"}, {"page_1.html": "<p>text"}])
def test_what_is_no_library_is_told(tmp_path: Path, files: dict[str, str]):
    (tmp_path / "x").mkdir()
    with pytest.raises(
        SourceUnreadable, match=r"holds neither Markdown files .* nor an export of Confluence or Notion"
    ):
        read_runbooks(write(tmp_path / "x", files))


@pytest.mark.parametrize("suffix", ["", ".zip"])
@pytest.mark.parametrize("export", EXPORTS)
def test_pages_together_are_bounded(export: Export, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pages = {name: (f"Page {name}", "word " * 1_000) for name in "abcdefgh"}
    library = write(tmp_path / f"x{suffix}", export(pages))
    assert len(read_runbooks(library).runbooks) == 8
    monkeypatch.setattr(budget, "MAX_PAGE_BYTES", 30_000)
    with pytest.raises(SourceUnreadable, match="pages have more than 30000 bytes together; give only the part"):
        read_runbooks(library)


class MemoryFiles:
    """Files held in memory."""

    refused = ()

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.names = tuple(sorted(files))
        self.budget = Budget()

    def open(self, name: str) -> IO[bytes]:
        return io.BytesIO(self._files[name])


PIECES = st.sampled_from(
    b"""---^id: a^# T^Owner: x^<p>^</p>^<![CDATA[^]]>^<ac:link>^<ri:page/>^\xff^\0^<hibernate-generic>
    ^</hibernate-generic>^<object class='Page'>^</object>^<id name='id'>1</id>
    ^<property name='body'>^</property>^<div id='main-content'>
    ^[a](b)^|a|b|^|-|-|^text^&x;^
""".split(b"^")
)
DATA = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"\n".join))
NAMES = {"markdown": "a.md", "notion": f"A {1:032x}.md", "confluence": "A_1.html", "confluence xml": "entities.xml"}


@pytest.mark.parametrize("form", NAMES)
@given(data=DATA)
def test_any_bytes_are_read_or_reported(form: str, data: bytes):
    def pages() -> Iterator[FoundRunbook | RejectedPage]:
        files = MemoryFiles({NAMES[form]: data})
        return open_source(form.split()[0], files, "https://w.example", None).pages()

    try:
        found = list(pages())
    except SourceUnreadable:
        assert form == "confluence xml", "only an export in one file can be unreadable as a whole"
        return
    for page in found:
        if isinstance(page, RejectedPage):
            assert page.reason.startswith("it")
        else:
            assert_storable(page.runbook)


def assert_storable(runbook: Runbook) -> None:
    assert runbook.id
    assert any(section.text for section in runbook.sections)
    texts = [runbook.id, runbook.title, runbook.owner or "", *runbook.links, *runbook.services]
    texts += [text for section in runbook.sections for text in (section.heading, section.text, section.anchor)]
    assert not any("\0" in text for text in texts)
    "".join(texts).encode()


def test_every_kind_is_in_the_suite():
    assert {form.split()[0] for form in NAMES} == set(KINDS)


def test_a_second_library_replaces_the_first_only_when_told_to(precedent: Any, tmp_path: Path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "precedent.toml").write_text('encoder = "hashing"\n')
    at = ["--workspace", tmp_path / "ws"]
    for name in ("wiki", "ops"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.md").write_text(f"# {name}\nRestart it.")
    assert precedent("import", "runbooks", tmp_path / "wiki", *at).code == 0

    refused = precedent("import", "runbooks", tmp_path / "ops", *at)
    assert refused.code == 1
    assert 'None of the 1 stored runbooks of the library "main" is in' in refused.err
    nameless = precedent("import", "runbooks", tmp_path / "ops", "--library", " ", *at)
    assert nameless.code == 2
    assert "--library has no name" in nameless.err

    added = json.loads(precedent("import", "runbooks", tmp_path / "ops", "--library", "ops", *at, "--json").out)
    assert (added["library"], added["added"], added["removed"]) == ("ops", 1, [])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "new.md").write_text("# New\nRestart it.")
    replaced = json.loads(precedent("import", "runbooks", tmp_path / "notes", "--replace", *at, "--json").out)
    assert (replaced["added"], replaced["removed"]) == (1, ["wiki"])


def test_each_library_is_updated_and_cleared_by_itself(precedent: Any, tmp_path: Path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "precedent.toml").write_text('encoder = "hashing"\n')
    pages = {"wiki": ["README", "kafka", "redis"], "ops": ["README", "sev", "pager"]}
    for name, stems in pages.items():
        (tmp_path / name).mkdir()
        for stem in stems:
            (tmp_path / name / f"{stem}.md").write_text(f"# {stem} of {name}\nRestart it.")

    def run(name: str, *more: str) -> Any:
        return precedent(
            "import", "runbooks", tmp_path / name, "--library", name, "--workspace", tmp_path / "ws", *more
        )

    assert run("wiki").code == 0
    first = json.loads(run("ops", "--json").out)
    assert (first["added"], [each["path"] for each in first["rejected"]]) == (2, ["readme"])
    assert 'its id is one of the library "wiki"' in first["rejected"][0]["reason"]
    (tmp_path / "ops" / "sev.md").rename(tmp_path / "sev.md")
    (tmp_path / "ops" / "pager.md").rename(tmp_path / "pager.md")
    nothing = run("ops", "--replace")  # but the page whose id is the other's
    assert (nothing.code, "The history is left as it was, since no page could be used." in nothing.err) == (1, True)
    (tmp_path / "sev.md").rename(tmp_path / "ops" / "sev.md")
    again = run("ops")
    assert "0 new, 0 changed, 1 removed, 1 as they were, 1 rejected" in again.out
    assert "Removed: pager." in again.err
    assert (json.loads(run("wiki", "--json").out)["unchanged"], json.loads(run("ops", "--json").out)["removed"]) == (
        3,
        [],
    )


def test_a_readme_does_not_make_two_libraries_one(precedent: Any, tmp_path: Path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "precedent.toml").write_text('encoder = "hashing"\n')
    libraries = {"readme": ["README"], "wiki": ["README", "kafka"], "ops": ["README", "sev"]}
    for library, names in libraries.items():
        (tmp_path / library).mkdir()
        for name in names:
            (tmp_path / library / f"{name}.md").write_text(f"# {name}\nRestart it.")

    def run(library: str) -> Any:
        return precedent("import", "runbooks", tmp_path / library, "--workspace", tmp_path / "ws")

    assert [run(library).code for library in ("readme", "readme", "wiki", "wiki")] == [0, 0, 0, 0]
    refused = run("ops")
    assert refused.code == 1
    assert 'None of the 1 stored runbooks beside README and index of the library "main" is in' in refused.err
