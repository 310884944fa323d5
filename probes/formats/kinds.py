"""The formats there are. A new one is a module beside this one and a line below."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from probes.formats.bai2 import Bai2
from probes.formats.camt053 import Camt053
from probes.formats.contract import Format
from probes.formats.delimited import Delimited
from probes.formats.excel import Excel
from probes.formats.fixed import Fixed
from probes.formats.hl7v2 import Hl7v2
from probes.formats.json_records import JsonRecords
from probes.formats.parquet import Parquet
from probes.formats.x12.reader import X12
from probes.formats.xml_records import XmlRecords

AnyFormat = Annotated[
    Bai2 | Camt053 | Delimited | Excel | Fixed | Hl7v2 | JsonRecords | Parquet | X12 | XmlRecords,
    Field(discriminator="type"),
]
FORMATS: dict[str, type[Format]] = {
    "bai2": Bai2,
    "camt053": Camt053,
    "csv": Delimited,
    "excel": Excel,
    "fixed": Fixed,
    "hl7v2": Hl7v2,
    "json": JsonRecords,
    "parquet": Parquet,
    "x12": X12,
    "xml": XmlRecords,
}


def from_short(kind: str, keys: dict[str, Any]) -> dict[str, Any]:
    """`format: csv` and the keys beside it in the long form. Raises ValueError for a key of another format."""
    for key in keys:
        if kind in FORMATS and key not in FORMATS[kind].model_fields:
            owners = [name for name, model in FORMATS.items() if key in model.model_fields]
            raise ValueError(f"{key!r} belongs to 'format: {' or '.join(owners)}'")
    return {"type": kind} | keys
