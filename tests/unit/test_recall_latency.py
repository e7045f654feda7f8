"""The benchmark of recall against time: what it searches, what it counts, and its picture."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.benchmarks.index_scale import FORCED
from evaluation.benchmarks.index_scale_data import Tickets
from evaluation.benchmarks.recall_latency import GRAPHS, main, recall_latency_figures
from evaluation.benchmarks.recall_latency_svg import recall_latency_svg
from evaluation.benchmarks.recall_points import K, Truth, search_figures
from evaluation.benchmarks.rescored import SPARE, compared_again, copied_lists, list_candidates
from features.dense import DenseIndex, Vectors
from features.dense_kinds import Renewal, empty_dense
from features.encoder import HashingEncoder
from features.vector_rows import VectorRows

needs_usearch = pytest.mark.skipif(
    find_spec("usearch") is None, reason="usearch is not installed: pip install '.[bench]'"
)
DIMENSION = 32


def unit_vectors(n: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def exact() -> DenseIndex:
    index = empty_dense(DIMENSION)
    index.add(np.arange(2_000), unit_vectors(2_000, 0))
    return index


@pytest.mark.parametrize("kind", FORCED)
def test_with_every_list_the_curve_ends_where_the_index_does(kind: str, exact: DenseIndex, tmp_path: Path):
    index = Renewal.begin(exact, FORCED[kind], tmp_path).finish()
    candidates = list_candidates(copied_lists(index), 10_000)
    search = compared_again(candidates, VectorRows(tmp_path, DIMENSION), SPARE[index.kind])

    for query in unit_vectors(20, 1):
        np.testing.assert_array_equal(search(query, K), index.search(query, K)[0])


def test_fewer_lists_find_less(exact: DenseIndex, tmp_path: Path):
    index = Renewal.begin(exact, FORCED["ivf-sq8"], tmp_path).finish()
    lists, rows = copied_lists(index), VectorRows(tmp_path, DIMENSION)
    truth = Truth.of(exact, unit_vectors(50, 1))

    one, ten, all_ = (
        search_figures(compared_again(list_candidates(lists, n), rows, 50), truth)["recall@10"] for n in (1, 10, 10_000)
    )

    assert one < ten < all_ == 1.0


def test_an_exact_index_has_no_lists(exact: DenseIndex):
    with pytest.raises(TypeError, match="An index of kind exact has no lists; take one of ivf-sq8, ivf-sq4"):
        copied_lists(exact)


def test_recall_is_the_share_of_the_nearest_that_were_found(exact: DenseIndex):
    queries = unit_vectors(3, 1)
    truth = Truth.of(exact, queries)
    found = [exact.search(query, K)[0] for query in queries]

    assert truth.recall(found) == 1.0
    assert truth.recall([found[0], found[1][:5], found[2][:0]]) == 0.5


def test_recall_is_of_what_is_allowed(exact: DenseIndex):
    queries, even = unit_vectors(3, 1), np.arange(0, 2_000, 2)

    assert Truth.of(exact, queries, even).recall([exact.search(query, K, even)[0] for query in queries]) == 1.0


def test_the_picture_is_drawn_of_what_was_measured():
    points = [{"at": "ef 64", "recall@10": recall, "cpu_p50_ms": time} for recall, time in ((0.7, 0.1), (0.9, 0.2))]
    best = {"recall@10": 1.0, "cpu_p50_ms": 0.9}
    taken = {"process": 400.4, "own_figure": 390.0, "mapped": 768.0}
    methods = [
        {"name": "ours & fine", "shipped": best, "points": [*points, best], "bytes_a_vector": taken},
        {"name": "graph", "points": points, "bytes_a_vector": taken | {"mapped": 0.0}},
    ]

    root = ET.fromstring(recall_latency_svg({"n": 2_000, "methods": methods}))  # noqa: S314

    svg = "{http://www.w3.org/2000/svg}"
    words = [text.text for text in root.iter(f"{svg}text")]
    assert "Recall at 10 against the time of a search, 2,000 vectors" in words
    assert "ours & fine (ring: as it ships): 400 bytes of memory a vector, 768 on disk, mapped" in words
    assert "graph: 400 bytes of memory a vector" in words
    lines = [line.get("points").split() for line in root.iter(f"{svg}polyline")]
    assert [len(line) for line in lines] == [2, 1]
    (low_x, low_y), (high_x, high_y) = (map(float, place.split(",")) for place in lines[0])
    assert low_x < high_x
    assert high_y < low_y


def test_without_usearch_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    # As where it is not installed: no folder of the path holds it.
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.partition(".")[0] == "usearch"]:
        monkeypatch.delitem(sys.modules, name)

    result = CliRunner().invoke(main, ["--data", str(tmp_path)])

    assert result.exit_code == 1
    assert "usearch, which is not installed; run `pip install --constraint constraints.txt '.[bench]'`" in result.output


@pytest.mark.slow
@needs_usearch
def test_every_way_of_searching_is_measured(tmp_path: Path):
    vectors = unit_vectors(600, 0)
    tickets = Tickets((), (), vectors, (), unit_vectors(30, 1), HashingEncoder(DIMENSION), "1", neighbour_cosine=0.7)

    figures = recall_latency_figures(tickets, 600, tmp_path, lambda line: None)

    assert [method["name"] for method in figures["methods"]] == [*FORCED, *(form.name for form in GRAPHS)]
    for method in figures["methods"]:
        assert method["points"][-1]["recall@10"] > 0.95
        assert method["filter_keeps_0.01"]["recall@10"] > 0.95
        assert method["after_removing_0.1"]["recall@10"] > 0.8
        assert method["bytes_a_vector"]["process"] > 0.0


@needs_usearch
def test_what_was_removed_from_a_graph_is_not_found():
    from evaluation.benchmarks.graph_index import GraphIndex

    vectors = unit_vectors(300, 0)
    graph = GraphIndex(DIMENSION, "f16", 8)
    graph.add(np.arange(300), vectors)
    assert graph.search(vectors[7], 1, 64).tolist() == [7]

    graph.remove(np.arange(100))

    assert min(graph.search(vectors[7], 50, 64)) >= 100
