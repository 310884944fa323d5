"""Servers of others, each with a folder and ports of its own on the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from tests.interop import builds
from tests.interop.parties import ROOT, Party, Source
from tests.ports import free_ports


def program(name: str, package: str) -> str:
    """Where a program is; fails the test, with the command that helps, when it is missing."""
    # The command of that name in the path is a wrapper that wants to be the system's own service.
    found = shutil.which(name, path="/usr/lib/rabbitmq/bin") or shutil.which(name)
    found = found or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        pytest.fail(f"{name} is missing; install with: sudo apt-get install -y {package}")
    return found


class Listening(Party):
    """A program that is there when it takes connections."""

    def __init__(self, folder: Path, command: Sequence[str], port: int, environment: dict[str, str]) -> None:
        super().__init__(folder, command, environment, ROOT)
        self.port = port

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


class Sshd(Listening):
    """OpenSSH's server with an Ed25519 and an RSA key; SFTP only, and nothing can be changed through it."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        for name, kind in (("ed25519", "ed25519"), ("rsa", "rsa"), ("other", "ed25519"), ("user", "ed25519")):
            keygen = [
                program("ssh-keygen", "openssh-client"),
                "-q",
                "-t",
                kind,
                "-N",
                "",
                "-f",
                str(folder / name),
            ]
            subprocess.run(keygen, check=True)
        options = {
            "Port": port, "ListenAddress": "127.0.0.1", "PidFile": "none", "UsePAM": "no", "StrictModes": "no",
            "AuthorizedKeysFile": folder / "user.pub", "PasswordAuthentication": "yes", "LogLevel": "DEBUG1",
            "Subsystem": "sftp internal-sftp -R", "ForceCommand": "internal-sftp -R",
        }  # fmt: skip
        lines = [f"{name} {value}" for name, value in options.items()]
        lines += [f"HostKey {folder / name}" for name in ("ed25519", "rsa")]
        (folder / "sshd_config").write_text("\n".join(lines) + "\n")
        command = [program("sshd", "openssh-server"), "-D", "-e", "-f", str(folder / "sshd_config")]
        super().__init__(folder / "log", command, port, {})

    def key(self, name: str) -> str:
        return (self.folder / f"{name}.pub").read_text().strip()

    def forget(self) -> None:
        """Its log begins anew."""
        os.truncate(self._log, 0)

    def everything(self) -> str:
        return self._log.read_text()


class Epmd(Listening):
    """Where Erlang's nodes look for each other; one of our own ends with the test."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        command = [program("epmd", "erlang-base"), "-port", str(port), "-address", "127.0.0.1"]
        super().__init__(folder, command, port, {})


class Rabbit(Source):
    """A RabbitMQ broker with its management interface, over TLS as well. `epmd` has to run."""

    LOGIN: ClassVar = ("guest", "guest")

    def __init__(self, folder: Path, epmd: Epmd) -> None:
        self.authority = trustme.CA()
        self.amqp, http, self.tls, distribution = free_ports(4)
        folder.mkdir()
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        own = self.authority.issue_cert("127.0.0.1")
        own.private_key_pem.write_to_path(str(folder / "key.pem"))
        own.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.amqp}", "management.tcp.ip": "127.0.0.1", "management.tcp.port": http,
            "management.ssl.ip": "127.0.0.1", "management.ssl.port": self.tls,
            "management.ssl.cacertfile": folder / "ca.pem", "management.ssl.certfile": folder / "cert.pem",
            "management.ssl.keyfile": folder / "key.pem", "collect_statistics_interval": 200,
        }  # fmt: skip
        (folder / "rabbitmq.conf").write_text(
            "".join(f"{name} = {value}\n" for name, value in settings.items())
        )
        (folder / "plugins").write_text("[rabbitmq_management].")
        environment = {
            "HOME": folder, "ERL_EPMD_PORT": epmd.port, "RABBITMQ_NODENAME": f"tieout{http}@localhost",
            "RABBITMQ_MNESIA_BASE": folder / "data", "RABBITMQ_LOGS": "-", "RABBITMQ_LOG_BASE": folder / "logs",
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf", "RABBITMQ_DIST_PORT": distribution,
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins", "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1 +sbwt none",
        }  # fmt: skip
        found = {name: str(value) for name, value in environment.items()}
        command = [program("rabbitmq-server", "rabbitmq-server")]
        super().__init__(folder / "log", command, http, "/api/overview", found, ROOT)
        self.folder = folder

    def ready(self) -> bool:
        return super().ready() and self.asked("GET", "healthchecks/node").status_code != 503

    def end(self) -> None:
        """At once: its data are of no use to anybody, and a shutdown takes seconds."""
        if (self.folder / "pid").exists():
            os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)
        super().end()

    def asked(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """An answer of the management interface."""
        url = f"{self.url}/api/{path}"
        return httpx.request(method, url, json=body, auth=self.LOGIN, trust_env=False, timeout=10)


class Kafka(Listening):
    """One Kafka broker that is its own controller: a plain listener, and one with TLS and a login."""

    LOGIN: ClassVar = {"mechanism": "PLAIN", "username": "watcher", "password": "s3cret"}

    def __init__(self, folder: Path) -> None:
        plain, self.secure, controller = free_ports(3)
        folder.mkdir()
        self.folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        own = authority.issue_cert("127.0.0.1")
        key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "own.pem").write_bytes(key.private_bytes(*form) + own.cert_chain_pems[0].bytes())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        listeners = f"PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{self.secure}"
        settings = {
            "process.roles": "broker,controller", "node.id": 1, "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}", "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN", "ssl.keystore.type": "PEM", "ssl.keystore.location": folder / "own.pem",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{module} user_watcher="s3cret";',
            "log.dirs": folder / "data", "num.partitions": 2, "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1,
        }  # fmt: skip
        self.settings = folder / "server.properties"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", builds.kafka_classes()]
        tool = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "AAAAAAAAAAAAAAAAAAAAAQ",
            "-c",
            str(self.settings),
        ]
        subprocess.run(tool, check=True, capture_output=True)
        super().__init__(folder / "log", [*java, "kafka.Kafka", str(self.settings)], plain, {})


class Moto(Source):
    """Amazon's S3, SQS and CloudWatch as moto answers for them."""

    KEYS: ClassVar = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "s3cret-of-the-tests"}

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        command = [*builds.moto_server(), "-H", "127.0.0.1", "-p", str(self.port)]
        super().__init__(folder, command, self.port, "/moto-api/", {}, ROOT)

    def client(self) -> dict[str, str]:
        """What a client of Amazon's library is made with."""
        return {
            "endpoint_url": self.url, "aws_access_key_id": self.KEYS["access_key"],
            "aws_secret_access_key": self.KEYS["secret_key"], "region_name": "us-east-1",
        }  # fmt: skip

    def forgets_keys(self, after: int) -> None:
        """From then on it knows none of the keys it is asked with."""
        url = f"{self.url}/moto-api/reset-auth"
        httpx.post(url, content=str(after), trust_env=False).raise_for_status()
