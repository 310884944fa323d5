"""The host that is judged and pinned is the one that Amazon's library asks."""

from __future__ import annotations

from typing import Any

import botocore.session
import httpx
import pytest
from botocore.config import Config

from probes.aws import Access
from probes.folders.s3 import S3
from probes.probe import Timeouts
from probes.sqs import SqsClient

KEYS = {"access_key": "a", "secret_key": "b"}


SESSION = botocore.session.get_session()


class AskedError(Exception):
    """Carries the address that would have been asked."""


def asked_host(access: Access, service: str, operation: str, **keys: Any) -> str:
    settings = access.config({}, Timeouts())
    settings.pop("connector_args")
    client = SESSION.create_client(
        service, region_name=access.region, config=Config(**settings), **access.client()
    )

    def stop(request: Any, **_: Any) -> None:
        raise AskedError(request.url)

    client.meta.events.register("before-send", stop)
    with pytest.raises(AskedError) as caught:
        getattr(client, operation)(**keys)
    return httpx.URL(str(caught.value)).host


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
def test_the_host_we_judge_is_the_host_that_is_asked(region: str) -> None:
    for bucket in ("exports", "exports.of.bank"):
        for style in (None, True) if "." not in bucket else (None,):
            place = S3.model_validate(
                {"type": "s3", "bucket": bucket, "region": region, "path_style": style} | KEYS
            )
            assert place.address == (asked_host(place, "s3", "list_objects_v2", Bucket=bucket), 443)
    queues = SqsClient.model_validate({"region": region} | KEYS)
    url = f"https://queue.amazonaws.com/1/{region}"
    asked = asked_host(queues, "sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    assert queues.host("sqs") == (asked, 443)
    watch = asked_host(queues, "cloudwatch", "list_metrics")
    assert queues.host("monitoring") == (watch, 443)
