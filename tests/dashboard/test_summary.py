"""What rows add up to, without a store."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dashboard import pivot, summary
from dashboard.summary import Rate, Stock

WHEN = datetime(2025, 6, 30, tzinfo=UTC)


def _cohort(
    period: int = 0, due: int = 10, matched: int = 9, unknown: int = 0, clock: str = "sync"
) -> dict[str, Any]:
    return {
        "expectation": "e", "clock": clock, "period": period, "due_items": due, "matched_items": matched,
        "on_time_items": matched, "unknown_items": unknown, "failing_items": due - matched - unknown,
    }  # fmt: skip


def _stock(now: int = 0, **columns: Any) -> Stock:
    empty = {
        "before": 0,
        "begun": 0,
        "ended": 0,
        "old_now": 0,
        "old_before": 0,
        "amounts": {},
        "old_amounts": {},
    }
    return Stock(now=now, without_amount=0, **(empty | columns))


def test_unknown_items_make_the_rate_an_interval_from_all_fail_to_all_pass() -> None:
    rate = summary.match_rate([_cohort(due=10, matched=7, unknown=2)])
    assert (rate.low, rate.high, rate.exact) == (0.7, 0.9, None)
    assert rate.text() == "70.0 – 90.0 %"


def test_nothing_due_has_no_rate() -> None:
    rate = summary.match_rate([_cohort(period=1)])
    assert (rate.low, rate.high, rate.exact, rate.text()) == (None, None, None, "—")


def test_a_change_needs_two_exact_rates() -> None:
    assert Rate(9, 10, 0).change(Rate(8, 10, 0)) == Rate(9, 10, 0).low - 0.8  # type: ignore[operator]
    assert Rate(9, 10, 1).change(Rate(8, 10, 0)) is None
    assert Rate(9, 10, 0).change(Rate(0, 0, 0)) is None


def test_rates_are_ratios_of_sums() -> None:
    assert summary.match_rate([_cohort(due=1, matched=0), _cohort(due=9, matched=9)]).low == 0.9


def test_success_counts_only_the_whole_journey() -> None:
    assert (
        summary.success_rate([_cohort(due=5, matched=5), _cohort(due=4, matched=1, clock="end_to_end")]).low
        == 0.25
    )


def test_the_sentence_says_what_is_unknown_and_why() -> None:
    text = summary.sentence(Rate(7, 10, 2), Rate(8, 10, 0), _stock(), {}, "30 days", WHEN)
    assert "between **70.0 – 90.0 %** of 10 expected steps matched" in text
    assert "2 cannot be decided" in text
    assert text.endswith("No exception is open.")


def test_the_sentence_never_makes_a_rate_of_nothing() -> None:
    text = summary.sentence(Rate(0, 0, 0), Rate(0, 0, 0), _stock(), {}, "year", WHEN)
    assert text == "In the year to 30 Jun 2025 nothing fell due. No exception is open."


def test_the_sentence_tells_change_holder_money_and_age() -> None:
    open_ones = _stock(3, old_now=1, amounts={"EUR": Decimal(5)})
    text = summary.sentence(Rate(9, 10, 0), Rate(8, 10, 0), open_ones, {"a": 1, "b": 2}, "30 days", WHEN)
    assert "**90.0 %** of 10 expected steps matched, 10.0 points more than in the 30 days before" in text
    assert (
        "**3 exceptions** worth 5.00 EUR are open; `b` holds 66.7 % of them. 1 is older than 30 days." in text
    )


def test_names_of_teams_are_code_in_the_sentence() -> None:
    text = summary.sentence(Rate(0, 0, 0), Rate(0, 0, 0), _stock(1), {"<b>*x*": 1}, "year", WHEN)
    assert "`<b>*x*`" in text


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12), st.integers(0, 1000)
)
def test_each_closing_is_the_one_before_plus_new_minus_resolved(
    moves: list[tuple[int, int]], now: int
) -> None:
    rows = [{"period": number, "begun": begun, "ended": ended} for number, (begun, ended) in enumerate(moves)]
    history = summary.closing(rows, now, len(moves))
    assert history[-1]["closing"] == now
    for before, after in pairwise(history):
        assert after["closing"] == before["closing"] + after["begun"] - after["ended"]


def test_the_trend_goes_from_the_oldest_period_to_the_present_one() -> None:
    rows = [_cohort(period=2, matched=5), _cohort(period=0, matched=9, unknown=1)]
    assert summary.trend(rows, summary.match_rate) == [0.5, 0.9]
    assert summary.trend([], summary.match_rate) == []


def test_movers_are_those_that_changed_most_and_ties_are_in_order() -> None:
    rows = [
        {"team": name, "open_now": now, "open_before": before, "begun": begun, "ended": ended}
        for name, now, before, begun, ended in [
            ("a", 5, 1, 4, 0),
            ("b", 1, 9, 0, 8),
            ("c", 3, 3, 0, 0),
            ("d", 3, 3, 2, 2),
        ]
    ]
    assert [(mover.segment, mover.change) for mover in summary.movers(rows, "team")] == [
        ("b", -8),
        ("a", 4),
        ("d", 0),
    ]


def _aging(
    segment: str, bucket: str, items: int, amount: str | None = None, currency: str = ""
) -> dict[str, Any]:
    return {
        "segment": segment, "bucket": bucket, "currency_code": currency, "open_items": items,
        "open_amount": None if amount is None else Decimal(amount), "without_amount": 0, "oldest_days": 3,
    }  # fmt: skip


def test_the_pivot_ties_at_both_ends_and_empty_cells_stay_empty() -> None:
    table = pivot.ages([_aging("x", "0-1", 2), _aging("x", ">90", 3), _aging("y", "0-1", 4)], None)
    assert list(table.index) == ["x", "y", "Total"]
    assert table.loc["Total", "Total"] == 9
    assert table.loc["Total", "0-1"] == 6
    assert table.loc["y", ">90":">90"].isna().all()
    assert list(table.columns) == [*pivot.BUCKETS, "Total"]


def test_the_pivot_of_money_keeps_to_one_currency() -> None:
    rows = [
        _aging("x", "0-1", 2, "10.5", "EUR"),
        _aging("x", "0-1", 1, "7", "USD"),
        _aging("y", "0-1", 1, None, "EUR"),
    ]
    assert pivot.ages(rows, "EUR").loc["Total", "Total"] == 10.5
    assert pivot.ages(rows, "USD").loc["x", "0-1"] == 7


def test_cells_open_what_they_count() -> None:
    table = pivot.ages([_aging("x", "0-1", 2), _aging("Total", ">90", 3)], None)
    assert list(table.index) == ["Total", "x", "Total"]
    assert pivot.drill(table, "owner", 1, "0-1") == {"status": "open", "age": "0-1", "team": "x"}
    assert pivot.drill(table, "owner", 0, ">90") == {"status": "open", "age": ">90", "team": "Total"}
    assert pivot.drill(table, "site", 1, "Total") == {"status": "open", "dim": "Site", "seg": "x"}
    assert pivot.drill(table, "expectation", 2, "0-1") == {"status": "open", "age": "0-1"}
