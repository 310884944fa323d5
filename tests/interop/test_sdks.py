"""SDKs of four languages against a receiver that is killed in the middle: no span is lost, none is there twice.

An SDK may give spans up: what counts is what it reported as exported. The one for Go gives up at once while nobody
listens, unless the program hands it the spans again, as the one here does.
"""

from __future__ import annotations

from collections.abc import Callable

import builds
import pytest
from parties import Sender, Tieout, wait_until

COUNT = 1500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "options"),
    [
        (builds.python_sender, []),
        (builds.python_sender, ["grpc"]),
        (builds.go_sender, []),
        (builds.java_sender, []),
        (builds.javascript_sender, ["protobuf"]),
        (builds.javascript_sender, ["json"]),
    ],
    ids=["python", "python gRPC", "go", "java", "javascript protobuf", "javascript json"],
)
def test_a_receiver_killed_in_the_middle_costs_no_span(
    tieout: Tieout, sender: Callable[..., Sender], program: Callable[[], list[str]], options: list[str]
) -> None:
    url = tieout.grpc_url if "grpc" in options else tieout.traces_url
    sending = sender(program(), url, COUNT, *options)
    wait_until(lambda: len(tieout.copies()) >= COUNT // 5, tieout.said)
    tieout.kill()
    tieout.start()
    exported, failed = sending.result()
    assert len(exported) + len(failed) == COUNT
    assert len(exported) > COUNT // 2
    copies = tieout.copies()
    assert set(exported) <= set(copies) <= {*exported, *failed}
    assert set(copies.values()) == {1}
    with tieout.store() as store:
        keys = store.value("SELECT uniqExact(SpanAttributes['tieout.object.order']) FROM otel_traces")
    assert keys == len(copies), "every span brought its business key"
