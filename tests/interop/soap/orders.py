"""Purchase orders by SOAP 1.1 with spyne; the port is the argument. Orders are changed by a plain GET on /change."""

import base64
import sys
from datetime import UTC, datetime
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spyne import (
    Application,
    Array,
    Boolean,
    ComplexModel,
    DateTime,
    Decimal,
    Fault,
    Integer,
    ServiceBase,
    Unicode,
    rpc,
)
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"


class Order(ComplexModel):
    __namespace__ = "urn:orders"
    No = Unicode
    Status = Unicode
    Total = Decimal
    Currency = Unicode
    ChangedAt = DateTime
    Buyer = Unicode


class OrderList(ComplexModel):
    __namespace__ = "urn:orders"
    Order = Array(Order, wrapped=False)
    More = Boolean


def moment(day):
    return datetime(2026, 11, day, 10, tzinfo=UTC)


ORDERS = {
    str(n): Order(
        No=f"45{n}", Status="open", Total=f"{n}.10", Currency="EUR", ChangedAt=moment(n), Buyer="Jane Doe"
    )
    for n in range(1, 8)
}


class Orders(ServiceBase):
    @rpc(
        DateTime,
        Integer,
        Unicode,
        _returns=OrderList,
        _in_variable_names={"since": "Since", "page": "Page", "status": "Status"},
    )
    def GetOrders(ctx, since, page, status):  # noqa: N802, N805 - as spyne wants it
        told = [element.text for header in ctx.in_header_doc or [] for element in header.iter(f"{{{WSSE}}}*")]
        if "reader" not in told or "pw" not in told:
            raise Fault("wsse:FailedAuthentication", "no such user: Jane Doe")
        if status == "broken":
            raise Fault("Server.Database", "row of Jane Doe is locked")
        if status == "odd":
            raise Fault("Client.Status", "no status odd for Jane Doe")
        found = [
            o
            for o in ORDERS.values()
            if (since is None or o.ChangedAt >= since) and status in (None, o.Status)
        ]
        first = ((page or 1) - 1) * 3
        return OrderList(Order=found[first : first + 3], More=first + 3 < len(found))


soap = WsgiApplication(
    Application([Orders], "urn:orders", in_protocol=Soap11(validator="lxml"), out_protocol=Soap11())
)


def app(environ, start):
    asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    if environ["PATH_INFO"] == "/change":
        order = ORDERS[asked["no"]]
        order.Status, order.ChangedAt = asked["status"], moment(int(asked["day"]))
        start("204 No Content", [])
        return []
    login = "Basic " + base64.b64encode(b"gate:keeper").decode()
    if environ["PATH_INFO"] == "/guarded" and environ.get("HTTP_AUTHORIZATION") != login:
        start("401 Unauthorized", [("Content-Type", "text/xml")])
        return [b"<no/>"]
    return soap(environ, start)


class Quiet(WSGIRequestHandler):
    def log_message(self, *given):
        pass


make_server("127.0.0.1", int(sys.argv[1]), app, handler_class=Quiet).serve_forever()
