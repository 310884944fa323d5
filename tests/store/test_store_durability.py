"""What was acknowledged is there exactly once after the process was killed without warning."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Prints the number of each batch when the store has accepted it.
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from store import migrate
from store.client import Store
from store.folder import DataFolder

first = int(sys.argv[2])
now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
folder = DataFolder(Path(sys.argv[1])).acquire(now, "writer")
store = Store(folder.dsn)
migrate.migrate(store, now)
folder.opened(store)
for batch in range(first, first + 100000):
    rows = [{"source": f"s{batch}", "complete_through": now, "heartbeat_at": now, "known_at": now, "run_id": str(row)}
            for row in range(50)]
    store.insert("watermarks", rows, settings={"insert_deduplication_token": f"batch {batch}"})
    print(batch, flush=True)
"""
# Sends the batch that was under way once more, as a client that got no answer does, and counts everything.
READER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from store.client import Store
from store.folder import DataFolder

now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
batch = int(sys.argv[2])
with DataFolder(Path(sys.argv[1])) as folder:
    folder.acquire(now, "reader")
    with Store(folder.dsn) as store:
        rows = [{"source": f"s{batch}", "complete_through": now, "heartbeat_at": now, "known_at": now, "run_id": str(row)}
                for row in range(50)]
        for _ in range(2):
            store.insert("watermarks", rows, settings={"insert_deduplication_token": f"batch {batch}"})
        counts = store.rows("SELECT source, count() AS n, uniqExact(run_id) AS u FROM watermarks GROUP BY source")
        print(json.dumps([[row["source"], row["n"], row["u"]] for row in counts]))
        print(len(list(folder.tmp.iterdir())))
"""


@pytest.mark.slow
def test_acknowledged_rows_survive_sigkill_exactly_once(tmp_path: Path) -> None:
    chance, acked = random.Random(7), []
    for _ in range(3):
        acked += _write_until_killed(tmp_path, first=len(acked) + 1000, acks=chance.randint(1, 40))
    under_way = acked[-1] + 1
    done = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path), str(under_way)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    counts, left_over = (json.loads(line) for line in done.stdout.splitlines())
    found = {source: (n, u) for source, n, u in counts}
    assert {f"s{batch}": (50, 50) for batch in acked} == {
        f"s{batch}": found.get(f"s{batch}") for batch in acked
    }
    assert found[f"s{under_way}"] == (50, 50)
    # A batch that was on its way when the process died is there as a whole, or not at all.
    assert set(found.values()) == {(50, 50)}
    assert left_over == 0


def _write_until_killed(path: Path, first: int, acks: int) -> list[int]:
    """Starts a writer, kills it after so many acknowledgements, gives the numbers it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        acked = [int(writer.stdout.readline()) for _ in range(acks)]
        writer.send_signal(signal.SIGKILL)
        acked += [int(line) for line in writer.stdout.read().splitlines()]
    return acked
