"""A prefix of an S3 bucket, of Amazon or of anybody who speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from core.findings import Finding
from core.yamlfile import Parsed
from probes import aws
from probes.folders.contract import Folder, Server
from probes.folders.remote import RemoteFolder
from probes.probe import ProbeError, Timeouts, Window


class S3(Server, aws.Access):
    """A bucket. `path_style`: the bucket stands in the path and not in the host, as most other makers want it."""

    type: Literal["s3"]
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    path_style: bool | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.host("s3")
        return (host, port) if self._in_path else (f"{self.bucket}.{host}", port)

    @property
    def _in_path(self) -> bool:
        # No certificate for hosts of a service holds for a name with more dots.
        usual = bool(self.endpoint) or "." in self.bucket
        return usual if self.path_style is None else self.path_style

    def config(self, addresses: Mapping[str, list[str]], timeouts: Timeouts) -> dict[str, Any]:
        # Without a word, the library asks for buckets of us-east-1 at a host without a region.
        style = "path" if self._in_path else "virtual"
        own = {"addressing_style": style, "us_east_1_regional_endpoint": "regional"}
        return super().config(addresses, timeouts) | {"s3": own}

    def place(self, folder: str) -> str:
        at = f" at {self.address[0]}" if self.endpoint else ""
        return f"folder s3://{'/'.join(part for part in (self.bucket, folder.strip('/')) if part)}{at}"

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        tls, findings = self.located_tls(file, parsed, ("server", "tls", "ca_file"))
        return self.model_copy(update={"tls": tls}), findings

    @contextmanager
    def opened(self, folder: str, window: Window, timeouts: Timeouts) -> Iterator[Folder]:
        place = self.place(folder)
        try:
            from s3fs import S3FileSystem

            from probes.aws_guard import session
        except ImportError:
            raise aws.needs_packages(place) from None
        allowed = (*self.networks, *window.networks)
        addresses = aws.pinned((self.address,), allowed, window, timeouts, place)
        client = self.client()
        system = S3FileSystem(
            anon=bool(self.anonymous), endpoint_url=client["endpoint_url"], key=client["aws_access_key_id"],
            secret=client["aws_secret_access_key"], token=client["aws_session_token"],
            client_kwargs={"region_name": self.region, "verify": self.verify},
            config_kwargs=self.config(addresses, timeouts),
            session=session(), skip_instance_cache=True, use_listings_cache=False,
        )  # fmt: skip
        system.retries = 1
        root = "/".join(part for part in (self.bucket, folder.strip("/")) if part)
        try:
            yield _Bucket(system, root, place, window, aws.told)
        finally:
            if system._s3 is not None:
                system.close_session(system.loop, system._s3)


class _Bucket(RemoteFolder):
    def listed(self, path: str) -> list[dict[str, Any]]:
        """A bucket has no folders: where no name begins like that, there is nothing yet."""
        try:
            return super().listed(path)
        except ProbeError as error:
            if error.code == "not_found":
                return []
            raise

    def stamp(self, entry: dict[str, Any]) -> tuple[datetime, str]:
        return entry["LastModified"], str(entry.get("ETag", ""))
