"""`compose.yaml` and the official Collector's configuration: everything that can be known without a
container.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from dashboard.launch import HEALTH_PATH
from tieout.serve import ROLES
from tieout.settings import Listen, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = re.compile(r"\$\{TIEOUT_CLICKHOUSE_PASSWORD:\?[^}]+\}")


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


COMPOSE = read_yaml(ROOT / "compose.yaml")
SERVICES = COMPOSE["services"]
OTELCOL = read_yaml(ROOT / "collector" / "otelcol.yaml")
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "tieout:local"}
BY_ROLE = {
    service["command"][2]: service for service in OURS.values() if service.get("command", [""])[0] == "up"
}


def filled(text: str) -> str:
    """`text` with the defaults of its variables, as Compose fills them in."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_it_is_a_compose_file():
    schema = json.loads((Path(__file__).parent / "data" / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_the_schema_refuses_a_misspelt_key():
    schema = json.loads((Path(__file__).parent / "data" / "compose-spec.json").read_text())
    wrong = COMPOSE | {"services": {"clickhouse": SERVICES["clickhouse"] | {"helthcheck": {}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_every_role_is_one_service():
    assert set(BY_ROLE) == set(ROLES)
    assert all(service["command"][:2] == ["up", "--only"] for service in BY_ROLE.values())
    assert BY_ROLE["jobs"]["deploy"]["replicas"] == 1


def test_no_secret_is_written_down_and_a_missing_one_stops_the_start():
    found = [
        value
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name or "TOKEN" in name
    ]
    assert len(found) >= 4
    assert all(PASSWORD.fullmatch(value) for value in found)
    exporters = OTELCOL["exporters"].values()
    assert {exporter["password"] for exporter in exporters} == {"${env:CLICKHOUSE_PASSWORD}"}


def test_every_image_has_a_version():
    for service in SERVICES.values():
        tag = service["image"].rpartition(":")[2]
        assert tag == "local" or re.fullmatch(r"\d+(\.\d+)+", tag), service["image"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"clickhouse"}))
def test_containers_can_change_nothing_but_their_own_volumes(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if name == "otelcol-queue":
        assert service["network_mode"] == "none"
        assert service["cap_add"] == ["CHOWN"]
    else:
        assert service["user"] == "10001:10001"


def test_ports_are_open_on_this_machine_only_until_somebody_says_otherwise():
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert filled(port).startswith("127.0.0.1:")


def test_ports_are_the_ones_everything_else_uses():
    defaults = Listen()
    published = {role: filled(service["ports"][0]) for role, service in BY_ROLE.items() if "ports" in service}
    assert published == {
        "collector": f"{defaults.otlp}:{defaults.otlp.rpartition(':')[2]}",
        "dashboard": f"{defaults.dashboard}:{defaults.dashboard.rpartition(':')[2]}",
    }
    taken = [filled(port).split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(taken) == len(set(taken)), "no two services open the same port of the host"


@pytest.mark.parametrize("role", ROLES)
def test_the_environment_of_each_role_is_understood(role, tmp_path, monkeypatch):
    (tmp_path / "tieout.yaml").write_text("title: x\n")
    given = {
        name: str(value) for name, value in BY_ROLE[role]["environment"].items() if name.startswith("TIEOUT_")
    }
    for name, value in given.items():
        monkeypatch.setenv(name, PASSWORD.sub("s3cret", value))
        assert _leaf(Settings, name.removeprefix("TIEOUT_").lower().split("__")), f"{name} is no setting"
    settings, _, findings = load_settings(tmp_path)
    assert findings == []
    assert settings is not None
    database = SERVICES["clickhouse"]["environment"]
    assert (
        settings.store.url
        == f"http://{database['CLICKHOUSE_USER']}@clickhouse:8123/{database['CLICKHOUSE_DB']}"
    )
    assert settings.store.password is not None
    assert settings.store.password.get_secret_value() == "s3cret"
    assert settings.listen.insecure is True
    if role != "jobs":
        address = settings.listen.otlp if role == "collector" else settings.listen.dashboard
        assert address == "0.0.0.0:" + filled(BY_ROLE[role]["ports"][0]).rpartition(":")[2]


def _leaf(model: type[BaseModel], path: list[str]) -> bool:
    field = model.model_fields.get(path[0])
    if field is None or len(path) == 1:
        return field is not None
    return isinstance(field.annotation, type) and _leaf(field.annotation, path[1:])


def test_nobody_waits_for_a_service_that_cannot_become_what_it_must_be():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"].startswith("on-failure"), (
                    "it ends, and is not started again"
                )
            same = set(SERVICES[other].get("profiles", [])) <= set(service.get("profiles", []))
            assert same, "a service of a profile waits only for what that profile starts"
    for service in [*BY_ROLE.values(), SERVICES["otel-collector"]]:
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_every_volume_and_file_that_is_mounted_exists():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                assert (ROOT / filled(volume["source"])).exists()
                assert volume["read_only"] is True
            else:
                assert volume.split(":")[0] in COMPOSE["volumes"]


DOCKERFILE = COMPOSE["x-tieout"]["build"]["dockerfile_inline"]


def test_the_image_holds_every_package_and_nothing_that_is_not_there():
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= copied
    assert project["project"]["readme"] in copied


def test_the_image_runs_the_python_the_project_needs_as_nobody_in_particular():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"python:3.11-slim-bookworm"}
    assert "--require-hashes" in DOCKERFILE
    assert DOCKERFILE.index("USER 10001:10001") < DOCKERFILE.index("ENTRYPOINT")
    assert "$" not in DOCKERFILE, "Compose would fill it in"
    assert COMPOSE["x-tieout"]["volumes"][0]["target"] == "/project"
    assert "WORKDIR /project" in DOCKERFILE


class Healthy(BaseHTTPRequestHandler):
    """Answers the dashboard's health path, and no other."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == HEALTH_PATH else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize("role", ["collector", "dashboard"])
def test_a_health_check_tells_a_listener_from_none(role):
    """The very command of the file, on a free port of this machine instead of the container's."""
    test = BY_ROLE[role]["healthcheck"]["test"]
    port = filled(BY_ROLE[role]["ports"][0]).rpartition(":")[2]
    assert test[:3] == ["CMD", "/opt/venv/bin/python", "-c"]
    assert port in test[3]
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, "-c", test[3].replace(port, str(server.server_port))]
        assert subprocess.run(command, check=False, timeout=20).returncode == 0
        server.shutdown()
    assert subprocess.run(command, check=False, timeout=20, stderr=subprocess.DEVNULL).returncode != 0


# Keys of the exporter's configuration, version 0.161.
EXPORTER_KEYS = {
    "async_insert",
    "cluster_name",
    "compress",
    "connection_params",
    "create_schema",
    "database",
    "endpoint",
    "json",
    "logs_table_name",
    "metrics_tables",
    "password",
    "profiles_table_name",
    "retry_on_failure",
    "sending_queue",
    "table_engine",
    "timeout",
    "tls",
    "traces_table_name",
    "ttl",
    "username",
}
METRIC_TABLES = {"gauge", "sum", "summary", "histogram", "exponential_histogram"}
QUEUE_KEYS = {
    "enabled",
    "num_consumers",
    "queue_size",
    "sizer",
    "block_on_overflow",
    "storage",
    "batch",
    "wait_for_result",
}


def test_the_collector_says_only_what_its_exporter_understands():
    for exporter in OTELCOL["exporters"].values():
        assert set(exporter) <= EXPORTER_KEYS
        assert set(exporter["sending_queue"]) <= QUEUE_KEYS
        assert set(exporter.get("metrics_tables", {})) <= METRIC_TABLES


def test_the_collector_writes_into_the_tables_that_tieout_made():
    traces, others = OTELCOL["exporters"]["clickhouse/traces"], OTELCOL["exporters"]["clickhouse/others"]
    migrations = "".join(path.read_text() for path in (ROOT / "store" / "migrations").glob("*.sql"))
    assert f"CREATE TABLE IF NOT EXISTS {traces['traces_table_name']} (" in migrations
    assert traces["create_schema"] is False
    own = {others["logs_table_name"], *(table["name"] for table in others["metrics_tables"].values())}
    assert own == {"otel_logs", *(f"otel_metrics_{kind}" for kind in METRIC_TABLES)}
    for table in own:
        made = f"CREATE TABLE IF NOT EXISTS {table} (" in migrations
        assert others["create_schema"] is not made, "whoever does not find a table makes it"
    assert {traces["database"], others["database"]} == {
        SERVICES["clickhouse"]["environment"]["CLICKHOUSE_DB"]
    }


def test_the_collector_answers_only_when_the_data_is_on_disk():
    assert "batch" not in OTELCOL["processors"]
    storage = OTELCOL["extensions"]["file_storage/queue"]
    assert storage["fsync"] is True
    for exporter in OTELCOL["exporters"].values():
        assert exporter["async_insert"] is False
        assert exporter["sending_queue"]["storage"] == "file_storage/queue"
        assert exporter["sending_queue"]["block_on_overflow"] is True
        assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    mounts = [volume for volume in SERVICES["otel-collector"]["volumes"] if isinstance(volume, str)]
    assert mounts == [f"otelcol-queue:{storage['directory']}"]
    assert SERVICES["otelcol-queue"]["entrypoint"] == ["chown", "10001:10001", storage["directory"]]


def test_every_pipeline_is_made_of_declared_parts():
    for pipeline in OTELCOL["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(OTELCOL[kind])
        assert pipeline["processors"][0] == "memory_limiter"
    assert set(OTELCOL["service"]["extensions"]) == set(OTELCOL["extensions"])


def test_the_collector_is_started_with_its_file_and_its_variables():
    service = SERVICES["otel-collector"]
    bind = next(volume for volume in service["volumes"] if isinstance(volume, dict))
    assert service["command"] == [f"--config={bind['target']}"]
    assert (ROOT / bind["source"]) == ROOT / "collector" / "otelcol.yaml"
    wanted = set(re.findall(r"\$\{env:(\w+)\}", (ROOT / "collector" / "otelcol.yaml").read_text()))
    assert wanted <= set(service["environment"])
    receivers = OTELCOL["receivers"]["otlp"]["protocols"]
    inside = {filled(port).rpartition(":")[2] for port in service["ports"]}
    assert inside == {one["endpoint"].rpartition(":")[2] for one in receivers.values()} == {"4317", "4318"}


def test_the_collector_limits_itself_before_the_container_does():
    limiter = OTELCOL["processors"]["memory_limiter"]
    assert limiter["spike_limit_mib"] < limiter["limit_mib"]
    assert limiter["limit_mib"] < int(SERVICES["otel-collector"]["mem_limit"].removesuffix("m"))
