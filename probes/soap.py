"""State read from a SOAP service, by an operation of its WSDL that reads."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator

from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.http import Raw, Session
from probes.paged import PagedProbe, Reading
from probes.paging import SinglePage, as_flag, find, whole_number
from probes.probe import Batch, IncrementalProbe, Origin, ProbeError, Question, Window
from probes.rest import RestIncremental, filled
from probes.texts import record_batch

# An operation whose name says that it reads; others need the word of a person.
_READS = re.compile(r"(get|list|find|search|read|query|fetch|retrieve|count|select|export)", re.IGNORECASE)
_CODE = re.compile(r"[\w.:-]{1,60}$")
_AUTH_CODES = {"FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "SecurityTokenUnavailable"}
MAX_WSDL_FILES = 200


class OneAnswer(FileModel):
    """Everything comes in one answer."""

    type: Literal["single"]


class SoapPages(FileModel):
    """Numbered pages: `{page}` stands in the arguments. Ends when `more_path` says so, at the number of pages in
    `total_path`, or at the first page without records."""

    type: Literal["page_number"]
    base_page: int = Field(default=1, ge=0)
    more_path: str = ""
    total_path: str = ""


class UsernameToken(FileModel):
    """WS-Security UsernameToken; `digest` sends a hash with nonce and time instead of the password."""

    username: str
    password: SecretStr
    digest: bool = False


class SoapProbe(PagedProbe, IncrementalProbe):
    """An operation of a SOAP service. Columns are dotted paths inside a record.

    `wsdl` is a file beside the probe file, or an address on the host of `client.base_url`; what it imports comes
    from the same folder or host, and nothing else is fetched. Requests go to `client.base_url`, whatever address
    the WSDL names. Texts in `arguments` may hold `{cursor}`, `{window_end}` and `{page}`. `record_path` leads to the
    records in the answer. An operation whose name does not say that it reads needs `only_reads: true`.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.base_url", "address of the service", "https://erp.example/soap/orders"),
        Question(
            "wsdl", "its WSDL: a file beside the probe file, or an address on the same host", "orders.wsdl"
        ),
        Question("operation", "operation that reads", "GetOrders"),
        Question("record_path", "dotted path of the records in the answer", "Orders.Order"),
    )

    kind: Literal["soap"]
    wsdl: str
    service: str | None = None
    port: str | None = None
    operation: str
    only_reads: bool = False
    arguments: dict[str, Any] = Field(default_factory=dict)
    record_path: str = ""
    paginator: Annotated[OneAnswer | SoapPages, Field(discriminator="type")] = OneAnswer(type="single")
    security: UsernameToken | None = None
    strict: bool = True
    incremental: RestIncremental | None = None

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        rule, arguments = self.incremental, json.dumps(self.arguments, default=str)
        if rule and ("{cursor}" not in arguments or not rule.initial_value):
            raise ValueError("'incremental' needs an 'initial_value', and {cursor} in the arguments")
        if (self.paginator.type == "page_number") != ("{page}" in arguments):
            raise ValueError("'paginator: {type: page_number}' and {page} in the arguments go together")
        if not (self.only_reads or _READS.match(self.operation)):
            raise ValueError(
                "the operation's name does not say that it reads; if it does, write only_reads: true"
            )
        return self

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        """The WSDL stands beside the probe file, unless it is an address."""
        placed, findings = super().located(file, parsed)
        if self._remote:
            return placed, findings
        path = (file.parent / self.wsdl).resolve()
        if not path.is_file():
            findings = [*findings, parsed.finding(("wsdl",), f"file {self.wsdl!r} is not there")]
        return placed.model_copy(update={"wsdl": str(path)}), findings

    @property
    def _remote(self) -> bool:
        return self.wsdl.startswith(("http://", "https://"))

    def read(self, window: Window) -> Generator[Batch]:
        with self.session(window, Reading({}, SinglePage(type="single"))) as session:
            ask = self._operation(session)
            number: int | None = int(window.position or 1)
            seen: set[str] = set()
            while number is not None:
                answer = self._answer(ask, window, number)
                records = self._found(answer)
                self.no_loop(records, f"{number}", seen)
                following = self._following(answer, number, len(records))
                yield Batch(
                    record_batch(self.columns, records), Origin(name=f"page {number}"),
                    position=str(following) if following else "", source_time=session.source_time,
                )  # fmt: skip
                number = following

    def _following(self, answer: Any, number: int, count: int) -> int | None:
        pages = self.paginator
        if isinstance(pages, OneAnswer) or count == 0:
            return None
        total = whole_number(answer, pages.total_path)
        no_more = pages.more_path and as_flag(find(answer, pages.more_path)) is not True
        if no_more or (total is not None and number >= total):
            return None
        if number >= self.max_pages:
            raise ProbeError("too_many_pages", f"{self.place} has more than max_pages {self.max_pages} pages")
        return number + 1

    def _answer(self, ask: Any, window: Window, number: int) -> Any:
        from zeep.helpers import serialize_object

        pages, rule = self.paginator, self.incremental
        values = rule.asked(window, ZoneInfo(self.timezone)) if rule else {}
        if isinstance(pages, SoapPages):
            values = {**values, "page": str(number - 1 + pages.base_page)}
        with self._explained(f"page {number} of {self.place}"):
            return serialize_object(ask(**filled(self.arguments, values)), dict)

    def _found(self, answer: Any) -> list[Any]:
        """The records; an answer without any leaves out the element that would hold them."""
        found = find(answer, self.record_path)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def _operation(self, session: Session) -> Any:
        """What to call, from the WSDL. Raises ProbeError."""
        try:
            import zeep
            from zeep.wsse.username import UsernameToken as Token
        except ImportError:
            raise ProbeError("driver_missing", "zeep is not installed; install tieout[soap]") from None
        secured = self.security
        token = (
            Token(secured.username, secured.password.get_secret_value(), use_digest=secured.digest)
            if secured
            else None
        )
        settings = zeep.Settings(
            strict=self.strict, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False
        )
        with self._explained(f"the WSDL of {self.place}"):
            client = zeep.Client(
                self.wsdl, wsse=token, transport=_transport(session, self), settings=settings
            )
            bound = client.bind(self.service, self.port)
            if bound is None:
                raise ProbeError("bad_xml", f"the WSDL of {self.place} names no service; check wsdl")
            binding = bound._binding
            proxy = client.create_service(binding.name.text, str(self.url))
        operations = sorted(binding._operations)
        if self.operation not in operations:
            raise ProbeError(
                "no_operation",
                f"{self.place} has no operation {self.operation!r}; it has {', '.join(operations[:20])}",
            )
        return proxy[self.operation]

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """`from None`: what zeep says of a message quotes it. It fails on bad documents in many ways of its own."""
        from lxml import etree
        from zeep import exceptions

        try:
            yield
        except exceptions.Fault as fault:
            raise _of_fault(fault, what) from None
        except (exceptions.DTDForbidden, exceptions.EntitiesForbidden):
            raise ProbeError(
                "bad_xml", f"{what} declares entities or a document type; that is refused"
            ) from None
        except (exceptions.ValidationError, TypeError):
            raise ProbeError(
                "bad_arguments",
                f"{what}: the arguments do not fit the operation; check 'arguments' with its WSDL",
            ) from None
        except (exceptions.Error, etree.LxmlError, ValueError, LookupError, AttributeError) as error:
            raise ProbeError(
                "bad_xml",
                f"{what} cannot be understood ({type(error).__name__}); check wsdl, service and port",
            ) from None


def _of_fault(fault: Any, what: str) -> ProbeError:
    """Its code says whose mistake it is; its text and detail may quote data (SOAP 1.1 §4.4.1, 1.2 §5.4.6)."""
    codes = [str(code).rpartition("}")[2] for code in (fault.code, *(fault.subcodes or ())) if code]
    told = [code for code in codes if _CODE.match(code)]
    names = {part for code in told for part in re.split("[:.]", code)}
    said = f"{what} answered with a fault ({', '.join(told) or 'without a code'})"
    if names & _AUTH_CODES:
        return ProbeError("auth_failed", f"{said}; check security and client.auth")
    if names & {"Server", "Receiver"}:
        return ProbeError("soap_fault", f"{said}; it is tried again", retryable=True)
    return ProbeError("soap_fault", f"{said}; check 'arguments'")


def _transport(session: Session, probe: SoapProbe) -> Any:
    """zeep's way to the network, which is ours: pinned addresses, time-outs, sizes, one host."""
    from zeep.transports import Transport

    folder = None if probe._remote else Path(probe.wsdl).parent

    class Ours(Transport):  # type: ignore[misc]
        """Loads what a WSDL imports from its own folder or host, and posts messages to the service."""

        loaded = 0

        def load(self, url: str) -> bytes:
            self.loaded += 1
            if self.loaded > MAX_WSDL_FILES:
                raise ProbeError(
                    "too_large", f"the WSDL of {probe.place} imports more than {MAX_WSDL_FILES} files"
                )
            if url.startswith(("http://", "https://")):
                answer = session.exchange("GET", url, f"the WSDL of {probe.place}", {}, None)
                return answer.content
            path = Path(url.removeprefix("file://")).resolve()
            if folder is None or not path.is_relative_to(folder):
                raise ProbeError("other_host", f"the WSDL of {probe.place} imports a file outside its folder")
            return path.read_bytes()

        def post(self, address: str, message: bytes, headers: Mapping[str, str]) -> Raw:
            return session.exchange("POST", address, f"the answer of {probe.place}", headers, message)

    return Ours()
