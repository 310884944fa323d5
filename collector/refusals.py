"""The ways a request is refused: HTTP status, google.rpc code, and a text that never quotes what was sent."""

from __future__ import annotations

from google.rpc import code_pb2

from core.errors import TieoutError
from store.errors import BAD_DATA_CODES, TRANSIENT_CODES, StoreError

RETRY_AFTER_S = 1


class RefusedError(TieoutError):
    """Base of all refusals. `reason` is kept in `dead_letters`; senders try again only what is retryable."""

    http_status = 500
    rpc_code = int(code_pb2.INTERNAL)
    reason = "internal"
    retry_after_s = RETRY_AFTER_S


class UndecodableError(RefusedError):
    """The bytes are not what their headers say; sending them again cannot help."""

    http_status = 400
    rpc_code = int(code_pb2.INVALID_ARGUMENT)
    reason = "undecodable"


class UncompressibleError(UndecodableError):
    """The body does not unpack with the Content-Encoding it came with, or that encoding is not known."""

    reason = "content_encoding"


class MediaTypeError(UndecodableError):
    """Neither protobuf nor JSON."""

    http_status = 415
    reason = "content_type"


class NoSuchPathError(RefusedError):
    """Nothing is served there; senders must not try again."""

    http_status = 404
    rpc_code = int(code_pb2.NOT_FOUND)
    reason = "path"


class MethodError(RefusedError):
    """Only POST is answered."""

    http_status = 405
    rpc_code = int(code_pb2.UNIMPLEMENTED)
    reason = "method"


class TooLargeError(RefusedError):
    """Larger than the limit, before or after decompression. Send smaller batches or raise the limit."""

    http_status = 413
    rpc_code = int(code_pb2.RESOURCE_EXHAUSTED)
    reason = "too_large"


class BusyError(RefusedError):
    """No room or no store at the moment; the same request may succeed later."""

    http_status = 503
    rpc_code = int(code_pb2.UNAVAILABLE)
    reason = "busy"
    retryable = True


class DrainingError(BusyError):
    """The receiver is about to end; the next one takes the request."""

    reason = "draining"


class UnexpectedError(BusyError):
    """Something failed that nobody foresaw. Senders keep the request, as another try may well succeed."""

    reason = "unexpected"


class PolicyError(BusyError):
    """The store holds another privacy policy than the receiver; nothing is stored until they agree."""

    reason = "policy"


class RateError(RefusedError):
    """A token is used more often than it may be; it says when the next request fits."""

    http_status = 429
    rpc_code = int(code_pb2.RESOURCE_EXHAUSTED)
    reason = "rate"
    retryable = True

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnauthenticatedError(RefusedError):
    """No token, or one that is not known."""

    http_status = 401
    rpc_code = int(code_pb2.UNAUTHENTICATED)
    reason = "unauthenticated"


class ForbiddenError(RefusedError):
    """The token is known, but not for this kind of telemetry."""

    http_status = 403
    rpc_code = int(code_pb2.PERMISSION_DENIED)
    reason = "forbidden"


class DisconnectedError(RefusedError):
    """The sender went away before its request was complete; nobody reads an answer."""

    rpc_code = int(code_pb2.CANCELLED)
    reason = "disconnected"


def of_store(error: TieoutError) -> RefusedError:
    """The refusal that tells a sender what the store's `error` means for the request."""
    code = error.code if isinstance(error, StoreError) else None
    if code in BAD_DATA_CODES - TRANSIENT_CODES:
        return UndecodableError(f"the body is not a valid request (store code {code})")
    return BusyError("the store cannot take the request now; send it again")
