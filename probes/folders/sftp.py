"""A folder of an SFTP server. Its host keys are written down; with any other key nothing is sent to it."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import io
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from probes.folders.contract import Folder, Server
from probes.folders.remote import RemoteFolder
from probes.probe import ProbeError, Timeouts, Window

# What a key of a type is called while algorithms are agreed on.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
# What fails is told by an error of ours; its own lines are tracebacks and names of files.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Sftp(Server):
    """An SFTP server; the login is a password or a private key (a PEM or OpenSSH text).

    `host_keys` are the keys it may show, each a line of `ssh-keyscan` with or without the host in front.
    """

    type: Literal["sftp"]
    host: str = Field(min_length=1)
    port: int = Field(default=22, ge=1, le=65535)
    username: str
    password: SecretStr | None = None
    private_key: SecretStr | None = None
    passphrase: SecretStr | None = None
    host_keys: tuple[str, ...] = Field(min_length=1)

    @field_validator("host_keys")
    @classmethod
    def _keys_read(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_public_key(line) for line in lines)

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if bool(self.password) == bool(self.private_key):
            raise ValueError("an SFTP server has either 'password' or 'private_key'")
        if self.passphrase and not self.private_key:
            raise ValueError("'passphrase' belongs to a 'private_key'")
        return self

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def place(self, folder: str) -> str:
        port = "" if self.port == 22 else f":{self.port}"
        return f"folder sftp://{self.host}{port}/{folder.lstrip('/')}"

    @contextmanager
    def opened(self, folder: str, window: Window, timeouts: Timeouts) -> Iterator[Folder]:
        place = self.place(folder)
        addresses = self.addresses(window, timeouts, place)
        window.turn()
        with _connected(addresses, self.port, timeouts.connect.total_seconds(), place) as connection:
            system = self._logged_in(connection, timeouts, place)
            try:
                yield _SftpFolder(system, folder.rstrip("/") or "/", place, window, _told)
            finally:
                system.client.close()

    def _logged_in(self, connection: socket.socket, timeouts: Timeouts, place: str) -> Any:
        """The file system, after the server has shown a key that is written down."""
        try:
            import paramiko
            from fsspec.implementations.sftp import SFTPFileSystem
        except ImportError:
            raise ProbeError(
                "driver_missing", f"{place}: SFTP needs packages; pip install 'tieout[sftp]'"
            ) from None
        pinned = set(self.host_keys)

        class Pinned(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
            """No key is known beforehand, so every key comes here, before any login is sent."""

            def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002
                if f"{key.get_name()} {key.get_base64()}" not in pinned:
                    raise _wrong_key(place, key)

        types = {line.split()[0] for line in pinned}
        wanted = {name for kind in types for name in (kind, *_ALGORITHMS.get(kind, ()))}
        others = [name for name in paramiko.Transport._preferred_keys if name not in wanted]
        wait_s, answer_s = timeouts.connect.total_seconds(), timeouts.read.total_seconds()
        try:
            system = SFTPFileSystem(
                self.host, skip_instance_cache=True, sock=connection, port=self.port, username=self.username,
                password=self.password.get_secret_value() if self.password else None,
                pkey=self._key(place), look_for_keys=False, allow_agent=False, host_key_policy=Pinned(),
                disabled_algorithms={"keys": others}, timeout=wait_s, banner_timeout=wait_s, auth_timeout=answer_s,
                channel_timeout=answer_s,
            )  # fmt: skip
            system.ftp.get_channel().settimeout(answer_s)
        except ProbeError:
            raise
        except paramiko.AuthenticationException:
            raise ProbeError(
                "auth_failed",
                f"{place} refuses user {self.username}; check server.username and its password or key",
            ) from None
        except paramiko.SSHException as error:
            if "host key" in str(error) or isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
                raise _no_such_key(place, types) from None
            raise _no_ssh(place) from None
        except (OSError, EOFError):
            raise _no_ssh(place) from None
        return system

    def _key(self, place: str) -> Any:
        import paramiko

        if self.private_key is None:
            return None
        phrase = self.passphrase.get_secret_value() if self.passphrase else None
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            try:
                return kind.from_private_key(io.StringIO(self.private_key.get_secret_value()), phrase)
            except (paramiko.SSHException, ValueError, binascii.Error, IndexError):
                continue
        raise ProbeError(
            "auth_failed",
            f"{place}: server.private_key is no key of type Ed25519, ECDSA or RSA, or its passphrase is wrong",
        )


class _SftpFolder(RemoteFolder):
    def fetcher(self, path: str) -> Callable[[int, int], bytes]:
        """Many small requests at once: one after the other, each would wait for the way there and back."""
        file = self.system.open(path, "rb")
        return lambda start, end: b"".join(file.readv([(start, end - start)]))


@contextmanager
def _connected(addresses: list[str], port: int, wait_s: float, place: str) -> Iterator[socket.socket]:
    """A connection to the first of the addresses that answers."""
    for address in addresses:
        try:
            connection = socket.create_connection((address, port), wait_s)
            break
        except OSError:
            continue
    else:
        raise ProbeError(
            "unreachable",
            f"{place}: no connection; check that it runs, that host and port are right and the firewall",
            retryable=True,
        )
    try:
        yield connection
    finally:
        connection.close()


def _public_key(line: str) -> str:
    """`TYPE BASE64` of a line of ssh-keyscan or of a .pub file. Raises ValueError."""
    words = line.split()
    at = next((n for n, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-"))), None)
    if at is None or at + 1 >= len(words):
        raise ValueError("a host key is written like 'ssh-ed25519 AAAA…', as ssh-keyscan prints it")
    kind, text = words[at : at + 2]
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        content = b""
    parts = _parts(content)
    if not parts or parts[0] != kind.encode():
        raise ValueError(
            f"this host key is no whole key of type {kind}; copy the line of ssh-keyscan once more"
        )
    return f"{kind} {text}"


def _parts(content: bytes) -> list[bytes]:
    """The fields of a key, each with its length in front (RFC 4251 §5); none when it is not whole."""
    found = []
    while len(content) > 4:
        end = 4 + int.from_bytes(content[:4])
        found.append(content[4:end])
        if len(content) < end:
            return []
        content = content[end:]
    return [] if content else found


def _wrong_key(place: str, key: Any) -> ProbeError:
    shown = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return ProbeError(
        "wrong_host_key",
        f"{place} shows the {key.get_name()} key SHA256:{shown}, which is not in server.host_keys; nothing was "
        "sent to it. Ask who runs it whether its key was changed, and only then write the new one",
    )


def _no_such_key(place: str, types: set[str]) -> ProbeError:
    return ProbeError(
        "wrong_host_key",
        f"{place} has no key of type {' or '.join(sorted(types))} as server.host_keys has; nothing was sent to it. "
        "Ask who runs it which keys it has",
    )


def _no_ssh(place: str) -> ProbeError:
    return ProbeError(
        "cut_off",
        f"{place}: the conversation was cut off before the login; check that an SFTP server listens there, "
        "and which algorithms and logins it takes",
        retryable=True,
    )


def _told(error: Exception, place: str) -> ProbeError:
    """What went wrong after the login."""
    if isinstance(error, TimeoutError):
        return ProbeError(
            "timeout", f"{place}: no bytes within timeouts.read; it is tried again", retryable=True
        )
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.EACCES):
        why = "is not there" if number == errno.ENOENT else "may not be read by the user of the probe"
        text = f"{place} {why}; check folder and the rights on the server (a path begins at its root)"
        return ProbeError("unreadable", text, retryable=True)
    return ProbeError("cut_off", f"{place}: the conversation was cut off; it is tried again", retryable=True)
