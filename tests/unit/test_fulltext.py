"""The inverted index: finds, filters, forgets, and copies itself."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.case_filter import NO_TIME, CaseFilter, microseconds
from features.errors import IndexDamaged
from features.forward import LexicalQuery
from features.fulltext import MAX_QUERY_TERMS, FullTextDocument, FullTextIndex
from features.lexical import LexicalStatistics, document_terms

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
STATISTICS = LexicalStatistics.fit([])


def document(row_id: int, subject: str, body: str = "", **facts: object) -> FullTextDocument:
    labels = {name: facts.get(name) for name in ("product", "customer", "category", "access_group", "language")}
    created = facts.get("created", NOON)
    return FullTextDocument(
        row_id=row_id,
        terms=document_terms(subject, body),
        created=NO_TIME if created is None else microseconds(created),
        is_resolved=bool(facts.get("is_resolved", True)),
        labels=labels,
    )


def query(subject: str, body: str = "") -> LexicalQuery:
    return LexicalQuery.of(document_terms(subject, body), STATISTICS)


def filled(folder: Path, *documents: FullTextDocument) -> FullTextIndex:
    index = FullTextIndex(folder)
    index.put(documents)
    index.commit()
    index.refresh()
    return index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "fulltext"
    path.mkdir()
    return path


def test_a_match_in_the_subject_counts_more(folder: Path):
    index = filled(folder, document(1, "page", "login blank now"), document(2, "login", "page blank now"))

    assert index.search(query("login"), 5, CaseFilter()).tolist() == [2, 1]
    assert index.search(query("invoice"), 5, CaseFilter()).tolist() == []
    assert index.search(query("...", "the"), 5, CaseFilter()).tolist() == []


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (CaseFilter(), {1, 2, 3, 4}),
        (CaseFilter(product="api"), {1, 2}),
        (CaseFilter(product="api", customer="acme"), {1}),
        (CaseFilter(product="nothing"), set()),
        (CaseFilter(is_resolved=False), {4}),
        (CaseFilter(access_groups=frozenset()), {1, 3, 4}),
        (CaseFilter(access_groups=frozenset({"vip", "x"})), {1, 2, 3, 4}),
        (CaseFilter(created_before=NOON), {2}),
        (CaseFilter(created_before=NOON + timedelta(microseconds=1)), {1, 2}),
        (CaseFilter(since=NOON), {1, 3}),
        (CaseFilter(until=NOON), {1, 2}),
        (CaseFilter(until=NOON, created_before=NOON), {2}),
        (CaseFilter(since=NOON - timedelta(days=1), until=NOON, product="api"), {1, 2}),
    ],
)
def test_filters_are_exact(folder: Path, where: CaseFilter, rows: set[int]):
    index = filled(
        folder,
        document(1, "login", product="api", customer="acme"),
        document(2, "login", product="api", created=NOON - timedelta(microseconds=1), access_group="vip"),
        document(3, "login", product="web", created=NOON + timedelta(microseconds=1)),
        document(4, "login", created=None, is_resolved=False),
    )

    assert set(index.search(query("login"), 5, where).tolist()) == rows
    assert set(index.search(query("login"), 5, where, excluded=[1]).tolist()) == rows - {1}


def test_a_filter_with_no_terms_of_its_own_changes_no_score(folder: Path):
    index = filled(folder, *(document(row, "login " * row, product="api") for row in range(1, 6)))

    plain = index.search(query("login"), 5, CaseFilter()).tolist()
    assert index.search(query("login"), 5, CaseFilter(product="api")).tolist() == plain


def test_changes_are_seen_after_commit_and_refresh(folder: Path):
    index = filled(folder, document(1, "login"))
    index.put([document(1, "invoice"), document(2, "login")])
    index.commit()
    assert index.search(query("login"), 5, CaseFilter()).tolist() == [1]

    index.refresh()
    assert index.search(query("login"), 5, CaseFilter()).tolist() == [2]

    index.remove([2, 99])
    index.rollback()
    index.remove([1])
    index.commit()
    index.refresh()
    assert len(index) == 1
    assert index.search(query("login"), 5, CaseFilter()).tolist() == [2]


def test_files_hold_no_words(folder: Path):
    filled(folder, document(1, "confidential zebra", customer="Unmistakable Inc"))

    content = b"".join(path.read_bytes() for path in folder.iterdir()).lower()
    assert b"confidential" not in content
    assert b"zebra" not in content
    assert b"unmistakable" not in content


def test_a_long_query_is_searched_by_its_subject_and_its_rarest_terms(folder: Path):
    common = [f"word{number}" for number in range(2 * MAX_QUERY_TERMS)]
    statistics = LexicalStatistics.fit([document_terms(" ".join([*common, "page"]), "")] * 20)
    index = filled(folder, document(1, "rare"), document(2, "page"), *(document(3, word) for word in common[:1]))

    terms = document_terms("page", " ".join([*common, "rare"]))
    found = index.search(LexicalQuery.of(terms, statistics), 5, CaseFilter())

    assert set(found.tolist()) >= {1, 2}


def test_a_linked_copy_stays_as_it_was(folder: Path, tmp_path: Path):
    index = filled(folder, *(document(row, "login") for row in range(50)))
    index.remove([3])
    index.commit()

    index.link_into(tmp_path / "copy")
    index.put([document(row, "invoice") for row in range(200)])
    index.commit()
    index.close()
    copy = FullTextIndex(tmp_path / "copy")

    assert set(copy.search(query("login"), 99, CaseFilter()).tolist()) == set(range(50)) - {3}
    copy.put([document(3, "login")])
    copy.commit()
    copy.refresh()
    assert len(copy) == 50
    assert copy.n_bytes > 0


def test_copies_are_whole_while_segments_merge(folder: Path, tmp_path: Path):
    index = filled(folder)
    done = threading.Event()

    def write() -> None:
        for row in range(60):
            index.put([document(row, f"login number{row}")])
            index.commit()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    sizes, number = [], 0
    while not done.is_set():
        index.link_into(tmp_path / str(number))
        sizes.append(len(FullTextIndex(tmp_path / str(number))))
        number += 1
    writer.join()

    assert sizes == sorted(sizes)


def test_without_hard_links_files_are_copied(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    index = filled(folder, document(1, "login"))
    monkeypatch.setattr(os, "link", refuse)

    index.link_into(tmp_path / "copy")

    assert len(FullTextIndex(tmp_path / "copy")) == 1
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "copy").iterdir())


def test_a_damaged_folder_is_refused(folder: Path):
    (folder / "meta.json").write_text("{")

    with pytest.raises(IndexDamaged, match="cannot be opened"):
        FullTextIndex(folder)
