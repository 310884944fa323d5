"""Drives a running Tryton as its users would, over its RPC: sets a company up, then buys, receives, is invoiced, pays.

Run by the Python of Tryton's own environment: `driver.py URL PASSWORD READER_KEY`. Prints a line of JSON for each
scenario as soon as it has been played: its name and the keys of its documents. The business days lie in the past,
so that what is due is due.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from json_rpc import JsonConfig
from proteus import Model, Wizard, config

TODAY = date.today()
PRICE = Decimal("5.00")
READ = (
    "purchase.purchase", "purchase.line", "stock.shipment.in", "stock.shipment.in.return", "stock.move", "account.invoice",
    "account.invoice.line", "account.move", "account.move.line", "account.payment", "party.party", "product.product",
    "product.template", "product.uom", "currency.currency", "company.company",
)  # fmt: skip

PREFIXES = {
    "Purchase": "PO", "Supplier Shipment": "IN", "Supplier Return Shipment": "RET", "Default Account Payment": "PAY",
}  # fmt: skip


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@dataclass(frozen=True)
class Company:
    """What every purchase needs."""

    supplier: Any
    glove: Any
    gown: Any
    payment_journal: Any


def one(model: str, *clauses: Any) -> Any:
    return Model.get(model).find(list(clauses), limit=1)[0]


def set_up(key: str) -> Company:
    """A hospital with a chart of accounts, fiscal years, one supplier and two products."""
    company = _company()
    _chart(company)
    for year in {days_ago(200).year, TODAY.year}:
        _fiscal_year(company, year)
    supplier = Model.get("party.party")(name="Gloves and Gowns Ltd")
    supplier.save()
    category = Model.get("product.category")(name="Supplies", accounting=True)
    category.account_expense = one("account.account", ("type.expense", "=", True))
    category.account_revenue = one("account.account", ("type.revenue", "=", True))
    category.save()
    journal = Model.get("account.payment.journal")(name="Bank", process_method="manual")
    journal.save()
    _prefixes()
    _reader(key)
    return Company(supplier, _product("Glove", category), _product("Gown", category), journal)


def _company() -> Any:
    currency = Model.get("currency.currency")(name="Euro", code="EUR", symbol="€", rounding=Decimal("0.01"))
    currency.rates.new(date=date(2000, 1, 1), rate=Decimal(1))
    currency.save()
    party = Model.get("party.party")(name="Hospital")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party = party
    wizard.form.currency = currency
    wizard.execute("add")
    config.get_config()._context = Model.get("res.user").get_preferences(True, {})
    return one("company.company")


def _chart(company: Any) -> None:
    template = Model.get("ir.model.data").get_id(
        "account.account_template_root_en", config.get_config().context
    )
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template = Model.get("account.account.template")(template)
    wizard.form.company = company
    wizard.execute("create_account")
    wizard.form.account_receivable = one(
        "account.account", ("type.receivable", "=", True), ("party_required", "=", True)
    )
    wizard.form.account_payable = one(
        "account.account", ("type.payable", "=", True), ("party_required", "=", True)
    )
    wizard.execute("create_properties")


def _fiscal_year(company: Any, year: int) -> None:
    def sequence(kind: str) -> Any:
        kind = one("ir.sequence.type", ("name", "=", kind))
        made = Model.get("ir.sequence.strict")(
            name=f"{year}", prefix=f"{year}-", sequence_type=kind, company=company
        )
        made.save()
        return made

    made = Model.get("account.fiscalyear")(name=f"{year}", company=company)
    made.start_date, made.end_date = date(year, 1, 1), date(year, 12, 31)
    made.move_sequence = sequence("Account Move")
    invoices = sequence("Invoice")
    for kind in ("out_invoice", "in_invoice", "out_credit_note", "in_credit_note"):
        setattr(made.invoice_sequences[0], f"{kind}_sequence", invoices)
    made.click("create_period")


def _product(name: str, category: Any) -> Any:
    template = Model.get("product.template")(
        name=name, type="goods", purchasable=True, account_category=category
    )
    template.default_uom = one("product.uom", ("name", "=", "Unit"))
    template.cost_price_method = "fixed"
    template.save()
    return template.products[0]


def _prefixes() -> None:
    """Numbers that say what they number."""
    for name, prefix in PREFIXES.items():
        sequence = one("ir.sequence", ("name", "=", name))
        sequence.prefix = prefix
        sequence.save()


def _reader(key: str) -> None:
    """A user that may read what the probes read and nothing else, and its key for the REST interface."""
    group = Model.get("res.group")(name="tieout")
    group.save()
    for model in READ:
        Model.get("ir.model.access")(
            model=model, group=group, perm_read=True, perm_write=False, perm_create=False, perm_delete=False
        ).save()
    user = Model.get("res.user")(name="tieout", login="tieout")
    user.groups.append(group)
    user.companies.append(one("company.company"))
    user.company = one("company.company")
    user.save()
    Model.get("res.user.application")(user=user, application="rest", key=key, state="validated").save()


def _as_announced(move: Any) -> None:
    """What comes is what was announced."""


@dataclass
class Scenario:
    """One purchase and what became of it."""

    company: Company

    def order(self, *lines: tuple[Any, float]) -> Any:
        """Ordered, and to be billed by what is received."""
        order = Model.get("purchase.purchase")(party=self.company.supplier, invoice_method="fulfillment")
        order.purchase_date = days_ago(60)
        for product, quantity in lines:
            line = order.lines.new(product=product)
            line.quantity, line.unit_price = quantity, PRICE
        order.click("quote")
        order.click("confirm")
        return order

    def receive(self, order: Any, change: Callable[[Any], None] = _as_announced) -> Any:
        """What is still to come has come, after `change` of each movement."""
        shipment = Model.get("stock.shipment.in")(supplier=self.company.supplier, effective_date=days_ago(55))
        for move in order.moves:
            if move.state == "draft":
                shipment.incoming_moves.append(Model.get("stock.move")(move.id))
        shipment.save()
        for move in shipment.incoming_moves:
            change(move)
        shipment.save()
        shipment.click("receive")
        shipment.click("do")
        order.reload()
        return shipment

    def invoice(self, order: Any, day: int = 50) -> Any:
        invoice = order.invoices[-1]
        invoice.invoice_date = days_ago(day)
        invoice.click("post")
        return invoice

    def pay(self, invoice: Any, day: int = 40) -> Any:
        invoice.reload()
        [payable] = invoice.lines_to_pay
        payment = Model.get("account.payment")(kind="payable", journal=self.company.payment_journal)
        payment.party, payment.line, payment.date = invoice.party, payable, days_ago(day)
        payment.amount = payable.credit
        payment.click("submit")
        payment.click("approve")
        payment.click("process_wizard")
        payment.click("succeed")
        return payment


def plain(on: Scenario) -> dict[str, Any]:
    order = on.order((on.company.glove, 10))
    shipment, invoice = on.receive(order), on.invoice(order)
    return told(order=order, shipment=shipment, invoice=invoice, payment=on.pay(invoice))


def over_receipt(on: Scenario) -> dict[str, Any]:
    """Two more came than were ordered, and they are invoiced and paid."""
    order = on.order((on.company.glove, 10))

    def two_more(move: Any) -> None:
        move.quantity = 12

    shipment = on.receive(order, change=two_more)
    invoice = on.invoice(order)
    return told(order=order, shipment=shipment, invoice=invoice, payment=on.pay(invoice))


def cancelled_line(on: Scenario) -> dict[str, Any]:
    """One of two lines will not come: its move is cancelled, and the order is told to go on without it."""
    order = on.order((on.company.glove, 10), (on.company.gown, 4))
    cancelled = next(move for move in order.moves if move.product == on.company.gown)
    cancelled.click("cancel")
    order.reload()
    wizard = order.click("handle_shipment_exception")
    wizard.form.ignore_moves.extend(wizard.form.ignore_moves.find())
    wizard.execute("handle")
    order.reload()
    shipment, invoice = on.receive(order), on.invoice(order)
    line = next(line for line in order.lines if line.product == on.company.gown)
    return told(order=order, shipment=shipment, invoice=invoice, payment=on.pay(invoice), cancelled=line)


def returned(on: Scenario) -> dict[str, Any]:
    """Four of ten go back by a return of the order, which the supplier credits."""
    order = on.order((on.company.glove, 10))
    shipment, invoice = on.receive(order), on.invoice(order)
    payment = on.pay(invoice)
    wizard = Wizard("purchase.return_purchase", [order])
    wizard.execute("return_")
    back = one("purchase.purchase", ("state", "=", "draft"))
    back.purchase_date = days_ago(35)
    back.lines[0].quantity = -4.0
    back.click("quote")
    back.click("confirm")
    sent = back.shipment_returns[0]
    sent.effective_date = days_ago(34)
    sent.click("assign_force")
    sent.click("do")
    back.reload()
    credit = on.invoice(back, 5)
    return told(
        order=order, shipment=shipment, invoice=invoice, payment=payment, back=back, sent=sent, credit=credit
    )


def overpaid(on: Scenario) -> dict[str, Any]:
    """The same invoice is paid twice; whoever pays has waved Tryton's warning through."""
    order = on.order((on.company.glove, 10))
    shipment, invoice = on.receive(order), on.invoice(order)
    first, second = on.pay(invoice), on.pay(invoice, 38)
    return told(order=order, shipment=shipment, invoice=invoice, payment=first, second=second)


def blocked(on: Scenario) -> dict[str, Any]:
    """The invoice is due, and its payment is blocked."""
    order = on.order((on.company.glove, 10))
    shipment, invoice = on.receive(order), on.invoice(order)
    invoice.lines_to_pay[0].click("payment_block")
    return told(order=order, shipment=shipment, invoice=invoice)


def not_received(on: Scenario) -> dict[str, Any]:
    """Ordered long ago, and nothing came."""
    return told(order=on.order((on.company.glove, 10)))


def told(**documents: Any) -> dict[str, Any]:
    """The number of each document, or its id where it has none, and the ids of the lines of orders."""
    for document in documents.values():
        document.reload()
    said = {name: getattr(made, "number", None) or str(made.id) for name, made in documents.items()}
    orders = {"lines": "order", "back_lines": "back"}
    return said | {
        name: [str(line.id) for line in documents[order].lines]
        for name, order in orders.items()
        if order in documents
    }


SCENARIOS = (plain, over_receipt, cancelled_line, returned, overpaid, blocked, not_received)


def main(url: str, password: str, key: str) -> None:
    JsonConfig(url, "admin", password)
    on = Scenario(set_up(key))
    tell("set_up")
    for play in SCENARIOS:
        tell(play.__name__, **play(on))


def tell(name: str, **documents: Any) -> None:
    sys.stdout.write(json.dumps({"name": name, **documents}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
