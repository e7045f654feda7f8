"""A mapping file is read whole or refused with its key and value."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from features.errors import MappingInvalid
from features.sources import open_source
from features.sources.base import Row
from features.sources.mapping import ColumnMapping, load_mapping
from features.sources.vocabulary import JIRA_SEVERITY_NAMES, SEVERITY_NAMES, STATUS_NAMES, fold, look_up
from features.ticket import Severity, Status


def _load(tmp_path: Path, text: str) -> ColumnMapping:
    (tmp_path / "mapping.toml").write_text(text, encoding="utf-8")
    return load_mapping(tmp_path / "mapping.toml")


def test_an_empty_mapping_has_our_own_names(tmp_path: Path) -> None:
    mapping = _load(tmp_path, "")
    assert mapping == ColumnMapping()
    assert {ours for ours, theirs in mapping.columns if ours != theirs} == set()
    assert mapping.zone is UTC


def test_a_full_mapping(tmp_path: Path) -> None:
    mapping = _load(
        tmp_path,
        '\ufefftime_zone = "Europe/Berlin"\ndate_formats = ["%d.%m.%Y", "unix"]\nfields = ["os"]\n'
        '[columns]\nid = "number"\nreporter = ""\n'
        '[severity]\n"1 -  HIGH" = "sev1"\nunknown = "ignore"\n'
        '[status]\nParked = "open"\n[outcome]\nyes = "held"\n'
        '[targets]\nteam = "assignment_group"\n[constants]\nproduct = "desk"\n',
    )
    assert (mapping.columns.id, mapping.columns.reporter, mapping.columns.subject) == ("number", "", "subject")
    assert (mapping.severity.values, mapping.severity.unknown) == ({"1 - high": Severity.SEV1}, "ignore")
    assert (mapping.status.values, mapping.status.unknown) == ({"parked": Status.OPEN}, "reject")
    assert mapping.zone == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", r"is not valid TOML: .*; mend that place"),
        ("colums = 1", r"has an unknown key colums; known ones are columns, severity,"),
        ('[columns]\nnumber = "x"', r"unknown key columns\.number; known ones are id, version, subject"),
        ('[columns]\nid = ""', r"wrong at columns\.id: .*\(got ''\)"),
        ("[columns]\nsubject = 1", r"wrong at columns\.subject: .*string \(got 1\)"),
        ('[severity]\nP1 = "sev9"', r"wrong at severity\.P1: .*'sev1', 'sev2', 'sev3' or 'sev4' \(got 'sev9'\)"),
        ('[severity]\nunknown = "drop"', r"wrong at severity\.unknown: .*'reject' or 'ignore' \(got 'drop'\)"),
        ('severity = "sev1"', r"wrong at severity: .*\(got 'sev1'\)"),
        ('time_zone = "Mars"', r"wrong at time_zone: is no IANA time zone.* \(got 'Mars'\)"),
        ('time_zone = "../etc"', r"wrong at time_zone: is no IANA time zone"),
        ('date_formats = ["dd.mm"]', r"wrong at date_formats: 'dd\.mm' is neither unix"),
        ('list_separator = ""', r"wrong at list_separator"),
        ('[constants]\nid = "1"', r"wrong at constants: 'id' cannot be constant"),
        ('[constants]\nplanet = "x"', r"wrong at constants: 'planet' cannot be constant"),
    ],
)
def test_faults(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MappingInvalid, match=message):
        _load(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match=r"cannot be read \(No such file or directory\); check the path"):
        load_mapping(tmp_path / "none.toml")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MappingInvalid, match=r"is not valid TOML"):
        load_mapping(tmp_path / "mapping.toml")


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("sev1", Severity.SEV1),
        ("S1", Severity.SEV1),
        ("P1", Severity.SEV1),
        ("Critical", Severity.SEV1),
        ("BLOCKER", Severity.SEV1),
        (" urgent ", Severity.SEV1),
        ("1 - Critical", Severity.SEV1),
        ("3 – Moderate", Severity.SEV3),
        ("High", Severity.SEV2),
        ("Normal", Severity.SEV3),
        ("5 - Planning", Severity.SEV4),
        ("1", None),
        ("P0", None),
        ("", None),
    ],
)
def test_severities_known_by_name(name: str, severity: Severity | None) -> None:
    assert look_up(name, SEVERITY_NAMES) is severity


def test_jira_names_its_levels_a_step_further_down() -> None:
    names = ("Blocker", "Critical", "Major", "Minor", "Trivial", "Highest", "High", "Medium", "Low", "Lowest")
    levels = [look_up(name, JIRA_SEVERITY_NAMES) for name in names]
    assert levels == ["sev1", "sev2", "sev3", "sev4", "sev4", "sev1", "sev2", "sev3", "sev4", "sev4"]


def test_states_known_by_name() -> None:
    names = ("New", "in  Progress", "Solved", "CLOSED", "Parked")
    assert [look_up(name, STATUS_NAMES) for name in names] == ["open", "open", "resolved", "closed", None]


DOCS = Path(__file__).parents[2] / "docs" / "import.md"


def _block(language: str) -> str:
    return DOCS.read_text(encoding="utf-8").split(f"```{language}\n")[1].split("```")[0]


def test_the_documented_mapping_is_valid(tmp_path: Path) -> None:
    mapping = _load(tmp_path, _block("toml"))
    assert mapping.columns.customer == "caller.company.name"
    assert set(ColumnMapping.model_fields) == set(mapping.model_fields_set)


def test_the_documented_row_is_valid(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(_block("json").replace("\n", " "), encoding="utf-8")
    (row,) = open_source("jsonl", tmp_path / "rows.jsonl").rows()
    assert isinstance(row, Row), row
    assert len(row.case.links) == 2


def test_the_documented_names_are_those_that_are_known() -> None:
    rows = [line.strip("| ").split(" | ") for line in DOCS.read_text(encoding="utf-8").splitlines() if " | " in line]
    table = {row[0]: {fold(name) for name in row[1].split(",")} for row in rows if len(row) == 2}
    for names, values in ((SEVERITY_NAMES, Severity), (STATUS_NAMES, Status)):
        for value in values:
            known = {name for name, found in names.items() if found is value}
            assert {name.replace("-", " ") for name in known} == {name.replace("-", " ") for name in table[value]}
