"""Programs that the tests build from source, once: they stay in the user's cache until their sources change."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# By program: the Debian package that brings it.
PACKAGES = {
    "node": "nodejs",
    "npm": "npm",
    "javac": "default-jdk-headless",
    "mvn": "maven",
}
GO_ENVIRONMENT = {
    "GOFLAGS": "-p=2 -buildvcs=false -mod=readonly -trimpath",
    "GOWORK": "off",
    "CGO_ENABLED": "0",
}


def cache() -> Path:
    """Where built programs stay between runs."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tieout" / "interop"


def need(*programs: str) -> None:
    """Fails the test, with the command that helps, when a program is missing."""
    missing = [program for program in programs if not shutil.which(program)]
    if "go" in missing:
        pytest.fail("Go is missing; `python3 tieout/bootstrap.py test --all` brings it")
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        pytest.fail(f"{', '.join(missing)} is missing; install with: sudo apt-get install -y {packages}")


def built(name: str, *commands: Sequence[str]) -> Path:
    """The folder of a program made by `commands` from a copy of the sources in tests/interop/`name`."""
    sources = sorted(
        path for path in (HERE / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    digest = hashlib.sha256(repr(commands).encode())
    for path in sources:
        digest.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes())
    folder = cache() / f"{name}-{digest.hexdigest()[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".built").exists():
            _build(name, folder, commands)
    return folder


def _build(name: str, folder: Path, commands: Sequence[Sequence[str]]) -> None:
    for older in cache().glob(f"{name}-*"):
        shutil.rmtree(older)
    shutil.copytree(HERE / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for command in commands:
        sys.stderr.write(f"interop: {name}: {' '.join(command)}\n")
        done = subprocess.run(
            ["nice", "-n", "15", *command],
            cwd=folder,
            env={**os.environ, **GO_ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{name}: {' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    (folder / ".built").touch()


def otelcol() -> Path:
    """The OpenTelemetry Collector, from its public Go modules."""
    need("go")
    return built("otelcol", ("go", "build", "-ldflags=-s -w", "-o", "otelcol", ".")) / "otelcol"


def python_sender() -> list[str]:
    """The command that sends spans with the SDK for Python; URL and number follow."""
    return [sys.executable, str(HERE / "python" / "send.py")]


def go_sender() -> list[str]:
    """The same with the SDK for Go."""
    need("go")
    return [str(built("go", ("go", "build", "-ldflags=-s -w", "-o", "send", ".")) / "send")]


def javascript_sender() -> list[str]:
    """The same with the SDK for JavaScript."""
    need("node", "npm")
    return ["node", str(built("javascript", ("npm", "ci", "--ignore-scripts")) / "send.js")]


def java_sender() -> list[str]:
    """The same with the SDK for Java."""
    need("javac", "mvn")
    target = built("java", ("mvn", "-q", "-B", "process-classes")) / "target"
    return ["java", "-cp", f"{target / 'classes'}:{target / 'dependency'}/*", "Send"]


def clickhouse_go() -> Path:
    """A program that asks with the official ClickHouse client for Go."""
    need("go")
    return built("clickhouse_go", ("go", "build", "-ldflags=-s -w", "-o", "client", ".")) / "client"


def odata_service() -> tuple[list[str], Path]:
    """The command that serves purchase orders as OData 4 and 2 with SAP's CAP, and the folder it runs in."""
    need("node", "npm")
    folder = built("odata", ("npm", "ci"))
    return ["node", str(folder / "node_modules" / "@sap" / "cds" / "bin" / "serve.js"), "all"], folder


def node_red() -> list[str]:
    """The command that runs flows with Node-RED; the folder of its flows follows."""
    need("node", "npm")
    folder = built("node_red", ("npm", "ci", "--ignore-scripts"))
    red = folder / "node_modules" / "node-red" / "red.js"
    return ["node", str(red), "--settings", str(folder / "settings.js"), "--userDir"]


def fhir_server() -> list[str]:
    """The command that serves claims with HAPI FHIR; the port follows."""
    need("javac", "mvn")
    target = built("fhir", ("mvn", "-q", "-B", "process-classes")) / "target"
    return ["java", "-Xmx256m", "-cp", f"{target / 'classes'}:{target / 'dependency'}/*", "Fhir"]


def soap_service() -> list[str]:
    """The command that serves purchase orders by SOAP with spyne; the port follows. It has packages of its own."""
    install = ("v/bin/python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt")
    folder = built("soap", (sys.executable, "-m", "venv", "v"), install)
    return [str(folder / "v" / "bin" / "python"), str(folder / "orders.py")]


def oauth_server() -> list[str]:
    """The command that gives out tokens with Authlib; port and key file follow. It has packages of its own."""
    install = ("v/bin/python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt")
    folder = built("oauth", (sys.executable, "-m", "venv", "v"), install)
    return [str(folder / "v" / "bin" / "python"), str(folder / "server.py")]


def moto_server() -> list[str]:
    """The command that answers for Amazon's services with moto; host and port follow. It has packages of its own."""
    install = ("v/bin/python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt")
    folder = built("moto", (sys.executable, "-m", "venv", "v"), install)
    return [str(folder / "v" / "bin" / "moto_server")]


def kafka_classes() -> str:
    """The class path of Kafka's broker."""
    need("javac", "mvn")
    target = built("kafka", ("mvn", "-q", "-B", "process-classes")) / "target"
    return f"{target / 'dependency'}/*"
