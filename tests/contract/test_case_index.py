"""What every case index must do, held against the index that ships, on a real history."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from features import case_index
from features.case_index import POOL, CaseFilter, CaseIndex, CaseQuery, Nearest
from features.dense import DenseLimits
from features.encoder import HashingEncoder
from features.errors import EncoderMismatch
from features.forward import ForwardIndex
from features.history import Change, History
from features.index_parts import IndexParts, LiveParts
from features.index_stats import recall_on_sample
from features.lexical import LexicalStatistics, document_terms
from features.snapshot import MANIFEST, snapshots
from features.text import model_text
from features.ticket import Case, Outcome, Status, Ticket
from features.vectors import embed_cases

START = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECTS = ("SSO login loops", "Export is slow", "Webhook signature wrong", "Invoice shows wrong sum", "Sync stalls")
ENCODER = HashingEncoder(32)
STATISTICS = LexicalStatistics.fit([document_terms(subject, f"number{n}") for subject in SUBJECTS for n in range(4)])
LIMITS = {
    "exact": DenseLimits(),
    "ivf-sq8": DenseLimits(exact_below=1),
    "ivf-sq4": DenseLimits(exact_below=1, memory_bytes=0),
}


def case(number: int, *, subject: str | None = None, days: int | None = None, **ticket: object) -> Case:
    return Case(
        ticket=Ticket(
            id=f"T-{number}",
            subject=SUBJECTS[number % len(SUBJECTS)] if subject is None else subject,
            description=f"It began with number{number} after the release",
            created_at=START + timedelta(days=number if days is None else days),
            **ticket,
        ),
        outcome=Outcome(status=Status.RESOLVED if number % 2 else Status.OPEN),
    )


def query(subject: str, body: str = "") -> CaseQuery:
    text = model_text(Ticket(subject=subject, description=body))
    return CaseQuery(text=text, vector=ENCODER.encode([text.text])[0], now=START.timestamp())


@pytest.fixture(params=LIMITS)
def limits(request: pytest.FixtureRequest) -> DenseLimits:
    """Limits for each kind of vectors' index, which is used from the first compaction on."""
    return LIMITS[request.param]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    history.upsert([case(number) for number in range(40)], masking_rules="1")
    yield history
    history.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path, history: History, limits: DenseLimits) -> Iterator[CaseIndex]:
    index = CaseIndex.create(folder, ENCODER, STATISTICS, limits)
    index.replay(history)
    index.compact()
    yield index
    index.close()


def ids(index: CaseIndex, wanted: CaseQuery, where: CaseFilter | None = None) -> list[str]:
    found = index.search(wanted, where or CaseFilter())
    return [entry.id for entry in index.entries([candidate.row_id for candidate in found])]


@pytest.mark.parametrize("take_in", [CaseIndex.replay, CaseIndex.build])
def test_taking_in_a_history_ends_while_it_is_written_to(
    index: CaseIndex, history: History, monkeypatch: pytest.MonkeyPatch, take_in: Callable[[CaseIndex, History], int]
):
    history.upsert([case(50)], masking_rules="1")
    known = history.last_change()
    read = history.changes_since

    def read_and_write(change: int, limit: int) -> list[Change]:
        assert change < known, "what came after the replay began is for the next one"
        found = read(change, limit)
        history.upsert([case(100 + change)], masking_rules="1")
        return found

    monkeypatch.setattr(history, "changes_since", read_and_write)
    assert take_in(index, history) == 1
    assert index.watermark == known < history.last_change()


def test_replay_brings_the_index_up_to_the_history(index: CaseIndex, history: History):
    assert len(index) == 40
    assert index.watermark == history.last_change()
    assert index.replay(history) == 0
    assert index.verify(history).is_sound


def test_a_case_is_found_with_all_its_signals(index: CaseIndex):
    best, *others = index.search(query("Export is slow", "It began with number31 after the release"), CaseFilter())

    entry = index.entry(best.row_id)
    assert entry is not None
    assert entry.id == "T-31"
    assert best.cosine == pytest.approx(1.0, abs=1e-3)
    assert best.bm25 == pytest.approx(1.0)
    assert best.bm25_subject == pytest.approx(1.0)
    assert all(0 <= other.bm25 <= 1 and 0 <= other.bm25_subject <= 1 and -1 <= other.cosine <= 1 for other in others)


def test_what_is_known_to_be_near_is_not_looked_for_again(index: CaseIndex, history: History):
    wanted = query("Export is slow")
    where = CaseFilter(exclude_ids=frozenset({"T-1"}))
    nearest = Nearest(where, index.nearest(wanted.vector, POOL, where)[0])

    assert index.search(replace(wanted, nearest=nearest), where) == index.search(wanted, where)
    others = CaseFilter(is_resolved=True)
    assert index.search(replace(wanted, nearest=nearest), others) == index.search(wanted, others)

    history.erase("T-6")
    index.replay(history)
    assert index.search(replace(wanted, nearest=nearest), where) == index.search(wanted, where)


def test_each_method_brings_its_own_candidates(folder: Path, tmp_path: Path, limits: DenseLimits):
    """Among more cases than a pool holds, one is near by its words alone and one by its vector alone."""
    history = History.open(f"sqlite:///{tmp_path}/many.db")
    history.upsert([case(number, subject="Sync") for number in range(400)], masking_rules="1")
    index = CaseIndex.create(folder, ENCODER, STATISTICS, limits)
    changes = history.changes_since(0, 1000)
    vectors = np.tile(np.eye(1, 32, dtype=np.float32), (400, 1))
    vectors[7], wanted = -vectors[7], vectors[0]
    index.apply(changes, vectors)
    text = model_text(Ticket(subject="nothing", description="number7"))

    rows = [found.row_id for found in index.search(CaseQuery(text, wanted, now=0.0), CaseFilter(), limit=500)]

    assert len(rows) == 151
    assert changes[7].row_id in rows
    assert len(index.search(CaseQuery(text, wanted, now=0.0), CaseFilter(), limit=5)) == 5
    index.close()
    history.close()


def test_what_was_created_later_is_never_returned(index: CaseIndex):
    for day in (0, 1, 17, 40):
        where = CaseFilter(created_before=START + timedelta(days=day))
        assert set(ids(index, query("Export is slow"), where)) == {f"T-{number}" for number in range(min(day, 40))}
        assert len(index.nearest(query("x").vector, 99, where)[0]) == min(day, 40)


def test_nearest_is_by_cosine_and_leaves_out_what_is_excluded(index: CaseIndex):
    wanted = query("Export is slow", "It began with number31 after the release")
    rows, cosines = index.nearest(wanted.vector, 3, CaseFilter(exclude_ids=frozenset({"T-31"})))

    assert len(rows) == 3
    assert index.row_of("T-31") not in rows
    assert (np.diff(cosines) <= 0).all()


def test_hidden_cases_are_not_shown(index: CaseIndex, history: History):
    history.upsert([case(31, access_group="secret"), case(36, access_group="eu")], masking_rules="1")
    index.replay(history)
    wanted = query("Export is slow", "It began with number31 after the release")
    where = CaseFilter(access_groups=frozenset({"eu"}))

    assert "T-31" not in ids(index, wanted, where)
    assert "T-36" in ids(index, wanted, where)


def test_add_update_and_erase_are_seen_at_once(index: CaseIndex, history: History):
    history.upsert([case(99, subject="Mobile app crashes")], masking_rules="1")
    index.replay(history)
    assert ids(index, query("Mobile app crashes"))[0] == "T-99"

    history.upsert([case(99, subject="Permissions are lost")], masking_rules="1")
    index.replay(history)
    assert ids(index, query("Permissions are lost"))[0] == "T-99"
    assert index.search(query("Mobile app crashes"), CaseFilter())[0].bm25_subject == 0.0

    history.erase("T-99")
    index.replay(history)
    assert "T-99" not in ids(index, query("Permissions are lost"))
    assert len(index) == 40
    assert index.verify(history).is_sound


def test_applying_again_changes_nothing(index: CaseIndex, history: History):
    history.erase("T-3")
    changes = history.changes_since(0, 100)
    vectors = embed_cases(history, ENCODER, [change.case for change in changes if change.case])
    index.apply(changes, vectors)
    before = index.search(query("Export is slow"), CaseFilter())

    index.apply(changes, vectors)

    assert index.search(query("Export is slow"), CaseFilter()) == before
    assert index.verify(history).is_sound
    index.apply([], np.empty((0, 32), dtype=np.float32))


def test_a_case_alone_scores_as_it_does_among_others(
    index: CaseIndex, history: History, tmp_path: Path, limits: DenseLimits
):
    wanted = query("Export is slow")
    among = {found.row_id: found for found in index.search(wanted, CaseFilter())}
    alone = CaseIndex.create(tmp_path / "alone", ENCODER, STATISTICS, limits)
    change = history.changes_since(0, 100)[6]
    assert change.case is not None
    alone.apply([change], embed_cases(history, ENCODER, [change.case]))

    (found,) = alone.search(wanted, CaseFilter())

    assert (found.bm25, found.bm25_subject) == (among[change.row_id].bm25, among[change.row_id].bm25_subject)
    assert found.cosine == pytest.approx(among[change.row_id].cosine, abs=1e-6)
    alone.close()


def test_resemblance_is_of_the_words_and_none_with_what_is_not_held(index: CaseIndex, history: History):
    history.upsert([case(99, subject=SUBJECTS[1])], masking_rules="1")
    index.replay(history)
    rows = [index.row_of(id_) for id_ in ("T-1", "T-99", "T-2")]
    assert None not in rows
    same, other_number, other, gone = index.resemblance(rows[0], [*rows, 12_345])
    assert same == 1.0
    assert 0.6 < other_number < 1.0
    assert other < other_number
    assert gone == 0.0
    assert index.resemblance(12_345, rows).tolist() == [0.0] * 3
    assert index.resemblance(rows[0], []).tolist() == []


def test_an_empty_index_and_an_empty_query(index: CaseIndex, tmp_path: Path, limits: DenseLimits):
    assert len(index.search(query("", ""), CaseFilter())) == 40
    empty = CaseIndex.create(tmp_path / "empty", ENCODER, STATISTICS, limits)
    assert empty.search(query("login"), CaseFilter()) == []
    assert empty.search(query("login"), CaseFilter(product="x")) == []
    empty.close()


def test_vectors_of_another_encoder_are_refused(index: CaseIndex, history: History):
    other = HashingEncoder(16)
    with pytest.raises(EncoderMismatch, match="do not fit 40 cases in an index of dimension 32"):
        index.apply(history.changes_since(0, 99), np.zeros((40, 16), dtype=np.float32))
    with pytest.raises(EncoderMismatch, match=r"query vector of shape \(16,\) does not fit"):
        index.nearest(other.encode(["x"])[0], 3, CaseFilter())


def test_texts_of_other_cases_are_refused_and_nothing_is_taken_in(history: History, tmp_path: Path):
    changes = history.changes_since(0, 99)
    vectors = np.zeros((len(changes), ENCODER.dimension), dtype=np.float32)
    empty = CaseIndex.create(tmp_path / "empty", ENCODER, STATISTICS)
    with pytest.raises(ValueError, match="There are 1 texts of 40 cases"):
        empty.apply(changes, vectors, [model_text(changes[0].case.case.ticket)])
    assert (len(empty), empty.watermark) == (0, 0)
    empty.close()


def test_a_snapshot_opens_as_the_index_was(index: CaseIndex, history: History, folder: Path, limits: DenseLimits):
    wanted = query("Export is slow")
    path = index.snapshot()
    assert index.snapshot() == path
    expected = index.search(wanted, CaseFilter())
    history.upsert([case(50, subject="Export is slow")], masking_rules="1")

    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)

    assert opened.search(wanted, CaseFilter()) == expected
    assert opened.watermark == index.watermark
    assert opened.replay(history) == 1
    assert opened.verify(history).is_sound
    assert opened.stats().snapshot == path.name
    opened.close()
    # The opened index went on, and its snapshot is still what it was.
    again = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    assert len(again) == 40
    again.close()


def test_snapshots_hold_no_words_and_nothing_of_what_was_erased(index: CaseIndex, history: History, folder: Path):
    history.upsert([case(77, subject="Zebracorn failure", customer="Unmistakable Inc")], masking_rules="1")
    index.replay(history)
    index.snapshot()
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).lower()
    assert b"zebracorn" not in held
    assert b"unmistakable" in held  # a label, for filters

    history.erase("T-77")
    index.replay(history)
    path = index.snapshot()

    files = [file for file in path.rglob("*") if file.is_file()]
    assert not any(b"unmistakable" in file.read_bytes().lower() or b"T-77" in file.read_bytes() for file in files)
    assert snapshots(folder) == [path]
    assert index.stats().n_dead_slots == 0
    assert index.verify(history).is_sound


def test_the_snapshot_of_an_empty_index_opens(folder: Path, limits: DenseLimits, caplog: pytest.LogCaptureFixture):
    index = CaseIndex.create(folder, ENCODER, STATISTICS, limits)
    path = index.snapshot()
    index.close()
    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    assert (len(opened), opened.snapshot(), caplog.text) == (0, path, "")
    opened.close()


def test_an_index_of_another_encoder_starts_empty(index: CaseIndex, folder: Path, limits: DenseLimits):
    index.snapshot()

    other = CaseIndex.open(folder, HashingEncoder(16), STATISTICS, limits)

    assert (len(other), other.watermark) == (0, 0)
    other.close()


def test_another_release_with_the_same_encoder_opens_the_same_snapshot(index: CaseIndex, folder: Path):
    index.snapshot()
    frozen = LexicalStatistics.fit([])

    other = CaseIndex.open(folder, ENCODER, frozen)

    assert len(other) == 40
    wanted = query("Export is slow", "number31")
    assert other.search(wanted, CaseFilter())[0].bm25 != index.search(wanted, CaseFilter())[0].bm25
    other.close()


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_damage_to_any_file_of_a_snapshot_is_named_and_mended(
    index: CaseIndex, history: History, folder: Path, caplog: pytest.LogCaptureFixture, damage: str, limits: DenseLimits
):
    files = [file.relative_to(path) for path in [index.snapshot()] for file in path.rglob("*") if file.is_file()]
    assert len(files) > 8
    wanted = query("Export is slow")
    expected = index.search(wanted, CaseFilter())
    for name in files:
        (path,) = snapshots(folder)
        file = next(path.glob(f"fulltext/*{name.suffix}")) if name.parent.name == "fulltext" else path / name
        content = bytearray(file.read_bytes())
        file.unlink()  # it may be a hard link to a file that an open index reads
        if damage == "flipped":
            if content:
                content[2 if file.name == MANIFEST else len(content) // 2] ^= 1
            file.write_bytes(content or b"\1")
        report = index.verify(history)
        assert [file.stem in problem for problem in report.problems] == [True]

        caplog.clear()
        with caplog.at_level(logging.WARNING):
            opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
        assert file.stem in caplog.text
        assert (len(opened), opened.replay(history)) == (0, 40)
        assert opened.search(wanted, CaseFilter()) == expected
        opened.snapshot()
        assert opened.verify(history).is_sound
        opened.close()


def test_an_index_ahead_of_its_history_is_rebuilt(index: CaseIndex, tmp_path: Path):
    """As after a restore of an older backup."""
    older = History.open(f"sqlite:///{tmp_path}/older.db")
    older.upsert([case(1), case(2)], masking_rules="1")

    assert index.replay(older) == 2
    assert (len(index), index.watermark) == (2, older.last_change())
    assert index.verify(older).is_sound
    older.close()


@pytest.mark.parametrize("grown", ["others", "same texts, other ids", "all changed", "one erased"])
def test_a_history_restored_and_grown_past_the_watermark_is_taken_in_anew(
    index: CaseIndex, folder: Path, tmp_path: Path, limits: DenseLimits, caplog: pytest.LogCaptureFixture, grown: str
):
    """A backup of ten of the cases is restored, and an import comes before the index is opened again."""
    index.snapshot()
    restored = History.open(f"sqlite:///{tmp_path}/restored.db")
    restored.upsert([case(number) for number in range(10)], masking_rules="1")
    if grown == "others":
        restored.upsert([case(number, access_group="secret") for number in range(100, 135)], masking_rules="1")
    elif grown == "same texts, other ids":
        again = [case(number) for number in range(10, 45)]
        again = [replace(each, ticket=replace(each.ticket, id=f"I-{each.id}")) for each in again]
        restored.upsert(again, masking_rules="1")
    elif grown == "all changed":  # nothing of what it has is as old as the watermark
        for days in range(5):
            restored.upsert([case(number, days=100 + days) for number in range(10)], masking_rules="1")
    else:  # what the index has of it is as it was, but for a row whose erasure the watermark says is known
        restored.upsert([case(number) for number in range(10, 39)], masking_rules="1")
        restored.erase("T-7")
        restored.upsert([case(50)], masking_rules="1")
    assert restored.last_change() >= index.watermark

    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    with caplog.at_level(logging.WARNING):
        opened.replay(restored)

    assert "the index is not of this history as it is now" in caplog.text
    assert len(opened) == restored.count().tickets
    report = opened.verify(restored)
    assert (report.problems, report.watermark) == ((), restored.last_change())
    shown = ids(opened, query("Sync stalls"), CaseFilter(access_groups=frozenset()))
    assert shown
    assert all(restored.case(id_).case.ticket.access_group is None for id_ in shown)
    opened.close()
    restored.close()


def test_what_happened_since_the_snapshot_is_no_other_history(
    index: CaseIndex, history: History, folder: Path, limits: DenseLimits, caplog: pytest.LogCaptureFixture
):
    history.erase("T-7")
    history.upsert([case(3, subject="New words")], masking_rules="1")
    index.replay(history)
    index.snapshot()
    history.upsert([case(5, subject="New words"), case(7), case(99)], masking_rules="1")
    history.erase("T-9")
    history.erase("T-99")

    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)

    with caplog.at_level(logging.WARNING):
        assert opened.replay(history) == 4
    assert caplog.text == ""
    assert opened.verify(history).is_sound
    opened.close()


def test_verify_says_that_an_index_is_ahead_of_its_history(index: CaseIndex, tmp_path: Path):
    older = History.open(f"sqlite:///{tmp_path}/older.db")
    older.upsert([case(0), case(1)], masking_rules="1")
    problems = index.verify(older).problems
    assert "at change 40 and the history at 2, as after a restore of an older backup" in problems[0]
    assert "38 cases are in the index, but not in the history" in problems[1]
    older.close()


def test_changes_to_come_are_no_problem(index: CaseIndex, history: History):
    history.upsert([case(3, subject="New words"), case(99)], masking_rules="1")
    history.erase("T-4")
    report = index.verify(history)
    assert report.problems == ()
    assert (report.watermark, report.last_change) == (40, 43)


def test_verify_names_what_is_wrong(index: CaseIndex, history: History, limits: DenseLimits):
    changes = history.changes_since(0, 100)
    vectors = np.roll(embed_cases(history, ENCODER, [change.case for change in changes if change.case]), 1, axis=0)
    index.apply(changes, vectors)
    assert "vectors looked at are not those of the history" in index.verify(history).problems[0]

    other = CaseIndex.create(index.folder, ENCODER, STATISTICS, limits)
    other.apply(changes[20:], vectors[20:])
    assert "20 cases are missing from the index" in other.verify(history).problems[0]
    other.close()


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("vectors", "1 rows are in only one of entries and vectors (row 7 is one)"),
        ("inverted index", "1 rows are in only one of entries and the inverted index (row 7 is one)"),
        ("terms", "The forward index has 39 slots, the entries 40"),
        ("facts", "cases are missing from the index (row 7 is one)"),
    ],
)
def test_a_row_that_one_part_lacks_is_found_in_what_was_saved(
    index: CaseIndex, history: History, folder: Path, part: str, says: str, limits: DenseLimits
):
    """Nothing does this, so the test reaches into the parts; the files' hashes are right."""
    parts = index._parts
    if part == "vectors":
        parts.dense.remove(np.array([7]))
    elif part == "inverted index":
        parts.fulltext.remove([7])
        parts.fulltext.commit()
        parts.fulltext.refresh()
    elif part == "facts":
        parts.entries.drop([7])
    else:
        frozen = ForwardIndex(parts.forward.take(np.arange(39)))
        object.__setattr__(parts, "forward", frozen)
        frozen.take = lambda _: ForwardIndex.take(frozen, np.arange(39))  # type: ignore[method-assign]
    index.snapshot()
    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    assert any(says in problem for problem in opened.verify(history).problems)
    opened.close()


def test_contents_that_are_another_case_s_are_found(index: CaseIndex, history: History):
    other = next(stored for stored in history.iter_cases() if stored.case.id == "T-9")
    text = model_text(Ticket(subject="Other words"))
    index._parts.entries.extend([other], [text])
    index._parts.forward.extend([document_terms(text.subject, text.body)])
    wrong = [problem for problem in index.verify(history).problems if "1 of 40 cases looked at" in problem]
    assert [problem.partition(" of ")[0] for problem in wrong] == ["The facts", "The terms"]


def test_stats_tell_size_and_recall(index: CaseIndex):
    before = index.stats()
    assert (before.n_cases, before.n_resolved, before.watermark) == (40, 20, 40)
    assert (before.snapshot, before.snapshot_watermark, before.n_bytes["snapshot"]) == (None, None, 0)
    assert before.recall_at_10 == 1.0
    path = index.snapshot()
    after = index.stats()
    assert (after.snapshot, after.snapshot_watermark) == (path.name, 40)
    assert after.n_bytes["snapshot"] == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_recall_sees_what_a_search_misses(index: CaseIndex):
    class Forgetful:
        """An index whose search leaves out every other vector that it should find."""

        ids, reconstruct = index._parts.dense.ids, index._parts.dense.reconstruct
        search_exactly = index._parts.dense.search_exactly

        @staticmethod
        def search(vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
            rows, cosines = index._parts.dense.search(vector, k)
            return rows[::2], cosines[::2]

    # One more where a vector is not found first of those that are just like it.
    assert recall_on_sample(Forgetful()) == pytest.approx(0.5, abs=0.02)  # type: ignore[arg-type]


def test_compacting_keeps_what_is_found(index: CaseIndex, history: History):
    for round_ in range(3):
        history.upsert([case(number, days=50 + round_) for number in range(30)], masking_rules="1")
        index.replay(history)
    before = index.search(query("Export is slow"), CaseFilter())
    assert index.stats().n_dead_slots == 90

    index.compact()

    assert index.search(query("Export is slow"), CaseFilter()) == before
    assert index.stats().n_dead_slots == 0
    assert index.verify(history).is_sound


def test_searches_go_on_while_cases_come_and_go(index: CaseIndex, history: History):
    done = threading.Event()

    def search() -> set[int]:
        where, seen = CaseFilter(created_before=START + timedelta(days=30)), set()
        while not done.is_set():
            found = index.search(query("Export is slow"), where)
            seen |= {len(found), len(index.entries([candidate.row_id for candidate in found]))}
        return seen

    pool = ThreadPoolExecutor(3)
    searches = [pool.submit(search) for _ in range(3)]
    for round_ in range(9):
        changed = [case(number, product=f"p{round_}") for number in range(30)]
        history.upsert([*changed, case(100 + round_, days=60)], masking_rules="1")
        history.erase(f"T-{100 + round_}")
        index.replay(history)
        if round_ % 3 == 2:
            index.snapshot()
    done.set()

    # T-0 to T-29 are changed all the time, but each is there in every state that a search may see.
    assert [search.result() for search in searches] == [{30}] * 3
    assert index.verify(history).is_sound


def test_stats_and_verify_name_the_kind(index: CaseIndex, history: History, limits: DenseLimits):
    stats, report = index.stats(), index.verify(history)

    assert stats.kind == report.kind == limits.kind(40, 32)
    assert stats.dense_bytes_a_case > 0
    assert (stats.n_bytes["dense_on_disk"] > 0) == (stats.kind != "exact")
    assert report.recall_at_10 == 1.0


def test_an_index_that_outgrows_its_kind_gets_another_with_the_next_snapshot(folder: Path, history: History):
    limits = DenseLimits(exact_below=41)
    index = CaseIndex.create(folder, ENCODER, STATISTICS, limits)
    index.replay(history)
    index.snapshot()
    assert index.stats().kind == "exact"

    history.upsert([case(number) for number in range(40, 60)], masking_rules="1")
    index.replay(history)
    assert index.stats().kind == "exact"
    index.snapshot()
    assert index.stats().kind == "ivf-sq8"
    assert index.verify(history).is_sound

    # Fewer, but not so few that a handful more would change the kind back at once; then half.
    for number in range(15, 60):
        history.erase(f"T-{number}")
        if number == 30:
            index.replay(history)
            index.snapshot()
            assert index.stats().kind == "ivf-sq8"
    index.replay(history)
    index.snapshot()
    assert index.stats().kind == "exact"
    assert index.verify(history).is_sound
    index.close()


def test_an_index_that_is_built_changes_its_kind_on_the_way(
    folder: Path, history: History, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(case_index, "PAGE", 10)
    monkeypatch.setattr(case_index, "_CHECKED_AFTER", 10)
    index = CaseIndex.create(folder, ENCODER, STATISTICS, DenseLimits(exact_below=15))
    kinds = []

    assert index.build(history, lambda n: kinds.append((n, index.stats().kind))) == 40
    assert index.build(history) == 0

    assert kinds == [(10, "exact"), (10, "exact"), (10, "ivf-sq8"), (10, "ivf-sq8")]
    assert len(index) == 40
    assert index.verify(history).is_sound
    assert ids(index, query(SUBJECTS[1], "It began with number31 after the release"))[0] == "T-31"
    index.close()


def test_nothing_is_left_after_closing(folder: Path, history: History, limits: DenseLimits):
    index = CaseIndex.create(folder, ENCODER, STATISTICS, limits)
    index.replay(history)
    path = index.snapshot()
    index.close()

    assert list(folder.iterdir()) == [path]
    shutil.rmtree(path)
    reopened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    assert len(reopened) == 0
    reopened.close()


class SlowIndex(CaseIndex):
    """An index whose thread can be stopped in the middle of a compaction, as a large one takes long over it."""

    def _catch_up_and_swap(self, *arguments: object) -> bool:
        self.is_compacting.set()
        assert self.may_end.wait(20)
        return super()._catch_up_and_swap(*arguments)  # type: ignore[arg-type]

    is_compacting: threading.Event
    may_end: threading.Event


def vector_of(index: CaseIndex, id_: str) -> tuple[bytes, list[bytes]]:
    """The bytes of a case's vector in half precision, and those of every other's."""
    dense = index._parts.dense
    halves = dense.reconstruct(dense.ids).astype(np.float16)
    vectors = {row: half.tobytes() for row, half in zip(dense.ids.tolist(), halves, strict=True)}
    return vectors.pop(index.row_of(id_)), list(vectors.values())


def test_changes_do_not_wait_for_a_snapshot_after_an_erasure(folder: Path, tmp_path: Path, limits: DenseLimits):
    history = History.open(f"sqlite:///{tmp_path}/many.db")
    history.upsert([case(number) for number in range(3_000)], masking_rules="1")
    history.upsert([case(9, subject="Zebras have crossed the staging area again")], masking_rules="1")
    index = SlowIndex.create(folder, ENCODER, STATISTICS, limits)
    index.is_compacting, index.may_end = threading.Event(), threading.Event()
    index.replay(history)
    history.erase("T-7")
    index.replay(history)

    with ThreadPoolExecutor(1) as pool:
        snapshot = pool.submit(index.snapshot)
        assert index.is_compacting.wait(20)
        for number in (4_001, 4_002, 4_003):
            history.upsert([case(number), case(8, days=number)], masking_rules="1")
            assert index.replay(history) == 2
        gone, others = vector_of(index, "T-9")
        assert gone not in others
        history.erase("T-9")
        assert index.replay(history) == 1
        assert ids(index, query(SUBJECTS[1], "It began with number4001 after the release"))[0] == "T-4001"
        assert not snapshot.done()
        index.may_end.set()
        path = snapshot.result(20)

    assert len(index) == 3_001
    assert ids(index, query(SUBJECTS[1], "It began with number4001 after the release"))[0] == "T-4001"
    assert (index.row_of("T-7"), index.row_of("T-9")) == (None, None)
    assert index.verify(history).is_sound
    assert snapshots(folder) == [path]
    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    assert (len(opened), opened.watermark) == (3_001, history.last_change())
    assert opened.verify(history).is_sound
    opened.close()
    assert n_deleted_documents(path) == 0
    assert not [file for file in path.rglob("*") if file.is_file() and gone in file.read_bytes()]
    # What was erased while the copy was made is in dead slots of memory: the next snapshot clears them.
    assert index.stats().n_dead_slots > 0
    index.snapshot()
    assert index.stats().n_dead_slots == 0
    index.close()
    history.close()


def n_deleted_documents(snapshot: Path) -> int:
    """Documents that the inverted index's files hold still, though no search finds them."""
    segments = json.loads((snapshot / "fulltext" / "meta.json").read_text())["segments"]
    return sum(segment["deletes"]["num_deleted_docs"] for segment in segments if segment["deletes"])


def test_what_was_erased_during_a_compaction_is_cleared_by_the_next(
    index: CaseIndex, history: History, folder: Path, limits: DenseLimits
):
    slow = SlowIndex.create(folder, ENCODER, STATISTICS, limits)
    slow.is_compacting, slow.may_end = threading.Event(), threading.Event()
    slow.replay(history)
    with ThreadPoolExecutor(1) as pool:
        compaction = pool.submit(slow.compact)
        assert slow.is_compacting.wait(20)
        history.erase("T-3")
        slow.replay(history)
        slow.may_end.set()
        compaction.result(20)
    assert slow.stats().n_dead_slots == 1
    slow.snapshot()
    assert slow.stats().n_dead_slots == 0
    assert slow.verify(history).is_sound
    slow.close()


@pytest.mark.parametrize(
    "fails",
    [
        "features.index_parts.IndexParts.catch_up",
        "features.index_parts._fulltext_of",
        "features.dense_kinds.Renewal.finish",
        "features.forward.ForwardIndex.take",
        "features.case_index.write_snapshot",
        "safetensors.numpy.save_file",
    ],
)
def test_a_snapshot_or_compaction_that_fails_leaves_no_files(
    index: CaseIndex, history: History, folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str, limits: DenseLimits
):
    """As where the disk is full; what they had written may be of cases that are erased later."""
    index.snapshot()
    before = sorted(folder.glob("work-*/*"))
    history.upsert([case(99)], masking_rules="1")
    changes = history.changes_since(index.watermark, 9)
    vectors = embed_cases(history, ENCODER, [change.case for change in changes if change.case])
    index.apply(changes, vectors)
    if fails.endswith("catch_up"):  # a change that comes during the compaction
        renewed = LiveParts.renewed

        def renewed_meanwhile(live: LiveParts) -> IndexParts:
            fresh = renewed(live)
            index.apply(changes, vectors)
            return fresh

        monkeypatch.setattr(LiveParts, "renewed", renewed_meanwhile)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    upkeep = index.snapshot if "snapshot" in fails or "save_file" in fails else index.compact
    with monkeypatch.context() as patched:
        patched.setattr(fails, full)
        with pytest.raises(OSError, match="No space left"):
            upkeep()

    assert sorted(folder.glob("work-*/*")) == before
    assert len(snapshots(folder)) == 1
    gone, _ = vector_of(index, "T-7")
    history.erase("T-7")
    index.replay(history)
    index.snapshot()
    assert not [path for path in folder.rglob("*") if path.is_file() and gone in path.read_bytes()]
    assert index.verify(history).is_sound


@pytest.mark.parametrize("fails", ["features.vector_rows.VectorRows.append", "features.fulltext.FullTextIndex.commit"])
def test_changes_that_fail_are_in_no_part_of_the_next_snapshot(
    index: CaseIndex, history: History, folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str, limits: DenseLimits
):
    if limits == LIMITS["exact"] and "VectorRows" in fails:
        pytest.skip("an exact index writes no vectors before they are published")
    history.upsert([case(99), case(3, subject="New words")], masking_rules="1")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fails, full)
        with pytest.raises(OSError, match="No space left"):
            index.replay(history)
    index.snapshot()

    opened = CaseIndex.open(folder, ENCODER, STATISTICS, limits)
    assert opened.verify(history).is_sound
    assert "T-99" not in ids(opened, query("Sync stalls", "It began with number99"))
    for each in (opened, index):
        assert each.replay(history) == 2
        assert each.verify(history).is_sound
    opened.close()


def test_an_index_rebuilt_during_a_compaction_stays_rebuilt(
    index: CaseIndex, folder: Path, tmp_path: Path, limits: DenseLimits
):
    slow = SlowIndex.create(folder, ENCODER, STATISTICS, limits)
    slow.is_compacting, slow.may_end = threading.Event(), threading.Event()
    newer = History.open(f"sqlite:///{tmp_path}/newer.db")
    newer.upsert([case(number) for number in range(9)], masking_rules="1")
    older = History.open(f"sqlite:///{tmp_path}/older.db")
    older.upsert([case(1), case(2)], masking_rules="1")
    slow.replay(newer)
    with ThreadPoolExecutor(1) as pool:
        compaction = pool.submit(slow.compact)
        assert slow.is_compacting.wait(20)
        assert slow.replay(older) == 2
        slow.may_end.set()
        compaction.result(20)
    assert len(slow) == 2
    assert slow.verify(older).is_sound
    slow.close()
    newer.close()
    older.close()
