"""The severity model on tickets whose levels follow a rule: probabilities, habits that change, records that tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from evaluation.dataset import LabelledRows, RecallThreshold
from evaluation.neighbours import neighbours_among, neighbours_before
from features.encoder import HashingEncoder
from features.feature_space import Example, FeatureSpace
from features.past_record import Counted, PastRecord, Who, records_in_time
from features.text import model_text
from features.ticket import SEVERITIES, Outcome, Status, Ticket
from serving.heads import LinearHead
from serving.neighbours import Neighbours
from serving.severity_model import INPUT_NAMES, MOST, N_INPUTS, SEVERITY, SeverityModel, stage_inputs
from training.params import TrainingParams
from training.severity import StageRows, _crossed, fit_severity, fit_stage
from training.severity_ablation import KINDS, severity_without
from training.triage import fit_space

START = datetime(2025, 1, 1, tzinfo=UTC)
PARAMS = TrainingParams()
C = 0.03
ENCODER = HashingEncoder(16)
WORDS = ("outage", "slow", "label", "question")
FILLER = ("sync", "export", "login", "today", "again", "page", "team", "report")


def tickets(n: int, *, levels: tuple[int, ...] = (0, 1, 2, 3), by: str = "words", seed: int = 0) -> LabelledRows:
    """One ticket a day, whose level its words tell, or its reporter, or nothing."""
    generator = np.random.default_rng(seed)
    drawn = [levels[k] for k in generator.integers(0, len(levels), n).tolist()]
    cases = []
    for day, level in enumerate(drawn):
        words = [*generator.choice(FILLER, 4).tolist(), *([WORDS[level]] if by == "words" else [])]
        ticket = Ticket(
            subject=" ".join(words[:2]),
            description=" ".join(words[2:]),
            created_at=START + timedelta(days=day),
            reporter=f"reporter {level}" if by == "reporter" else None,
        )
        resolved = START + timedelta(days=day, hours=3)
        cases.append((ticket, Outcome(status=Status.RESOLVED, resolved_at=resolved, severity=SEVERITIES[level])))
    return rows_of(cases)


def rows_of(cases: list[tuple[Ticket, Outcome]]) -> LabelledRows:
    texts = [model_text(ticket) for ticket, _ in cases]
    vectors = ENCODER.encode([text.text for text in texts])
    records = records_in_time([ticket for ticket, _ in cases], [outcome for _, outcome in cases])
    return LabelledRows(
        examples=tuple(
            Example(ticket, text, vector, record)
            for (ticket, _), text, vector, record in zip(cases, texts, vectors, records, strict=True)
        ),
        categories=(None,) * len(cases),
        severities=tuple(outcome.severity for _, outcome in cases),
        targets={},
    )


def parts(rows: LabelledRows, n_train: int) -> tuple[LabelledRows, LabelledRows]:
    return rows.take(range(n_train)), rows.take(range(n_train, len(rows)))


def fitted(rows: LabelledRows, n_train: int | None = None) -> tuple[FeatureSpace, SeverityModel, RecallThreshold]:
    train, calibration = parts(rows, n_train or len(rows) * 2 // 3)
    space = fit_space(train.examples, PARAMS)
    return (space, *fit_severity(space, train, calibration, PARAMS))


def asked(space: FeatureSpace, model: SeverityModel, known: LabelledRows, rows: LabelledRows) -> np.ndarray:
    return model.probabilities(space.transform(rows.examples), neighbours_among(known, rows))


def levels_of(rows: LabelledRows) -> np.ndarray:
    return np.array([SEVERITIES.index(level) for level in rows.severities if level])


@pytest.mark.parametrize("by", ["words", "reporter"])
def test_what_tells_the_level_is_learned(by: str):
    known, later = parts(tickets(360, by=by), 300)
    probabilities = asked(*fitted(known)[:2], known, later)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(60))
    assert np.all(probabilities >= 0)
    assert np.all(np.diff(np.cumsum(probabilities, axis=1), axis=1) >= 0)
    assert np.mean(probabilities.argmax(axis=1) == levels_of(later)) > 0.8


def test_the_order_of_an_undated_file_does_not_matter():
    generator = np.random.default_rng(1)
    levels = generator.integers(0, 4, 800).tolist()
    cases = []
    for level in levels:
        said = level if generator.random() < 0.6 else int(generator.integers(0, 4))
        ticket = Ticket(subject=WORDS[said], description=" ".join(generator.choice(FILLER, 4)))
        cases.append((ticket, Outcome(status=Status.RESOLVED, severity=SEVERITIES[level])))
    rows = rows_of([*sorted(cases[:500], key=lambda case: str(case[1].severity)), *cases[500:]])
    known, later = parts(rows, 600)
    probabilities = asked(*fitted(known, 500)[:2], known, later)
    assert np.mean(probabilities.argmax(axis=1) == levels_of(later)) > 0.6


def test_where_nothing_tells_the_level_its_share_is_answered():
    known, later = parts(tickets(360, by="nothing", levels=(1, 2, 2, 2)), 300)
    space, model, _ = fitted(known)
    found = asked(space, model, known, later).mean(axis=0)
    assert found[[1, 2]] == pytest.approx([0.25, 0.75], abs=0.12)
    assert found[[0, 3]].max() < 0.05


def test_a_ticket_alone_gets_the_very_probabilities_it_gets_among_others():
    known, later = parts(tickets(200), 150)
    space, model, _ = fitted(known)
    neighbours = neighbours_among(known, later)
    together = model.probabilities(space.transform(later.examples), neighbours)
    for i in range(len(later)):
        own = Neighbours(neighbours.cosines[i : i + 1], neighbours.numbers[i : i + 1], neighbours.labels)
        assert np.array_equal(model.probabilities(space.transform(later.examples[i : i + 1]), own)[0], together[i])
    assert model.stage.probabilities(np.empty((0, N_INPUTS))).shape == (0, 4)


@pytest.mark.parametrize("levels", [(0, 3), (1, 2), (2, 3)])
def test_two_levels_alone_are_told_apart_and_the_others_are_unlikely(levels: tuple[int, int]):
    known, later = parts(tickets(250, levels=levels), 200)
    probabilities = asked(*fitted(known)[:2], known, later)
    others = [level for level in range(4) if level not in levels]
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(50))
    assert np.all(probabilities[:, others] > 0)
    assert probabilities[:, others].max() < 0.05
    assert np.mean(probabilities.argmax(axis=1) == levels_of(later)) > 0.9


def stage_rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 4, n)
    inputs = np.zeros((n, N_INPUTS))
    inputs[:, 0] = levels + 0.2 * generator.standard_normal(n)
    return inputs, levels


def test_inputs_that_never_vary_say_nothing():
    inputs, levels = stage_rows(200)
    inputs[:, 5] = 7.5
    stage = fit_stage(inputs, levels, C)
    assert stage.weights[0].any()
    assert not stage.weights[1:].any()
    changed = inputs.copy()
    changed[:, 5] = -1e9
    assert np.array_equal(stage.probabilities(changed), stage.probabilities(inputs))


def test_an_input_far_from_all_that_was_seen_says_no_more_than_one_at_the_edge():
    inputs, levels = stage_rows(200)
    stage = fit_stage(inputs, levels, C)
    far, edge = (np.tile(inputs.mean(axis=0), (1, 1)) for _ in range(2))
    far[0, 0], edge[0, 0] = 1e12, inputs[:, 0].mean() + MOST * inputs[:, 0].std()
    assert stage.probabilities(far) == pytest.approx(stage.probabilities(edge))
    assert stage.probabilities(far).argmax() == 3


def test_one_level_and_inputs_that_are_all_alike_still_give_probabilities():
    probabilities = fit_stage(np.ones((30, N_INPUTS)), np.full(30, 2), C).probabilities(np.ones((2, N_INPUTS)))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(2))
    assert probabilities.argmax(axis=1).tolist() == [2, 2]
    assert probabilities[0, [0, 1, 3]] == pytest.approx(np.full(3, 0.5 / 31), rel=0.1)


def test_the_unit_of_an_input_does_not_matter():
    inputs, levels = stage_rows(200)
    scaled = inputs * 1_000.0 + 5.0
    expected = fit_stage(inputs, levels, C).probabilities(inputs)
    assert fit_stage(scaled, levels, C).probabilities(scaled) == pytest.approx(expected, abs=1e-4)


def test_a_change_of_habit_halfway_is_followed():
    """What was called sev4 until then is called sev2 from then on, half and half."""
    inputs, _ = stage_rows(400)
    inputs[:, 0] = np.arange(400) % 2
    before, after = np.where(inputs[:, 0] == 0, 3, 0), np.where(inputs[:, 0] == 0, 1, 0)
    habit = np.where(np.arange(400) < 200, before, after)
    other_way = habit[np.r_[200:400, :200]]
    new, old = (fit_stage(inputs, levels, C).probabilities(inputs[:1])[0] for levels in (habit, other_way))
    assert new[1] > new[3], "the newer habit counts more"
    assert old[3] > old[1]


def test_thresholds_are_chosen_on_rows_that_no_stage_has_seen():
    # Every calibration row has an input of its own that gives its level away to a stage that has seen it.
    inputs, _ = stage_rows(120)
    inputs[:, 0] = 0.0
    levels = np.random.default_rng(1).integers(0, 4, 120)
    inputs[np.arange(40, 40 + N_INPUTS), np.arange(N_INPUTS)] = 100.0 * (1 + levels[40 : 40 + N_INPUTS])
    nothing = LinearHead(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros(3, np.float32))
    crossed = _crossed(StageRows(nothing, inputs, levels, n_train=40), 100.0)
    seen = fit_stage(inputs, levels, 100.0).probabilities(inputs[40:])
    own = np.arange(N_INPUTS)
    truth = levels[40:][own]
    assert crossed.shape == (80, 4)
    assert crossed.sum(axis=1) == pytest.approx(np.ones(80))
    assert seen[own, truth].mean() > crossed[own, truth].mean() + 0.1


def test_the_sev1_threshold_is_that_of_the_crossed_probabilities():
    rows = tickets(900, levels=(0, 1, 2))
    space, model, promise = fitted(rows, 600)
    assert (promise.certified, model.sev1_threshold) == (True, promise.threshold)
    assert model.sev1_certified
    known, later = parts(rows, 600)
    n_sev1 = int((levels_of(later) == 0).sum())
    assert promise.n_positives == n_sev1 >= promise.n_needed
    # The final model has seen these rows: it is surer of them than those that chose the threshold.
    risks = asked(space, model, known, later)[levels_of(later) == 0, 0]
    assert np.mean(risks >= model.sev1_threshold) >= PARAMS.sev1_recall


def test_few_sev1_give_a_threshold_by_cost():
    _, model, promise = fitted(tickets(120))
    assert (promise.certified, model.sev1_certified) == (False, False)
    assert model.sev1_threshold == PARAMS.costs[1][0] / (PARAMS.costs[1][0] + PARAMS.costs[0][1])


def test_a_record_of_sev1_raises_the_risk_of_the_same_words():
    known = tickets(300, by="reporter")
    space, model, _ = fitted(known)
    record = PastRecord()
    for example, level in zip(known.examples, known.severities, strict=True):
        assert level is not None
        at = example.ticket.created_at
        assert at is not None
        record.add(Counted(Who.of(example.ticket), SEVERITIES.index(level), at.timestamp()))
    at = START + timedelta(days=301)
    rows = rows_of([(Ticket(subject="login again", created_at=at), Outcome())] * 5)
    reporters = [*(f"reporter {level}" for level in range(4)), "stranger"]
    rows = replace(
        rows,
        examples=tuple(
            replace(example, record=record.features(Who(None, None, name), at=at.timestamp()))
            for example, name in zip(rows.examples, reporters, strict=True)
        ),
    )
    risks = asked(space, model, known, rows)
    assert risks[0, 0] > risks[4, 0] > risks[3, 0], "a stranger is between"
    assert risks[0, 0] > 0.5 > 0.1 > risks[3, 0]
    assert risks[:4].argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_severities_of_the_nearest_cases_are_inputs():
    rows = tickets(2)
    near = Neighbours(
        np.array([[0.9, 0.8], [0.7, 0.6]], np.float32),
        np.array([[0, 1], [2, 2]]),
        {SEVERITY: ["sev1", None, "sev4"]},
    )
    scores = np.arange(6.0).reshape(2, 3)
    space = fit_space(rows.examples, PARAMS)
    features = space.transform(rows.examples)
    found = stage_inputs(scores, features, near)
    assert found.shape == (2, N_INPUTS)
    assert np.array_equal(found[:, :3], scores)
    assert np.array_equal(found[:, -features.context.shape[1] :], features.context)
    column = INPUT_NAMES.index("neighbours_sev1")
    assert found[:, column : column + 4].argmax(axis=1).tolist() == [0, 3]
    assert found[:, INPUT_NAMES.index("nearest_cosine")] == pytest.approx([0.9, 0.7])


def test_neighbours_before_a_row_are_older_ones_alone():
    rows = tickets(60)
    found = neighbours_before(rows)
    codes = found.codes(SEVERITY, [str(level) for level in SEVERITIES])
    truth = levels_of(rows)
    for i, (numbers, of_row) in enumerate(zip(found.numbers, codes, strict=True)):
        held = numbers[numbers < len(rows)]
        assert len(held) == min(i, found.numbers.shape[1])
        assert np.all(held < i)
        assert of_row[numbers < len(rows)].tolist() == truth[held].tolist()
        assert np.all(of_row[numbers == len(rows)] == -1), "nobody has no label"
    assert np.all(np.diff(found.cosines, axis=1) <= 0)


def test_what_is_left_out_is_missed_where_it_alone_tells_the_level():
    rows = tickets(400, by="reporter")
    known, later, asked_rows = rows.take(range(240)), rows.take(range(240, 320)), rows.take(range(320, 400))
    found = severity_without(known, later, asked_rows, PARAMS)
    truth = levels_of(asked_rows)
    right = {kind: float(np.mean(each.argmax(axis=1) == truth)) for kind, each in found.items()}
    assert set(found) == set(KINDS)
    assert all(each.sum(axis=1) == pytest.approx(np.ones(80)) for each in found.values())
    assert right["form"] > right["record_of_reporter"] + 0.2


def test_every_input_of_the_second_stage_is_of_one_kind():
    assert sorted(name for names in KINDS.values() for name in names) == sorted(INPUT_NAMES)
