"""An import in a process of its own, to be killed: `import_process.py STORE PROJECT FILE…` tells each step it takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from import_site import NOW

from collector.imports import ImportProgress, import_files, load_mappings
from collector.imports import context as limits
from store import migrate
from store.client import Store
from workflows.load import load_workflows


def main(folder: str, project: Path, *files: str) -> None:
    """Imports, then prints what the store holds."""
    limits.CHUNK_ROWS = 1_000
    workflows, _ = load_workflows(project / "workflows")
    mappings, _ = load_mappings(project / "mappings", workflows)
    with Store(f"chdb://{folder}") as store:
        migrate.migrate(store, NOW)
        for mapping, _ in mappings.values():
            result = import_files(
                store, mapping, workflows[mapping.workflow], [Path(file) for file in files], NOW, tell
            )
            say(result.as_dict())
        tables = ("events", "event_objects", "import_rejects", "import_rows", "watermarks", "imports")
        say({table: store.value(f"SELECT count() FROM {table}") for table in tables})
        say({"distinct": store.value("SELECT uniqExact(event_id) FROM events")})


def tell(progress: ImportProgress) -> None:
    say({"phase": progress.phase, "done": progress.done})


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
