"""The command line: quick help, exit codes, one sentence on standard error, JSON for programs, and bad input."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from cli.main import cli
from features.history import History
from features.release import load_release, write_release
from features.settings import Settings, load_settings
from features.sources.base import Row
from training.promotion import promote

if TYPE_CHECKING:
    from conftest import CommandResult, Trained

SAMPLES = Path(__file__).parents[2] / "data_samples"
HEAVY = [
    "numpy",
    "pydantic",
    "sqlalchemy",
    "scipy",
    "sklearn",
    "mlflow",
    "torch",
    "sentence_transformers",
    "faiss",
    "tantivy",
    "onnxruntime",
    "bentoml",
    "pandas",
    "matplotlib",
    "rich",
]
Run = Callable[..., "CommandResult"]


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group by its words."""
    context = click.Context(group)
    found = [path] if path else []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        is_group = isinstance(command, click.Group)
        found += commands(command, (*path, name)) if is_group else [(*path, name)]
    return found


def tickets_file(path: Path, n: int) -> Path:
    lines = (
        json.dumps({"id": f"T-{i}", "subject": f"export {i} fails", "description": "The export stops half way. " * 8})
        for i in range(n)
    )
    path.write_text("\n".join(lines) + "\n")
    return path


def sentence(result: CommandResult) -> str:
    """The error of a command that did not do what was asked: one line on standard error, nothing on standard output."""
    assert result.code == 1, result
    assert result.out == ""
    line = result.err.strip().split("\n")[-1]
    assert line.startswith("Error: "), result.err
    assert "Traceback" not in result.err
    return line.removeprefix("Error: ")


@pytest.fixture
def promoted(trained_copy: Settings, trained: Trained) -> Settings:
    """A workspace of the test's own whose better release is the champion."""
    promote(trained_copy, trained.better.release_id)
    return trained_copy


# Help


def test_help_imports_nothing_heavy():
    """Half a second is spent on imports or not at all; the clock of a busy machine would tell less."""
    program = f"""
import contextlib, io, json, sys
from cli.main import main
found = {{}}
for words in {json.dumps([[], *commands()])}:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            main([*words, "--help"])
        except SystemExit as stopped:
            code = stopped.code
    found[" ".join(words)] = [code, text.getvalue(), [name for name in {HEAVY} if name in sys.modules]]
print(json.dumps(found))
"""
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    found = json.loads(out.stdout)
    assert len(found) >= 25
    for words, (code, text, heavy) in found.items():
        assert code == 0, words
        assert text.startswith(f"Usage: precedent {words}".rstrip()), words
        assert heavy == [], f"precedent {words} --help imports {heavy}"


def test_every_command_of_the_design_is_there():
    names = {words[0] for words in commands()}
    assert names == {
        "audit",
        "backup",
        "benchmark",
        "demo",
        "doctor",
        "erase",
        "evaluate",
        "follow",
        "import",
        "index",
        "keys",
        "promote",
        "report",
        "restore",
        "rollback",
        "runbook",
        "serve",
        "suggest",
        "train",
    }


def test_every_command_takes_a_workspace_and_explains_itself():
    for words in commands():
        command: Any = cli
        for word in words:
            command = command.get_command(click.Context(command), word)
        assert command.help, words
        if isinstance(command, click.Group) or words == ("benchmark",):
            continue
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--workspace" in options, words
        assert "--json" in options or words == ("demo",), words


# Exit codes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-verb"], "No such command 'no-such-verb'"),
        (["train", "--no-such-option"], "No such option"),
        (["--workspace", "x", "train"], "Options stand after the command"),
        (["import", "tickets", "x.csv"], "does not exist"),
        (["import", "tickets", str(SAMPLES / "tickets.jsonl")], "Missing option '--source'"),
        (["import", "tickets", str(SAMPLES / "tickets.jsonl"), "--source", "zip"], "'zip' is not one of"),
        (["import", "tickets", str(SAMPLES / "tickets.jsonl"), "--source", "csv", "--system", "A B"], "'A B' is not"),
        (["erase"], "Missing option '--ticket'"),
        (["keys", "create"], "Missing option '--label'"),
        (["keys", "create", "--label", "x", "--scope", "root"], "'root' is not one of"),
        (["keys", "create", "--label", "x", "--group", "a", "--all-groups"], "not both"),
        (["audit", "verify", "--expect-head", "7:xyz"], "'7:xyz' is not a number, a colon"),
        (["suggest"], "Give --ticket FILE, or --subject and --description."),
        (["suggest", "--subject", "x", "--ticket", str(SAMPLES / "new_ticket.json")], "not both"),
        (["suggest", "--subject", "x", "--top-k", "0"], "0 is not in the range"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["train", "--seed", "-1"], "-1 is not in the range"),
    ],
)
def test_wrong_usage_exits_2(precedent: Run, tmp_path: Path, arguments: list[str], says: str):
    result = precedent(*arguments, *(["--workspace", tmp_path / "new"] if len(arguments) > 2 else []))
    assert result.code == 2, result
    assert says in result.err
    assert result.out == ""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["evaluate"],
        ["promote"],
        ["rollback"],
        ["report", "misclassification"],
        ["index", "stats"],
        ["suggest", "--subject", "login fails"],
        ["erase", "--ticket", "T-1"],
        ["keys", "list"],
    ],
)
def test_a_workspace_that_is_not_there_is_not_made(precedent: Run, tmp_path: Path, arguments: list[str]):
    said = sentence(precedent(*arguments, "--workspace", tmp_path / "typo"))
    assert said.startswith(f"There is no workspace {tmp_path / 'typo'}: name another one with --workspace")
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train"], "The history holds no tickets: import some with 'precedent import tickets'."),
        (["evaluate"], "There is no challenger yet: run 'precedent train' first."),
        (["promote", "r0"], "There is no release 'r0'"),
        (["rollback"], "There is no earlier release to go back to"),
        (["report", "misclassification", "--release", "r0"], "There is no release 'r0'"),
        (["suggest", "--subject", "login fails"], "No release is promoted"),
        (["index", "verify"], "No release is promoted"),
        (["serve"], "No release is promoted"),
        (["erase", "--ticket", "T-1"], "The history holds no ticket 'T-1'"),
        (["keys", "revoke", "k0"], "There is no API key 'k0'"),
    ],
)
def test_an_empty_workspace_says_what_is_missing(
    precedent: Run, make_workspace: Callable[[list[Row]], Settings], arguments: list[str], says: str
):
    settings = make_workspace([])
    assert sentence(precedent(*arguments, "--workspace", settings.workspace)).startswith(says)


def test_a_wrong_setting_is_named(precedent: Run, tmp_path: Path):
    (tmp_path / "precedent.toml").write_text("encodr = 'hashing'\n")
    said = sentence(precedent("keys", "list", "--workspace", tmp_path))
    assert said.startswith("Setting encodr is wrong")
    assert "precedent.toml" in said


def test_a_reader_that_has_read_enough_is_no_error(trained: Trained):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cli.main", "keys", "list", "--workspace", str(trained.settings.workspace)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b""


# JSON


def test_json_of_what_reads_and_writes_the_history(precedent: Run, tmp_path: Path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "precedent.toml").write_text('encoder = "hashing"\n')
    at = ["--workspace", tmp_path / "ws", "--json"]
    source = SAMPLES / "tickets.jsonl"

    def answer(*arguments: object) -> Any:
        result = precedent(*arguments, *at)
        assert result.code == 0, result
        return json.loads(result.out)

    imported = answer("import", "tickets", source, "--source", "jsonl", "--mapping", SAMPLES / "mapping.toml")
    assert imported["read"] == imported["inserted"] == 630
    assert imported["rejected"] == 0
    assert imported["rejects_path"] is None
    assert answer("import", "tickets", source, "--source", "jsonl")["unchanged"] == 630
    assert answer("import", "runbooks", SAMPLES / "runbooks")["added"] == 18
    made = answer("keys", "create", "--label", "desk", "--days", 3, "--group", "gold")
    assert made["groups"] == ["gold"]
    assert made["token"].startswith(made["key_id"])
    assert [key["label"] for key in answer("keys", "list")] == ["desk"]
    assert "token" not in answer("keys", "list")[0]
    rotated = answer("keys", "rotate", made["key_id"], "--overlap-hours", 1)
    assert (rotated["label"], rotated["scopes"], rotated["groups"]) == ("desk", made["scopes"], ["gold"])
    assert rotated["token"].partition(".")[0] not in (made["key_id"], made["token"])
    assert answer("keys", "revoke", made["key_id"])["revoked_at"] is not None
    assert sentence(precedent("keys", "rotate", made["key_id"], *at)).startswith("The API key")
    assert answer("keys", "revoke", rotated["key_id"])["revoked_at"] is not None
    assert answer("erase", "--ticket", "CS-10400")["id"] == "CS-10400"
    assert sentence(precedent("erase", "--ticket", "CS-10400", *at)).startswith("The history holds no ticket")
    findings = {finding["name"]: finding["state"] for finding in answer("doctor")}
    assert findings["history"] == "ok"
    assert findings["keys"] == "warn"
    assert findings["release"] == "warn"


def check_audit(precedent: Run, settings: Settings, served: list[tuple[str, str]]) -> None:
    """The chain holds what was served; it is verified, told apart from a changed one, and cleared."""
    from sqlalchemy import select, update

    from features.history import History
    from features.schema import audit_chain

    at = ["--workspace", settings.workspace]
    with closing(History.open(settings.history_url)) as history:
        with history.reading() as connection:
            rows = connection.execute(select(audit_chain).order_by(audit_chain.c.seq)).all()
        told = [(row.kind, json.loads(row.payload)["release"]) for row in rows if row.actor == "cli"]
        assert told == served
        found = json.loads(precedent("audit", "verify", *at, "--json").out)
        assert (found["ok"], found["entries"], found["fault"]) == (True, len(rows), None)
        assert found["head"] == f"{rows[-1].seq}:{rows[-1].hash}"
        assert precedent("audit", "verify", *at, "--expect-head", found["head"]).code == 0
        printed = precedent("audit", "verify", *at)
        assert printed.out.startswith(f"{len(rows)} entries checked, from {rows[0].at:%Y-%m-%d}T")
        assert f"Nothing was changed. Head: {found['head']}" in printed.out
        other = precedent("audit", "verify", *at, "--expect-head", f"2:{'ab' * 32}")
        assert (other.code, "BROKEN. Entry 2: it is another one" in other.out) == (1, True)
        with history.writing() as connection:
            connection.execute(update(audit_chain).where(audit_chain.c.seq == 2).values(actor="k1"))
        broken = precedent("audit", "verify", *at, "--json")
        assert broken.code == 1
        assert json.loads(broken.out)["fault"] == {"seq": 2, "reason": "it was changed: its hash is another one"}
        assert "BROKEN. Entry 2: it was changed" in precedent("audit", "verify", *at).out
        with history.writing() as connection:
            connection.execute(update(audit_chain).where(audit_chain.c.seq == 2).values(actor="cli"))
    assert precedent("audit", "prune", *at).code == 2
    assert json.loads(precedent("audit", "prune", "--days", 0, *at, "--json").out)["entries"] == len(rows)
    assert "removed by retention" in precedent("audit", "verify", *at).out


def test_json_of_a_release_s_life(precedent: Run, trained_copy: Settings, trained: Trained):
    better, worse = trained.better.release_id, trained.worse.release_id
    at = ["--workspace", trained_copy.workspace, "--json"]
    assert json.loads(precedent("promote", *at).out) == {"champion": better}
    found = json.loads(precedent("evaluate", worse, *at).out)
    assert (found["release"], found["champion"], found["gate_passed"]) == (worse, better, False)
    refused = precedent("promote", worse, *at)
    assert sentence(refused).startswith(f"Release {worse} is not promoted: Macro-F1 of category")
    assert refused.err.count("Macro-F1 of category") == 1
    assert json.loads(precedent("promote", worse, "--force", *at).out) == {"champion": worse}
    assert json.loads(precedent("rollback", *at).out) == {"champion": better}
    check_audit(precedent, trained_copy, [("promote", better), ("promote", worse), ("rollback", better)])
    assert json.loads(precedent("report", "misclassification", *at).out)["release_id"] == better
    stats = json.loads(precedent("index", "stats", *at).out)
    assert stats["n_cases"] == 654
    assert json.loads(precedent("index", "rebuild", *at).out)["n_cases"] == 654
    assert json.loads(precedent("index", "compact", *at).out)["n_cases"] == 654
    assert json.loads(precedent("index", "verify", *at).out)["sound"] is True
    suggestion = json.loads(precedent("suggest", "--subject", "SAML login fails", "--top-k", 2, *at).out)
    assert suggestion["release"] == better
    assert suggestion["category"]["why"] is None
    explained = json.loads(precedent("suggest", "--subject", "SAML login fails", "--explain", *at).out)
    assert explained["category"]["why"]
    assert explained["severity"]["why"]
    findings = {finding["name"]: finding["state"] for finding in json.loads(precedent("doctor", *at).out)}
    assert findings["release"] == findings["registry"] == findings["index"] == "ok"


def test_the_same_for_people(precedent: Run, promoted: Settings, trained: Trained):
    at = ["--workspace", promoted.workspace]
    assert precedent("evaluate", *at).out.startswith(f"Release {trained.better.release_id} on ")
    page = precedent("report", "misclassification", "--out", promoted.workspace / "page.html", *at)
    assert page.out == f"Report: {promoted.workspace / 'page.html'}\n"
    assert (promoted.workspace / "page.html").read_text().startswith("<!doctype html>")
    assert "654 cases" in precedent("index", "stats", *at).out
    assert precedent("index", "verify", *at).out.startswith("Sound: 654 cases")
    assert "champion" in precedent("doctor", *at).out
    assert precedent("keys", "list", *at).out.startswith("No keys yet")


def test_doctor_sees_a_pointer_that_is_not_the_champion(precedent: Run, promoted: Settings, trained: Trained):
    (promoted.releases_dir / "CURRENT").write_text(trained.worse.release_id)
    result = precedent("doctor", "--workspace", promoted.workspace)
    assert result.code == 1
    assert f"the champion is {trained.better.release_id}, but {trained.worse.release_id} is served" in result.out
    assert f"→ precedent promote {trained.better.release_id}" in result.out


def test_doctor_says_what_is_wrong_with_a_damaged_release(precedent: Run, promoted: Settings, trained: Trained):
    (promoted.releases_dir / trained.better.release_id / "ranker.json").write_text("{}")
    result = precedent("doctor", "--workspace", promoted.workspace)
    assert result.code == 1
    assert "WRONG  release: Release" in result.out
    assert "Traceback" not in result.err


# Erasing


def test_an_erased_ticket_is_in_no_file_of_the_history_or_an_index(precedent: Run, promoted: Settings):
    """The id ``CANARY-7`` begins no other one. Reports keep ids, and may keep them."""
    at = ["--workspace", promoted.workspace]
    assert precedent("suggest", "--subject", "quokkazimt is broken", "--top-k", 50, *at).code == 0
    other = promoted.index_dir / "another" / "snapshot-000001-1-abc"
    other.mkdir(parents=True)
    (other / "entries.json").write_text('{"id": ["CANARY-7"]}')
    promoted.exports_dir.mkdir()
    (promoted.exports_dir / "page.html").write_text("CANARY-7: quokkazimt is broken")
    assert [path.name for path in holding(promoted, b"CANARY-7")] != []
    result = precedent("erase", "--ticket", "CANARY-7", *at)
    assert result.code == 0, result
    assert result.out.startswith("Erased CANARY-7 (change ")
    assert f"The exported page {promoted.exports_dir / 'page.html'} may show it: delete" in result.out
    assert holding(promoted, b"CANARY-7") == []
    assert precedent("index", "verify", *at).code == 0
    assert "653 cases" in precedent("index", "stats", *at).out


def test_erasing_without_a_release_leaves_no_index(precedent: Run, trained_copy: Settings):
    result = precedent("erase", "--ticket", "CANARY-7", "--workspace", trained_copy.workspace, "--json")
    assert result.code == 0, result
    assert json.loads(result.out)["exports"] == []
    assert holding(trained_copy, b"CANARY-7") == []


def test_erasing_minds_no_damaged_release(precedent: Run, promoted: Settings, trained: Trained):
    (promoted.releases_dir / trained.better.release_id / "ranker.json").write_text("{}")
    result = precedent("erase", "--ticket", "CANARY-7", "--workspace", promoted.workspace)
    assert result.code == 0, result
    assert "The index is left out, and is built again when it is needed: Release" in result.err
    assert holding(promoted, b"CANARY-7") == []


def holding(settings: Settings, content: bytes) -> list[Path]:
    """Files of the history and of indexes that hold some bytes."""
    paths = [*settings.workspace.glob("history.db*"), *settings.index_dir.rglob("*")]
    return [path for path in paths if path.is_file() and content in path.read_bytes()]


# Training on too little


def test_training_on_twenty_tickets(
    precedent: Run, make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...]
):
    settings = make_workspace(list(samples[:20]))
    said = sentence(precedent("train", "--workspace", settings.workspace))
    assert said.startswith("There are 20 labelled tickets; training needs at least 40")


def test_training_on_one_class(
    precedent: Run, make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...]
):
    rows = [relabelled(row, category="everything") for row in samples[:60]]
    said = sentence(precedent("train", "--workspace", make_workspace(rows).workspace))
    assert "have 1 distinct value(s) (everything); a model needs at least 2" in said


def test_training_with_wrong_parameters(
    precedent: Run, make_workspace: Callable[[list[Row]], Settings], tmp_path: Path
):
    (tmp_path / "params.toml").write_text("svm_c = 0\n")
    at = ["--workspace", make_workspace([]).workspace]
    said = sentence(precedent("train", "--params", tmp_path / "params.toml", *at))
    assert said.startswith("Training parameter svm_c is wrong")


def test_training_without_severities_serves_categories(
    precedent: Run, make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...], tmp_path: Path
):
    settings = make_workspace([relabelled(row, severity=None) for row in samples[:120]])
    (tmp_path / "params.toml").write_text("max_terms = 500\n")
    at = ["--workspace", settings.workspace]
    trained = precedent("train", "--params", tmp_path / "params.toml", "--seed", 3, *at, "--json")
    assert trained.code == 0, trained
    found = json.loads(trained.out)
    assert "No severity model: the history has no two severities to tell apart." in found["notes"]
    assert found["metrics"]["category_accuracy"] > 0
    assert load_release(Path(found["folder"])).json("params")["seed"] == 3
    assert precedent("promote", *at).out == f"Champion is now {found['release']}.\n"
    answer = json.loads(precedent("suggest", "--subject", "SAML login fails", *at, "--json").out)
    assert answer["severity"]["reason"] == "not_trained"
    assert answer["category"]["alternatives"]
    assert "Severity   — (not_trained)" in precedent("suggest", "--subject", "SAML login fails", *at).out


def relabelled(row: Row, **labels: Any) -> Row:
    return replace(row, case=replace(row.case, outcome=replace(row.case.outcome, **labels)))


# Bad tickets


def suggest_file(precedent: Run, settings: Settings, tmp_path: Path, body: bytes) -> CommandResult:
    (tmp_path / "ticket.json").write_bytes(body)
    return precedent("suggest", "--ticket", tmp_path / "ticket.json", "--workspace", settings.workspace, "--json")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "The body is not valid JSON"),
        (b"{", "The body is not valid JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"ticket": {"subject": "\xff\xfe"}}', "not valid JSON"),
        (b'{"ticket": {"subject": 5}}', "ticket.subject"),
        (b'{"ticket": {"subject": "x", "colour": "red"}}', "colour"),
        (b'{"ticket": {"subject": "x"}, "k": 5}', "k"),
        (b'{"ticket": {"subject": "x"}, "top_k": 5000}', "top_k"),
        (b'{"ticket": {"created_at": "yesterday"}}', "ticket.created_at"),
        (b'{"ticket": {"description": "' + b"long text " * 500_000 + b'"}}', "ticket.description"),
        (b'{"ticket": ' * 100_000, "not valid JSON"),
        (b'{"ticket": {"fields": ' + b'{"a": ' * 100 + b"1" + b"}" * 100 + b"}}", "levels deep"),
        (b'{"ticket": {"fields": {' + b",".join(b'"f%d": 1' % i for i in range(5_000)) + b"}}}", "5,000 entries"),
        (b'{"ticket": {"fields": {"x": NaN}}}', "not valid JSON"),
    ],
)
def test_what_is_no_ticket_gets_one_sentence(
    precedent: Run, trained_promoted: Settings, tmp_path: Path, body: bytes, says: str
):
    said = sentence(suggest_file(precedent, trained_promoted, tmp_path, body))
    assert says in said
    assert len(said) < 400
    assert "long text" not in said


@pytest.mark.parametrize(
    "body",
    [
        b'{"ticket": {}}',
        b'{"ticket": {"subject": "  ", "description": "\\n"}}',
        b'{"ticket": {"subject": "\\u0000\\u0000", "description": "a\\u0000b login fails"}}',
        b'{"ticket": {"subject": "\\ud800 login fails \\udfff"}}',
        b'{"ticket": {"description": "' + b"login fails " * 80_000 + b'"}}',
    ],
)
def test_odd_tickets_get_an_answer(precedent: Run, trained_promoted: Settings, tmp_path: Path, body: bytes):
    result = suggest_file(precedent, trained_promoted, tmp_path, body)
    assert result.code == 0, result
    answer = json.loads(result.out)
    assert answer["category"]["action"] in ("automate", "suggest", "abstain")


def test_an_argument_that_is_no_text(promoted: Settings):
    command = [sys.executable, "-m", "cli.main", "suggest", "--workspace", str(promoted.workspace), "--json"]
    done = subprocess.run([*command, "--subject", b"login fails \xff\xfe"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["release"]


def test_a_ticket_from_standard_input(promoted: Settings):
    command = [sys.executable, "-m", "cli.main", "suggest", "--ticket", "-", "--workspace", str(promoted.workspace)]
    body = (SAMPLES / "new_ticket.json").read_bytes()
    done = subprocess.run([*command, "--json"], input=body, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["release"]


@pytest.fixture(scope="module")
def trained_promoted(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A workspace with a champion, for tests that only ask it."""
    folder = tmp_path_factory.mktemp("asked") / "workspace"
    shutil.copytree(trained.settings.workspace, folder)
    settings = load_settings(folder, {})
    promote(settings, trained.better.release_id)
    return settings


# Releases and indexes of another kind


def test_a_release_with_another_encoder_in_it_is_refused(precedent: Run, trained_copy: Settings, trained: Trained):
    other = copied_release(trained_copy, trained.better.folder, {"encoder": "0" * 16})
    (trained_copy.releases_dir / "CURRENT").write_text(other)
    said = sentence(precedent("suggest", "--subject", "login", "--workspace", trained_copy.workspace))
    assert said.startswith(f"Release {other} was trained with the encoder 0000000000000000 and holds ")
    assert "train again or promote another release" in said


def test_an_index_of_another_encoder_is_passed_over_and_built_again(precedent: Run, promoted: Settings):
    [snapshot] = promoted.index_dir.glob("*/snapshot-*")
    manifest = snapshot / "manifest.json"
    manifest.write_text(manifest.read_text().replace(snapshot.parent.name, "0" * 16))
    at = ["--workspace", promoted.workspace]
    result = precedent("suggest", "--subject", "SAML login fails", *at, "--json")
    assert result.code == 0, result
    assert precedent("index", "verify", *at).code == 0


def copied_release(settings: Settings, folder: Path, manifest: dict[str, Any]) -> str:
    parts = {path.name: path for path in folder.iterdir() if path.name != "manifest.json"}
    write_release(settings.releases_dir, release_id="other", parts=parts, manifest_extra=manifest)
    return "other"


# Bad files


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("jsonl", b"", "is empty"),
        ("csv", b"", "is empty"),
        ("csv", b"a;b\n1;2\n", "no column 'id'"),
        ("jira", b"{", "breaks off or is damaged"),
        ("jsonl", b"\x1f\x8b\x08\x00broken", "breaks off or is damaged"),
    ],
)
def test_a_file_that_is_no_export(precedent: Run, tmp_path: Path, kind: str, content: bytes, says: str):
    path = tmp_path / f"tickets.{kind}"
    path.write_bytes(content)
    said = sentence(precedent("import", "tickets", path, "--source", kind, "--workspace", tmp_path / "ws"))
    assert says in said
    assert str(path) in said


def test_a_wrong_mapping(precedent: Run, tmp_path: Path):
    (tmp_path / "mapping.toml").write_text("[colums]\nid = 'key'\n")
    source = tickets_file(tmp_path / "tickets.jsonl", 1)
    at = ["--mapping", tmp_path / "mapping.toml", "--workspace", tmp_path / "ws"]
    said = sentence(precedent("import", "tickets", source, "--source", "jsonl", *at))
    assert "colums" in said
    assert "mapping.toml" in said


def test_rows_that_are_all_bad_are_no_success(precedent: Run, tmp_path: Path):
    path = tmp_path / "tickets.jsonl"
    path.write_text('{"id": "1", "severity": "dreadful"}\nnot json\n')
    result = precedent("import", "tickets", path, "--source", "jsonl", "--workspace", tmp_path / "ws", "--json")
    assert result.code == 1
    found = json.loads(result.out)
    assert (found["read"], found["rejected"]) == (2, 2)
    rejects = [json.loads(line) for line in Path(found["rejects_path"]).read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == [1, 2]
    path.write_text(path.read_text() + '{"id": "2", "subject": "login fails"}\n')
    assert precedent("import", "tickets", path, "--source", "jsonl", "--workspace", tmp_path / "ws").code == 0


def test_importing_under_another_system_keeps_ids_apart(precedent: Run, tmp_path: Path):
    source = tickets_file(tmp_path / "tickets.jsonl", 3)
    for system in ("zendesk", "jira"):
        at = ["--workspace", tmp_path / "ws", "--system", system]
        assert "3 new" in precedent("import", "tickets", source, "--source", "jsonl", *at).out
    at = ["--workspace", tmp_path / "ws", "--ticket", "T-1"]
    assert precedent("erase", *at, "--system", "jira").code == 0
    assert precedent("erase", *at, "--system", "jira").code == 1
    assert precedent("erase", *at, "--system", "zendesk").code == 0


def import_process(path: Path, workspace: Path, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cli.main", "import", "tickets", str(path), "--source", "jsonl", "--json"]
    return subprocess.Popen(
        [*command, "--workspace", str(workspace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def n_stored(workspace: Path) -> int:
    if not (workspace / "history.db").exists():
        return 0
    with closing(History.open(load_settings(workspace, {}).history_url)) as history:
        return history.count().tickets


def test_a_full_disk_keeps_what_was_stored_and_says_so(precedent: Run, tmp_path: Path):
    source, workspace = tickets_file(tmp_path / "tickets.jsonl", 6_000), tmp_path / "ws"

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    process = import_process(source, workspace, preexec_fn=small_disk)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == b""
    said = err.decode().strip().split("\n")[-1]
    assert said.startswith("Error: The import stopped with ")
    assert "Traceback" not in err.decode()
    stored = n_stored(workspace)
    assert 0 < stored < 6_000
    assert f"with {stored:,} rows stored" in said
    again = precedent("import", "tickets", source, "--source", "jsonl", "--workspace", workspace, "--json")
    found = json.loads(again.out)
    assert (found["inserted"], found["unchanged"]) == (6_000 - stored, stored)


def test_a_killed_import_is_taken_up_again(precedent: Run, tmp_path: Path):
    source, workspace = tickets_file(tmp_path / "tickets.jsonl", 12_000), tmp_path / "ws"
    process = import_process(source, workspace)
    deadline = time.monotonic() + 60
    while n_stored(workspace) == 0 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, "it was still at work"
    stored = n_stored(workspace)
    assert 0 < stored < 12_000
    found = json.loads(
        precedent("import", "tickets", source, "--source", "jsonl", "--workspace", workspace, "--json").out
    )
    assert (found["inserted"], found["unchanged"]) == (12_000 - stored, stored)


def test_an_interrupted_command_says_so(tmp_path: Path):
    # Some ten seconds of work: not done before a busy machine has looked at it once.
    source, workspace = tickets_file(tmp_path / "tickets.jsonl", 60_000), tmp_path / "ws"
    process = import_process(source, workspace)
    deadline = time.monotonic() + 60
    while n_stored(workspace) == 0 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode().strip().split("\n")[-1] == "Stopped."
