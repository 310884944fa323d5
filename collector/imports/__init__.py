"""Event logs and state files that people already have, imported by the mappings of the project folder."""

from collector.imports.errors import ImportFailedError
from collector.imports.load import find_mapping, load_mappings
from collector.imports.mapping import Mapping
from collector.imports.result import Facts, ImportedFile, ImportProgress, ImportResult
from collector.imports.run import import_files
from collector.imports.staging import recover
from collector.imports.tail import Tail, tail

__all__ = [
    "Facts",
    "ImportFailedError",
    "ImportProgress",
    "ImportResult",
    "ImportedFile",
    "Mapping",
    "Tail",
    "find_mapping",
    "import_files",
    "load_mappings",
    "recover",
    "tail",
]
