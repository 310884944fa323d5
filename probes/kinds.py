"""The kinds of probes there are. A new kind is a file beside this one and a line below."""

from __future__ import annotations

from probes.files import FilesProbe
from probes.mllp import MllpProbe
from probes.odata import OdataProbe
from probes.probe import ProbeFile
from probes.rest import RestProbe
from probes.sql import SqlProbe

KINDS: dict[str, type[ProbeFile]] = {
    "files": FilesProbe,
    "mllp": MllpProbe,
    "odata": OdataProbe,
    "rest": RestProbe,
    "sql": SqlProbe,
}
