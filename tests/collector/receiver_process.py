"""A receiver in its own process, to be killed. `serve FOLDER` prints its port, `rows FOLDER` its spans.

`serve-private FOLDER` has the policy of the corpus; `everything FOLDER` prints all rows of all tables.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from privacy_corpus import PRIVACY, everything

from collector.app import receiver
from collector.privacy import Policy, forbid_core_dumps, policy_of, set_policy
from store.client import Store
from store.migrate import migrate


def open_store(folder: Path) -> Store:
    private = folder / "tmp"
    private.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(private)
    store = Store(f"chdb://{folder / 'data'}")
    migrate(store, datetime.now(UTC))
    return store


def policy_in(store: Store) -> Policy:
    policy = policy_of(PRIVACY, Path())
    set_policy(store, policy, datetime.now(UTC))
    return policy


async def serve(store: Store, policy: Policy | None = None) -> None:
    app = receiver(store, policy=policy)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await running


def main(action: str, folder: str) -> None:
    store = open_store(Path(folder))
    if action == "serve":
        asyncio.run(serve(store))
    elif action == "serve-private":
        forbid_core_dumps()
        asyncio.run(serve(store, policy_in(store)))
    elif action == "everything":
        sys.stdout.write(everything(store))
    else:
        sys.stdout.write(
            store.raw("SELECT SpanId, count() AS n FROM otel_traces GROUP BY SpanId", fmt="CSV").decode()
        )
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
