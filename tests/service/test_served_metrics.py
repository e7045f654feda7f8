"""Figures of a running service, and what is built on them: the alerts and the dashboard in deploy/."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "precedent.json"
NAME = re.compile(r"\b(?:precedent|process)_\w+")
# Prometheus's own, of each target that it scrapes.
OF_PROMETHEUS = {"up"}
POSTS = ("precedent_requests_total", "POST")

promtool = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(promtool is None, reason="needs promtool (Debian's package prometheus)")


def samples(service) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with service.client() as client:
        text = client.get("/metrics").text
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return defaultdict(float, found)


def answered(found: dict) -> float:
    """How many posts were counted; a request is counted just after it is answered."""
    return sum(number for (name, labels), number in found.items() if (name, dict(labels).get("method")) == POSTS)


def after(service, before: dict, n_requests: int) -> dict:
    service.eventually(lambda: answered(samples(service)) >= answered(before) + n_requests, 10)
    return samples(service)


def value(found: dict, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def test_a_suggestion_moves_the_figures_that_it_should(service):
    before = samples(service)
    answer = service.suggest(
        "Cannot log in with SSO", "SAML assertion rejected since the certificate was rotated"
    ).json()
    now = after(service, before, 1)

    def moved(name: str, **labels: str) -> float:
        return value(now, name, **labels) - value(before, name, **labels)

    for part in ("queue", "parse", "mask", "encode", "classify", "rank", "read", "assemble", "runbooks", "journal"):
        assert moved("precedent_part_seconds_count", part=part) >= 1, part
        assert moved("precedent_part_seconds_sum", part=part) > 0, part
    assert moved("precedent_part_seconds_count", part="explain") == 0
    # The nearest cases for the votes, and with a key that sees everything the candidates once.
    assert moved("precedent_part_seconds_count", part="retrieve") == 2
    for target in ("category", "severity"):
        assert moved("precedent_answers_total", target=target, action=answer[target]["action"]) == 1
        assert moved("precedent_confidence_ratio_count", target=target) == 1
        assert moved("precedent_confidence_ratio_sum", target=target) == pytest.approx(answer[target]["confidence"])
    best = answer["similar_cases"][0]["tier"]
    assert moved("precedent_suggestions_total", best_tier=best) == 1
    assert moved("precedent_suggestions_total", best_tier="none") == 0
    assert value(now, "precedent_queue_requests", lane="suggest") == 0
    parts = sum(v for (name, _), v in now.items() if name == "precedent_part_seconds_sum")
    parts -= sum(v for (name, _), v in before.items() if name == "precedent_part_seconds_sum")
    assert parts < moved("precedent_request_seconds_sum", route="/v1/suggest")


def test_a_repeat_is_a_hit_of_the_cache(service):
    subject = "Cannot log in since the cache was counted"
    service.suggest(subject, "SAML assertion rejected")
    before = after(service, samples(service), 0)
    service.suggest(subject, "SAML assertion rejected")
    now = after(service, before, 1)
    hits, misses = (
        value(now, "precedent_vector_lookups_total", result=result)
        - value(before, "precedent_vector_lookups_total", result=result)
        for result in ("hit", "miss")
    )
    assert hits > 0
    assert misses == 0


def test_errors_count_by_code_and_tickets_of_a_batch_each(service):
    before = samples(service)
    service.post("/v1/suggest", {"tickt": {}})
    service.post("/v1/suggest/batch", {"tickets": [{"subject": "Cannot log in"}, {"id": 5}, {"version": -1}]})
    now = after(service, before, 2)
    moved = {
        dict(labels)["code"]: number - before[name, labels]
        for (name, labels), number in now.items()
        if name == "precedent_errors_total" and number != before[name, labels]
    }
    assert moved == {"unknown_field": 1, "invalid_input": 1, "invalid_ticket": 1}
    assert value(now, "precedent_batch_tickets_sum") - value(before, "precedent_batch_tickets_sum") == 3


def test_the_age_of_the_release_is_told(service):
    manifest = json.loads((service.settings.releases_dir / "r1" / "manifest.json").read_text())
    from datetime import datetime

    made = datetime.fromisoformat(manifest["created_at"]).timestamp()
    assert value(samples(service), "precedent_release_created_timestamp_seconds") == made


def test_every_figure_that_alerts_and_dashboard_use_is_there(service):
    with service.client() as client:
        exposed = {line.split()[2] for line in client.get("/metrics").text.splitlines() if line.startswith("# TYPE ")}
    exposed |= {f"{name}{end}" for name in exposed for end in ("_bucket", "_sum", "_count")}
    used = {name for expression in expressions() for name in NAME.findall(expression)}
    # A label may look like a metric (`instance`); what is named must at least be ours or the process's.
    assert len(used) > 20
    assert used - exposed - OF_PROMETHEUS == set()


def test_the_dashboard_has_no_overlapping_panels_and_no_title_twice():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@needs_promtool
def test_promtool_takes_the_alerts_and_their_tests_pass():
    check = run("check", "rules", ALERTS.name)
    assert "11 rules found" in check
    assert "SUCCESS" in run("test", "rules", "alerts_test.yml")


@needs_promtool
def test_every_alert_has_a_test():
    tested = {
        case["alertname"]
        for group in yaml.safe_load((ALERTS.parent / "alerts_test.yml").read_text())["tests"]
        for case in group["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert tested == {rule["alert"] for rule in alerts()}


@needs_promtool
def test_promtool_finds_no_fault_in_the_figures(service):
    with service.client() as client:
        text = client.get("/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_promtool
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path):
    queries = [
        expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
        for expression in dashboard_expressions()
    ]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in run("check", "rules", str(path))


def run(*arguments: str) -> str:
    done = subprocess.run(
        [str(promtool), *arguments], cwd=ALERTS.parent, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> list[dict]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def dashboard_expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    yield from dashboard_expressions()
