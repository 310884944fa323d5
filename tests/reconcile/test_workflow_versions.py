"""Which version of a workflow decides when: its file changes, goes, and comes back."""

from __future__ import annotations

from datetime import datetime

from story import KNOWN_ORDER, LAST, ORDERED_FIRST, PAYMENT, TIE, Story, Teller, complete, on, state, workflow

from reconcile.run import reconcile, retire
from store.client import Store

OLD = workflow(PAYMENT, ORDERED_FIRST, KNOWN_ORDER, TIE)
GONE, BACK = on(8, 1), on(9, 1)


def told(store: Store) -> Story:
    """An invoice that nobody paid, and one that was paid without an order."""
    tell = Teller()
    return Story(store, OLD).tell(
        tell.event("received", on(2, 1), amount=100),
        tell.event("received", on(2, 1), "I2", amount=50),
        tell.event("paid", on(2, 3), "I2", amount=50),
        complete(LAST),
    )


def open_ones(store: Store, known_at: datetime, name: str = "story") -> list[tuple[str, str]]:
    rows = store.rows(
        "SELECT expectation, item_key FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) "
        "WHERE workflow = {name:String} AND is_open = 1 ORDER BY ALL",
        {"as_of": on(7, 1), "known_at": known_at, "name": name},
    )
    return [(row["expectation"], row["item_key"]) for row in rows]


ALL = [("ordered_first", "I2"), ("payment", "I1"), ("tie", "I1"), ("tie", "I2")]


def test_a_workflow_without_file_expects_nothing_until_it_is_back(store: Store) -> None:
    story = told(store)
    story.run(on(7, 15))
    assert retire(store, ["story"], on(7, 15)) == []
    assert open_ones(store, on(7, 20)) == ALL
    before = story.ask(on(7, 1), on(7, 20)), story.rows("items_at", on(7, 1), on(7, 20))
    assert before[1]

    assert retire(store, ["another"], GONE) == ["story"]
    assert retire(store, ["another"], GONE) == []
    for view in ("verdicts_at", "exceptions_at", "items_at"):
        assert story.rows(view, on(7, 1), on(8, 15)) == []
    assert store.rows("SELECT * FROM v_exceptions_open") == []
    # What was said while it decided stays as it was.
    assert (story.ask(on(7, 1), on(7, 20)), story.rows("items_at", on(7, 1), on(7, 20))) == before

    # What came while nobody looked is looked at when the file is back.
    story.tell(Teller().event("paid", on(6, 1), event_id="late", known_at=on(8, 10), amount=100))
    story.run(BACK)
    assert retire(store, ["story"], BACK) == []
    assert open_ones(store, on(8, 15)) == []
    assert open_ones(store, on(9, 2)) == [
        ("ordered_first", "I1"),
        ("ordered_first", "I2"),
        ("tie", "I1"),
        ("tie", "I2"),
    ]
    assert story.ask(on(7, 1), on(9, 2))
    versions = store.rows("SELECT version, activated_at FROM workflow_versions ORDER BY activated_at")
    assert [(row["version"] == "", row["activated_at"]) for row in versions[1:]] == [
        (True, GONE),
        (False, BACK),
    ]
    assert versions[0]["version"] == versions[2]["version"]


def test_a_workflow_with_another_name_is_another_one(store: Store) -> None:
    story = told(store)
    story.run(on(7, 15))
    renamed = Story(store, workflow(PAYMENT, ORDERED_FIRST, KNOWN_ORDER, TIE, name="invoices"))
    renamed.tell(*story.facts.events)
    renamed.run(GONE)
    assert retire(store, ["invoices"], GONE) == ["story"]
    assert (open_ones(store, on(8, 15)), open_ones(store, on(8, 15), "invoices")) == ([], ALL)
    assert (open_ones(store, on(7, 20)), open_ones(store, on(7, 20), "invoices")) == (ALL, ALL)


def test_an_expectation_that_is_taken_out_of_the_file_is_over_from_then_on(store: Store) -> None:
    story = told(store)
    story.tell(state("payment", "P1", on(2, 5), "50"))
    story.run(on(7, 15))
    fewer = workflow(ORDERED_FIRST, TIE)
    reconcile(store, [fewer], GONE)
    assert retire(store, ["story"], GONE) == []
    assert open_ones(store, on(7, 20)) == ALL
    assert open_ones(store, on(8, 15)) == [one for one in ALL if one[0] != "payment"]
    # Nothing of any expectation is left where the file has only another one.
    reconcile(store, [workflow(KNOWN_ORDER)], BACK)
    assert open_ones(store, on(9, 15)) == []
    assert open_ones(store, on(8, 15)) == [one for one in ALL if one[0] != "payment"]
