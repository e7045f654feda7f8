"""Recall against the time of a search, of the case index and of a graph at its memory; prints JSON, draws a picture.

Run it as ``python -m evaluation.benchmarks.recall_latency --data FOLDER --workspace WORKSPACE --size 200000 --json
--svg FILE``, with what :mod:`evaluation.benchmarks.index_scale` needs and the extra ``bench``; vectors and queries are
those of that benchmark. Each index is searched at several numbers of probes or lengths of the list of candidates; a
filter is put behind a graph's search, which knows none. Everything runs on one thread, and ``cpu`` times are of the
processor: on a machine that does much else only these tell anything.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import orjson

from evaluation.benchmarks.graph_index import GraphIndex, Scalar, check_usearch, graph_memory
from evaluation.benchmarks.index_scale import FORCED, dense_memory
from evaluation.benchmarks.index_scale_data import Tickets, read_tickets
from evaluation.benchmarks.memory import in_own_process
from evaluation.benchmarks.recall_latency_svg import recall_latency_svg
from evaluation.benchmarks.recall_points import K, Truth, search_figures
from evaluation.benchmarks.rescored import SPARE, Search, compared_again, copied_lists, list_candidates
from evaluation.benchmarks.timing import timed
from evaluation.benchmarks.vectors import Progress
from features.dense import DenseIndex, Ids
from features.dense_kinds import Renewal, empty_dense, load_dense
from features.errors import InvalidInput
from features.vector_rows import BASE_FILE, VectorRows

_PROBES = (5, 10, 20, 40, 80, 160, 320)
_EXPANSIONS = (16, 32, 64, 128, 256, 512, 1_024)
_EXPANSION = 128  # where a graph is searched at one length alone
_KEPT = 0.01  # of the ids, by the filter
_REMOVED = 0.1  # of the vectors
_FILTER_MARGIN = 2  # as many more candidates than would do if the filter kept the same share everywhere


@dataclass(frozen=True, slots=True)
class GraphForm:
    """How a graph is built, and how many more candidates than wanted are compared again by the mapped vectors."""

    name: str
    scalar: Scalar
    connectivity: int
    spare: int = 0


# The smallest graph that finds enough, the default one, and the largest within what the index takes with its vectors.
GRAPHS = (
    GraphForm("usearch i8, 4 links, compared again", "i8", 4, spare=SPARE["ivf-sq8"]),
    GraphForm("usearch i8, 16 links, compared again", "i8", 16, spare=SPARE["ivf-sq8"]),
    GraphForm("usearch f16, 32 links", "f16", 32),
)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The vectors of one size, on disk and by exact search, and what is true of the queries.

    Attributes
    ----------
    rows : VectorRows
        The vector of each id, in half precision.
    kept, removed : ndarrays of int64, ascending
        Ids that the filter lets through, and ids that are removed at the end.
    truth, truth_kept, truth_removed : Truth
        Of all, under the filter, and without what is removed.
    """

    exact: DenseIndex
    rows: VectorRows
    kept: Ids
    removed: Ids
    truth: Truth
    truth_kept: Truth
    truth_removed: Truth

    @classmethod
    def of(cls, tickets: Tickets, n: int, folder: Path) -> Trial:
        """Make n vectors and search them exactly."""
        exact = empty_dense(tickets.vectors.shape[1])
        for block in tickets.blocks(n):
            exact.add(np.arange(len(exact), len(exact) + len(block)), block)
        exact.write_rows(folder / BASE_FILE)
        shuffled = np.random.default_rng(1).permutation(n)
        kept, removed = np.sort(shuffled[: max(1, round(_KEPT * n))]), np.sort(shuffled[-round(_REMOVED * n) :])
        queries = tickets.query_vectors
        return cls(
            exact=exact,
            rows=VectorRows(folder, exact.dimension),
            kept=kept,
            removed=removed,
            truth=Truth.of(exact, queries),
            truth_kept=Truth.of(exact, queries, kept),
            truth_removed=Truth.of(exact, queries, np.setdiff1d(exact.ids, removed)),
        )


def recall_latency_figures(tickets: Tickets, n: int, scratch: Path, progress: Progress) -> dict[str, Any]:
    """Everything at one size."""
    progress(f"{n:,}: exact search")
    (scratch / "rows").mkdir()
    trial = Trial.of(tickets, n, scratch / "rows")
    methods = []
    for kind in FORCED:
        progress(f"{kind}: build and search")
        methods.append(_index_figures(kind, trial, scratch / kind))
    for form in GRAPHS:
        progress(f"{form.name}: build and search")
        methods.append(_graph_figures(form, trial, scratch))
    return {
        "n": n,
        "n_real": min(n, len(tickets.cases)),
        "n_queries": len(tickets.query_vectors),
        "neighbour_cosine": round(tickets.neighbour_cosine, 4),
        "exact_search": trial.truth.took.figures(),
        "methods": methods,
    }


def _index_figures(kind: str, trial: Trial, folder: Path) -> dict[str, Any]:
    """Our index as it ships, and its lists at other numbers of probes."""
    n = len(trial.exact)
    for name in ("work", "frozen", "snapshot", "measured", "loaded"):
        (folder / name).mkdir(parents=True)
    renewal = Renewal.begin(trial.exact, FORCED[kind], folder / "work")
    built, build = timed(renewal.finish)
    built.freeze(folder / "frozen", is_clean=True).write(folder / "snapshot")
    del built, renewal
    memory, _ = in_own_process(dense_memory, folder / "snapshot", folder / "measured")
    index = load_dense(folder / "snapshot", folder / "loaded")
    lists = copied_lists(index)
    points = [
        {
            "at": f"{n_probes} lists",
            **search_figures(
                compared_again(list_candidates(lists, n_probes), trial.rows, SPARE[index.kind]), trial.truth
            ),
        }
        for n_probes in _PROBES
    ]
    shipped = search_figures(lambda vector, k: index.search(vector, k)[0], trial.truth)
    filtered = search_figures(lambda vector, k: index.search(vector, k, trial.kept)[0], trial.truth_kept)
    _, removal = timed(lambda: index.remove(trial.removed))
    return {
        "name": index.kind,
        "bytes_a_vector": _bytes(memory / n, index.n_bytes / n, index.n_bytes_on_disk / n),
        "build_s": build,
        "shipped": shipped,
        "points": points,
        "filter_keeps_0.01": filtered,
        "after_removing_0.1": {
            "removal_s": removal,
            **search_figures(lambda vector, k: index.search(vector, k)[0], trial.truth_removed),
        },
    }


def _graph_figures(form: GraphForm, trial: Trial, folder: Path) -> dict[str, Any]:
    n = len(trial.exact)
    graph = GraphIndex(trial.exact.dimension, form.scalar, form.connectivity)

    def build() -> None:
        for page, vectors in trial.rows.blocks(np.arange(n)):
            graph.add(page, vectors.astype(np.float32))

    _, build_s = timed(build)
    path = folder / "graph.usearch"
    graph.save(path)
    memory, own_figure = in_own_process(graph_memory, path)
    path.unlink()

    def search_at(expansion: int) -> Search:
        return _final(form, trial, lambda vector, k: graph.search(vector, k, expansion))

    # A list of candidates is never shorter than the number that is asked for.
    expansions = [expansion for expansion in _EXPANSIONS if expansion >= K + form.spare]
    points = [{"at": f"ef {ef}", **search_figures(search_at(ef), trial.truth)} for ef in expansions]
    filtered = search_figures(_final(form, trial, _filtered(graph, trial)), trial.truth_kept)
    _, removal = timed(lambda: graph.remove(trial.removed))
    return {
        "name": form.name,
        "bytes_a_vector": _bytes(memory / n, own_figure / n, trial.rows.n_bytes / n if form.spare else 0.0),
        "build_s": build_s,
        "points": points,
        "filter_keeps_0.01": filtered,
        "after_removing_0.1": {"removal_s": removal, **search_figures(search_at(_EXPANSION), trial.truth_removed)},
    }


def _final(form: GraphForm, trial: Trial, candidates: Search) -> Search:
    return compared_again(candidates, trial.rows, form.spare) if form.spare else candidates


def _filtered(graph: GraphIndex, trial: Trial) -> Search:
    """Ask a graph for so many that enough of them should pass the filter, and drop the others."""
    is_kept = np.zeros(len(trial.exact), dtype=np.bool_)
    is_kept[trial.kept] = True

    def search(vector: Any, k: int) -> Ids:
        n_candidates = min(len(is_kept), round(_FILTER_MARGIN * K / _KEPT))
        found = graph.search(vector, n_candidates, _EXPANSION)
        return found[is_kept[found]][:k]

    return search


def _bytes(process: float, own_figure: float, mapped: float) -> dict[str, float]:
    return {"process": round(process, 1), "own_figure": round(own_figure, 1), "mapped": round(mapped, 1)}


@click.command()
@click.option("--data", "folder", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--size", default=200_000, show_default=True, help="Number of cases.")
@click.option("--workspace", type=click.Path(file_okay=False, path_type=Path), help="Keeps the vectors.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw recall against time here.")
@click.option("--json", "as_json", is_flag=True, expose_value=False, help="What it prints in any case.")
def main(folder: Path, size: int, workspace: Path | None, svg: Path | None) -> None:
    """Measure recall and time of searches; progress goes to standard error."""

    def progress(line: str) -> None:
        click.echo(line, err=True)

    try:
        check_usearch()
        tickets = read_tickets(folder, workspace, progress)
    except InvalidInput as error:
        raise click.ClickException(str(error)) from error
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=workspace) as scratch:
        figures = recall_latency_figures(tickets, size, Path(scratch), progress)
    figures["load"] = [round(before, 1), round(os.getloadavg()[0], 1)]
    if svg is not None:
        svg.write_text(recall_latency_svg(figures), encoding="utf-8")
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
