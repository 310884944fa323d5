"""State that systems send by themselves, as HL7 v2 over MLLP: the probe reads what its listener has taken in."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.address import Address, reachable
from core.duration import Duration
from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.columns import misnamed_columns
from probes.files import FilesProbe
from probes.formats.hl7v2 import Hl7v2
from probes.probe import Batch, ProbeFile, Window
from probes.spool import SEALED, SpoolFormat


class MllpTls(FileModel):
    """PEM files, relative to the probe file. With `client_ca_file` senders need a certificate of that authority."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        found = {
            "cert_file": self.cert_file,
            "key_file": self.key_file,
            "client_ca_file": self.client_ca_file,
        }
        return {name: path for name, path in found.items() if path}


class MllpProbe(ProbeFile):
    """HL7 v2 messages that senders deliver to `listen`, as part of `tieout up`.

    A message is acknowledged once what the probe names of it is on the disk of `spool` (relative to the probe
    file; a folder of the probe's name inside). `format` is that of HL7 v2 files. Other machines reach it only
    with `tls`, or where `insecure` says that something else guards the port. `keep` is how long what was read
    stays there, `idle` how long a connection may be silent.
    """

    kind: Literal["mllp"]
    mode: Literal["full", "incremental"] = "incremental"
    listen: Address = "127.0.0.1:2575"
    tls: MllpTls | None = None
    insecure: bool = False
    spool: Path = Path("../mllp")
    format: Hl7v2 = Field(default_factory=lambda: Hl7v2(type="hl7v2"))
    max_message_bytes: int = Field(default=16_000_000, ge=1_000)
    max_connections: int = Field(default=64, ge=1)
    idle: Duration = timedelta(hours=24)
    keep: Duration = timedelta(days=30)

    @field_validator("format", mode="before")
    @classmethod
    def _typed(cls, value: Any) -> Any:
        return {"type": "hl7v2"} | value if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mode == "full":
            raise ValueError("messages say what changed, never all there is: 'mode' is incremental")
        if reachable(self.listen) and not (self.tls or self.insecure):
            raise ValueError(
                f"other machines could write to {self.listen} without being asked who they are: listen at 127.0.0.1, "
                "give 'tls', or write insecure: true when a network of its own guards the port"
            )
        return self

    @property
    def place(self) -> str:
        return f"listener {self.listen}"

    @property
    def reads_files(self) -> bool:
        return True

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        findings = misnamed_columns(self.format.misnamed, self.columns, parsed)
        placed: dict[str, Any] = {"spool": file.parent / self.spool / self.name}
        if self.tls:
            for name, path in self.tls.files.items():
                if not (file.parent / path).is_file():
                    findings.append(parsed.finding(("tls", name), f"file {str(path)!r} is not there"))
            placed["tls"] = self.tls.model_copy(
                update={name: file.parent / path for name, path in self.tls.files.items()}
            )
        return self.model_copy(update=placed), findings

    def read(self, window: Window) -> Generator[Batch]:
        """A spool that does not exist yet has received nothing."""
        if not self.spool.is_dir():
            return
        common = {
            name: getattr(self, name) for name in ProbeFile.model_fields if name not in ("kind", "controls")
        }
        folder = FilesProbe.model_construct(
            **common,
            kind="files",
            folder=self.spool,
            glob=f"*{SEALED}",
            format=SpoolFormat(),
            settle=timedelta(0),
        )
        yield from folder.read(window)
