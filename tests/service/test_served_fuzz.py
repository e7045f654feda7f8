"""schemathesis over the OpenAPI document against a served process: no 5xx, no undocumented answer, no hang.

``make fuzz`` sends ten thousand cases and prints what came of them; the tests send some hundreds.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WANTED = int(os.environ.get("PRECEDENT_FUZZ_CASES", "750"))
# schemathesis makes some 700 cases of the document's bounds; then this many for each operation, five of which take
# more than some.
EXAMPLES = max(15, (WANTED - 700) // 4)
NO_ANSWER_SECONDS = 20
LONGEST_RUN_SECONDS = 3600


@pytest.mark.slow
def test_whatever_is_sent_gets_an_answer_that_the_document_describes(
    kit, workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("schemathesis", reason="needs the extra 'dev'")
    with kit.serve(workspace) as served:
        worker = served.worker_pid()
        run = fuzz(served.url, served.tokens["admin"], tmp_path)
        entries = json.loads((tmp_path / "sent.har").read_text())["log"]["entries"] if run.returncode < 2 else []
        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
        assert len(entries) >= WANTED
        assert max(entry["response"]["status"] for entry in entries) < 500
        # It is the same process still, it is well, and it logged no fault of its own.
        assert served.worker_pid() == worker
        assert served.suggest("Cannot log in with SSO").status_code == 200
        faults = [line for line in served.log if json.loads(line)["level"] == "error"]
        assert faults == []
    if "PRECEDENT_FUZZ_CASES" in os.environ:
        with capsys.disabled():
            sys.stdout.write(told(entries, run.stdout))


def fuzz(url: str, token: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml")]
    command += ["run", f"{url}/openapi.json", "--header", f"X-API-Key: {token}"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure"]
    command += ["--request-timeout", str(NO_ANSWER_SECONDS), "--no-shrink"]
    command += ["--report", "har", "--report-har-path", str(folder / "sent.har")]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(HERE)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_RUN_SECONDS,
    )


def told(entries: list[dict], output: str) -> str:
    """Counts by operation and status, for a person."""
    counts: dict[str, Counter[int]] = {}
    for entry in entries:
        path = "/" + entry["request"]["url"].split("/", 3)[3].partition("?")[0]
        path = "/v1/cases/{id}" if path.startswith("/v1/cases/") else path
        counts.setdefault(f"{entry['request']['method']} {path}", Counter())[entry["response"]["status"]] += 1
    rare: Counter[int] = Counter()
    lines = [f"\n{len(entries):,} cases sent, none answered with 5xx or with what the document does not describe"]
    for operation, statuses in sorted(counts.items()):
        if set(statuses) == {405}:
            rare += statuses
            continue
        lines.append(f"{operation:26} " + "  ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items())))
    lines.append(f"{'other methods':26} " + "  ".join(f"{status}: {n:,}" for status, n in sorted(rare.items())))
    lines.append(f"slowest answer: {max(entry['time'] for entry in entries):.0f} ms")
    lines += [line.strip() for line in output.splitlines() if line.startswith("Seed:")]
    return "\n".join(lines)
