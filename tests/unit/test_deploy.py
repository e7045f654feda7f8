"""The files in ``deploy/``: valid by the schemas of Kubernetes and Compose, and true to what the service is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

from cli.main import cli
from features.settings import Settings, load_settings
from serving.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = [each for each in yaml.safe_load_all((DEPLOY / "kubernetes" / "precedent.yaml").read_text()) if each]
KINDS = {each["kind"]: each for each in MANIFESTS}
POD = KINDS["Deployment"]["spec"]["template"]["spec"]
CONTAINERS = [*POD["initContainers"], *POD["containers"]]
COMPOSE = compose_spec.PyOptions(apply_merge=True).from_yaml((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_kubernetes_takes_it(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_the_validator_would_say_what_is_wrong() -> None:
    wrong = {**KINDS["Deployment"], "spec": {**KINDS["Deployment"]["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_compose_takes_it() -> None:
    COMPOSE.validate()
    assert COMPOSE.service_names() == ["precedent", "follow"]


def test_what_selects_pods_finds_them() -> None:
    labels = KINDS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert KINDS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert KINDS["Service"]["spec"]["selector"] == labels
    assert KINDS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = KINDS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", KINDS["Deployment"]["metadata"]["name"])


def test_it_is_scaled_by_a_metric_that_there_is() -> None:
    [metric] = KINDS["HorizontalPodAutoscaler"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert f"\n{name} " in Metrics().render().decode()
    assert f"^{name}$" in (DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text()
    assert float(metric["pods"]["target"]["averageValue"]) < Settings().service.max_concurrency


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_no_container_may_do_more_than_it_must(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert POD["securityContext"]["runAsNonRoot"]
    assert f"USER {POD['securityContext']['runAsUser']}:" in DOCKERFILE


@pytest.mark.parametrize("service", ["precedent", "follow"])
def test_no_service_of_compose_may_do_more_than_it_must(service: str) -> None:
    options = COMPOSE.to_dict()["services"][service]
    assert options["read_only"] is True
    assert list(options["cap_drop"]) == ["ALL"]
    assert list(options["security_opt"]) == ["no-new-privileges:true"]
    assert options["deploy"]["resources"]["limits"]["memory"]


def test_probes_ask_what_answers_without_a_key() -> None:
    [container] = POD["containers"]
    port = next(each["containerPort"] for each in container["ports"] if each["name"] == "http")
    assert port == Settings().service.port
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert f"EXPOSE {port}" in DOCKERFILE
    assert f"http://127.0.0.1:{port}/readyz" in DOCKERFILE


def test_there_is_time_to_stop_in_good_order() -> None:
    [container] = POD["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > pause + Settings().service.timeout_seconds


def test_the_variables_are_settings_and_the_commands_are_there(tmp_path: Path) -> None:
    variables = {each["name"]: each.get("value") for container in CONTAINERS for each in container.get("env", [])}
    variables |= {name: str(value) for name, value in COMPOSE.to_dict()["services"]["precedent"]["environment"].items()}
    variables |= dict(re.findall(r"(PRECEDENT_\w+)=([^\s\\]+)", DOCKERFILE))
    given = {
        "PRECEDENT_DATABASE_URL": "postgresql://user@host/name",
        "PRECEDENT_MLFLOW_URL": "http://mlflow:5000",
    }
    environ = {name: given.get(name, value) for name, value in variables.items()}
    settings = load_settings(tmp_path, {name: value for name, value in environ.items() if value is not None})
    assert (settings.service.host, settings.index.memory_mb) == ("0.0.0.0", 1024)  # noqa: S104
    changed = settings.model_dump(exclude_unset=True)
    assert {name.removeprefix("PRECEDENT_").split("__")[0].lower() for name in variables} <= set(changed)
    for command in [*(container["args"] for container in CONTAINERS), *re.findall(r'CMD \["(\w+)"\]', DOCKERFILE)]:
        name, *options = [command] if isinstance(command, str) else command
        found = cli.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None, name
        assert set(options) <= {option for parameter in found.params for option in parameter.opts}


def test_the_image_installs_what_serves_and_nothing_that_trains() -> None:
    """Base dependencies and PostgreSQL's driver with all that they need, pinned as everything else is."""
    made = subprocess.run(
        [sys.executable, DEPLOY / "requirements.py"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    kept = (DEPLOY / "requirements.txt").read_text()
    assert kept == made, "run: python deploy/requirements.py > deploy/requirements.txt"
    names = {line.partition("==")[0].lower() for line in kept.splitlines()}
    assert {"bentoml", "onnxruntime", "psycopg", "starlette"} <= names
    assert not names & {"torch", "mlflow", "transformers", "sentence-transformers", "scikit-learn", "scipy", "pandas"}


def test_the_image_is_built_of_files_that_are_there() -> None:
    """Docker itself is not asked: what it would copy is looked at."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert ignored[1] == "*"
    assert all((ROOT / name).exists() for name in sent)
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    ]
    assert set(copied) <= {*sent, "."}
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {base for base, _ in stages} <= {"python:3.11-slim-bookworm", *(name for _, name in stages)}
    assert stages[-1][1] == "serve", "what `docker build` makes when nobody names a target"
