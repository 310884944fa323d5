"""The kinds of probes there are. A new kind is a file beside this one and a line below."""

from __future__ import annotations

from probes.dlt import DltProbe
from probes.fhir import FhirProbe
from probes.files import FilesProbe
from probes.kafka import KafkaProbe
from probes.mllp import MllpProbe
from probes.odata import OdataProbe
from probes.probe import ProbeFile
from probes.rabbitmq import RabbitmqProbe
from probes.rest import RestProbe
from probes.soap import SoapProbe
from probes.sql import SqlProbe
from probes.sqs import SqsProbe

KINDS: dict[str, type[ProbeFile]] = {
    "dlt": DltProbe,
    "fhir": FhirProbe,
    "files": FilesProbe,
    "kafka": KafkaProbe,
    "mllp": MllpProbe,
    "odata": OdataProbe,
    "rabbitmq": RabbitmqProbe,
    "rest": RestProbe,
    "soap": SoapProbe,
    "sql": SqlProbe,
    "sqs": SqsProbe,
}
