"""The case index at growing sizes: time, memory and recall against exact search; prints JSON.

Run it as ``python -m evaluation.benchmarks.index_scale --data FOLDER --workspace WORKSPACE``, with a folder of the
``jira`` layout and a workspace where ``precedent benchmark similar`` has exported the encoder; vectors are kept there.
Beyond the real tickets, cases are copies of them with noise (:mod:`evaluation.benchmarks.index_scale_data`); the
queries are real tickets that were left out. Everything runs on one thread. Times are by the clock and, as ``cpu``, by
the processor's time of the thread: on a machine that does much else only the latter tells anything.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import orjson
from numpy.typing import NDArray

from evaluation.benchmarks.index_scale_cases import case_figures, facts_figures
from evaluation.benchmarks.index_scale_data import Tickets, read_tickets
from evaluation.benchmarks.memory import anonymous_bytes, in_own_process
from evaluation.benchmarks.timing import Times, timed
from evaluation.benchmarks.vectors import Progress
from features.dense import DenseIndex, DenseLimits
from features.dense_kinds import Renewal, empty_dense, load_dense
from features.files import file_sha256
from features.rwlock import ReadWriteLock

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
K = 10
_POOL = 150  # neighbours that a search for candidates asks for
_N_EXACT = 100  # queries whose exact neighbours are looked for
_SHARES = (None, 0.1, 0.01, 0.001)
_ADDED, _PAGE = 10_000, 500  # a service asks for changes four times a second
_ADDED_A_SECOND = 2_000
_ROUNDING = 1e-5  # of a cosine that is summed in another order
_MOST_TEXTS = 100_000
_TO_COMPARE = 100_000  # at this size and on the real tickets alone, every kind is measured

FORCED = {
    "ivf-sq8": DenseLimits(exact_below=1),
    "ivf-sq4": DenseLimits(exact_below=1, memory_bytes=0),
}

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """The cosines of the ten nearest under a filter, by exact search, and how long it takes to find them."""

    share: float | None
    allowed: Ids | None
    cosines: list[Vectors]
    took: Times


def scale_figures(
    tickets: Tickets, n: int, scratch: Path, progress: Progress, *, n_added: int = _ADDED
) -> dict[str, object]:
    """Everything at one size."""
    progress(f"{n:,}: exact search")
    exact = empty_dense(tickets.vectors.shape[1])
    for block in tickets.blocks(n):
        exact.add(np.arange(len(exact), len(exact) + len(block)), block)
    truths = [_truth(exact, tickets, share) for share in _SHARES]
    kinds: dict[str, DenseLimits] = {"default": DenseLimits()}
    if n in (_TO_COMPARE, len(tickets.cases)):
        kinds |= FORCED
    figures: dict[str, object] = {"n": n, "n_real": min(n, len(tickets.cases)), "exact_search": _exact_figures(truths)}
    renewals = []
    for name, limits in kinds.items():
        folder = scratch / name
        (folder / "work").mkdir(parents=True)
        renewals.append((name, folder, Renewal.begin(exact, limits, folder / "work")))
    if all(renewal.kind != "exact" for _, _, renewal in renewals):
        del exact
    for name, folder, renewal in renewals:
        figures[name] = _kind_figures(renewal, folder, tickets, truths, progress, n_added=n_added)
    return figures


def _truth(exact: DenseIndex, tickets: Tickets, share: float | None) -> _Truth:
    allowed = None
    if share is not None:
        allowed = np.sort(np.random.default_rng(1).permutation(len(exact))[: max(1, round(share * len(exact)))])
    took = Times()
    cosines: list[Vectors] = []
    for vector in tickets.query_vectors[:_N_EXACT]:
        with took.measured():
            _, found = exact.search(vector, _POOL, allowed)
        cosines.append(found[:K])
    return _Truth(share, allowed, cosines, took)


def _exact_figures(truths: Sequence[_Truth]) -> dict[str, object]:
    return {_name(truth.share): truth.took.figures() for truth in truths}


def _kind_figures(
    renewal: Renewal,
    folder: Path,
    tickets: Tickets,
    truths: Sequence[_Truth],
    progress: Progress,
    *,
    n_added: int,
) -> dict[str, object]:
    """Build, save, load, search and add to an index of one kind."""
    progress(f"{renewal.kind}: build")
    n = len(renewal.ids)
    index, build = timed(renewal.finish)
    for name in ("frozen", "snapshot", "measured", "loaded"):
        (folder / name).mkdir()
    _, save = timed(lambda: index.freeze(folder / "frozen", is_clean=True).write(folder / "snapshot"))
    kind, n_bytes = index.kind, index.n_bytes
    del index, renewal
    progress(f"{kind}: load")
    files = [path for path in (folder / "snapshot").iterdir() if path.is_file()]
    _, check = timed(lambda: [file_sha256(path) for path in files])
    memory, load = in_own_process(dense_memory, folder / "snapshot", folder / "measured")
    index = load_dense(folder / "snapshot", folder / "loaded")
    progress(f"{kind}: search")
    searches = {_name(truth.share): _search_figures(index, tickets, truth) for truth in truths}
    progress(f"{kind}: add")
    figures: dict[str, object] = {
        "kind": kind,
        "build_s": build,
        "save_s": save,
        "snapshot_bytes": sum(path.stat().st_size for path in files),
        "load_s": {"check": check, "read": load, "whole": round(check + load, 2)},
        "bytes_a_case": {"counted": round(n_bytes / n, 1), "measured": round(memory / n, 1)},
        "search": searches,
        "add": _add_figures(index, tickets, n_added),
    }
    shutil.rmtree(folder)
    return figures


def _search_figures(index: DenseIndex, tickets: Tickets, truth: _Truth) -> dict[str, object]:
    """Recall at 10 of the queries with a known truth, and times of all."""
    took = Times()
    recalls: list[float] = []
    for vector in tickets.query_vectors[:20]:
        index.search(vector, _POOL, truth.allowed)
    for number, vector in enumerate(tickets.query_vectors):
        with took.measured():
            _, found = index.search(vector, _POOL, truth.allowed)
        if number < len(truth.cosines):
            # By cosine and not by id: of two at the same distance either is as good.
            wanted = truth.cosines[number]
            recalls.append(float(np.sum(found[: len(wanted)] >= wanted[-1] - _ROUNDING)) / len(wanted))
    ratio = np.percentile(took.cpu, 99) / np.median(truth.took.cpu)
    return {
        "recall@10": round(float(np.mean(recalls)), 4),
        **took.figures(),
        "cpu_p99_over_exact_cpu_p50": round(float(ratio), 4),
    }


def _add_figures(index: DenseIndex, tickets: Tickets, n_added: int) -> dict[str, object]:
    """Add pages, as many a second as is the goal, while another thread searches; then remove one again."""
    lock, idle, busy, pages = ReadWriteLock(), Times(), Times(), Times()
    first = int(index.ids.max()) + 1
    new = np.concatenate([*tickets.blocks(len(tickets.cases) + n_added)])[-n_added:]
    _search_once(index, tickets, lock, idle, len(tickets.query_vectors))

    def add() -> None:
        started = time.perf_counter()
        for start in range(0, n_added, _PAGE):
            with pages.measured():
                page = new[start : start + _PAGE]
                ids = np.arange(first + start, first + start + len(page))
                staged = index.stage(ids, page)
                with lock.write():
                    index.add(ids, page, staged)
                index.settle(lock.write)
            time.sleep(max(0.0, started + (start + _PAGE) / _ADDED_A_SECOND - time.perf_counter()))

    writer = threading.Thread(target=add)
    writer.start()
    while writer.is_alive():
        _search_once(index, tickets, lock, busy, 1)
    _, removal = timed(lambda: index.remove(np.arange(first, first + _PAGE)))
    return {
        "cases_a_processor_second": round(1e3 * n_added / sum(pages.cpu)),
        "cases_a_second": round(1e3 * n_added / sum(pages.clock)),
        "search_idle": idle.figures(),
        f"search_while_adding_{_ADDED_A_SECOND}_a_second": busy.figures(),
        "n_searches": len(busy),
        "remove_page_s": removal,
    }


def _search_once(index: DenseIndex, tickets: Tickets, lock: ReadWriteLock, took: Times, n: int) -> None:
    for _ in range(n):
        vector = tickets.query_vectors[len(took) % len(tickets.query_vectors)]
        with took.measured(), lock.read():
            index.search(vector, _POOL)


def dense_memory(snapshot: Path, folder: Path) -> tuple[int, float]:
    """Memory that an index takes, in bytes, and the seconds that it takes to read."""
    before = anonymous_bytes()
    index, seconds = timed(lambda: load_dense(snapshot, folder))
    index.search(np.eye(1, index.dimension, dtype=np.float32)[0], _POOL)
    return anonymous_bytes() - before, seconds


def _name(share: float | None) -> str:
    return "all" if share is None else f"keeps_{share:g}"


@click.command()
@click.option("--data", "folder", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Numbers of cases.")
@click.option("--texts", default=_MOST_TEXTS, show_default=True, help="Most cases with texts; five million take hours.")
@click.option("--workspace", type=click.Path(file_okay=False, path_type=Path), help="Keeps the vectors.")
@click.option("--json", "as_json", is_flag=True, expose_value=False, help="What it prints in any case.")
def main(folder: Path, sizes: str, texts: int, workspace: Path | None) -> None:
    """Measure the case index at growing sizes; progress goes to standard error."""

    def progress(line: str) -> None:
        click.echo(line, err=True)

    tickets = read_tickets(folder, workspace, progress)
    figures: dict[str, object] = {"neighbour_cosine": round(tickets.neighbour_cosine, 4), "sizes": []}
    with tempfile.TemporaryDirectory(dir=workspace) as scratch:
        figures["without_enlargement"] = scale_figures(tickets, len(tickets.cases), Path(scratch) / "real", progress)
        figures["sizes"] = [
            scale_figures(tickets, n, Path(scratch) / str(n), progress)
            | {"facts": facts_figures(tickets, n)}
            | ({"cases": case_figures(tickets, n, Path(scratch) / f"{n}-cases", progress)} if n <= texts else {})
            for n in map(int, sizes.split(","))
        ]
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
