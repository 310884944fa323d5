"""The golden vectors of the measurement contract that these KPIs answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from kpi_world import KNOWN, START, World, day, ends, value

from calendars.model import Calendar
from calendars.table import write_calendars


def twelve_entered(world: World, unknown: int = 0) -> World:
    """2 not due, 1 void, 1 confirmed duplicate, 8 due of 100 each: 5 matched, 1 partial 60, 2 missing.

    Of the matched, `unknown` never arrived and their source is silent.
    """
    due = {"opened_at": day(0), "due_at": day(5), "amount": Decimal(100), "currency": "EUR"}
    for _ in range(2):
        world.expect(**{**due, "due_at": day(50)})
    world.expect(**due, closed_at=day(1), closed_as="voided")
    world.expect(**{**due, "due_at": day(0)}, kind="once", expectation="once")
    for number in range(5):
        if number < unknown:
            world.expect(**due, sources=["silent"])
        else:
            world.expect(**due, closed_at=day(2), closed_as="arrived")
    world.expect("P", **due, kind="tie_out", expectation="tie")
    world.leg("P", True, 100, "tie").leg("P", False, 60, "tie")
    for _ in range(2):
        world.expect(**due)
    return world.watermark(day(40)).write()


def test_twelve_entered_give_their_count_and_value_rate(world: World) -> None:
    figures = twelve_entered(world).figures("K06", as_of=day(10))
    assert value(figures, "eventual", "ratio") == 0.625
    assert value(figures, "value_rate", "ratio") == 0.70
    assert figures["total", "eventual", "ratio"]["n"] == 8
    money = figures["total", "allocated", "EUR"]
    assert (money["numerator"], money["denominator"]) == (Decimal(560), Decimal(800))
    assert value(figures, "immature", "ratio") == pytest.approx(2 / 10)


def test_unknown_items_turn_the_rate_into_an_interval(world: World) -> None:
    figures = twelve_entered(world, unknown=2).figures("K06", as_of=day(10))
    assert ends(figures, "eventual", "ratio") == (0.375, 0.625)
    assert ends(figures, "value_rate", "ratio") == (0.45, 0.70)
    assert ends(figures, "allocated", "EUR") == (360, 560)


def test_twelve_entered_in_the_other_cohort_rates(world: World) -> None:
    twelve_entered(world)
    exceptions = world.figures("K02", as_of=day(10))
    assert value(exceptions, "rate", "ratio") == 3 / 8
    gaps = world.figures("K08", as_of=day(10))
    assert value(gaps, "gap_rate", "ratio") == 2 / 8
    assert value(gaps, "amount", "EUR") == 200
    assert value(world.figures("K73", as_of=day(10)), "coverage", "ratio") == 1


@pytest.mark.parametrize("copies", [1, 4])
def test_open_items_count_in_resolution_time(world: World, copies: int) -> None:
    """Closed after 1, 2, 3, 4 days, open for 10 and 20: the naive median is 2.5, the true one 3.

    Six items are too few to show a percentile; four copies of each have the same curve.
    """
    for _ in range(copies):
        for took in (1, 2, 3, 4):
            world.expect(opened_at=day(19), due_at=day(20), closed_at=day(20 + took), closed_as="arrived")
        for waits in (10, 20):
            world.expect(opened_at=day(0), due_at=day(40 - waits))
    figures = world.watermark(day(40)).write().figures("K12", as_of=day(40))
    assert figures["total", "p50", "hours"]["n"] == 6 * copies
    p50, p75 = figures["total", "p50", "hours"], figures["total", "p75", "hours"]
    if copies == 1:
        assert (p50["value"], p50["low"], p75["value"], p75["low"]) == (None, None, None, None)
    else:
        assert (p50["value"], p50["low"]) == (3 * 24, None)
        assert (p75["value"], p75["low"], p75["high"]) == (None, 20 * 24, None)
    assert value(figures, "open_oldest", "hours") == 20 * 24


@pytest.mark.parametrize("clock", ["sync", "end_to_end", "step"])
def test_latency_of_each_clock_counts_open_items(world: World, clock: str) -> None:
    kpi, unit, hour = {
        "sync": ("K16", "seconds", 3600),
        "end_to_end": ("K17", "hours", 1),
        "step": ("K18", "seconds", 3600),
    }[clock]
    for _ in range(4):
        for took in (1, 2, 3, 4):
            world.expect(
                clock=clock, opened_at=day(20), due_at=day(60), closed_at=day(20 + took), closed_as="arrived"
            )
        for waits in (10, 20):
            world.expect(clock=clock, opened_at=day(40 - waits), due_at=day(60))
        world.expect(
            clock={"sync": "step", "step": "sync", "end_to_end": "sync"}[clock],
            opened_at=day(1),
            due_at=day(2),
        )
    figures = world.write().figures(kpi, as_of=day(40))
    assert value(figures, "p50", unit) == 72 * hour
    assert figures["total", "p95", unit]["low"] == 480 * hour
    assert value(figures, "completed", "count") == 16
    assert value(figures, "open", "count") == 8


def test_a_cohort_cannot_exceed_its_own_size(world: World) -> None:
    """100 due on Monday, matched on Tuesday; 50 due and matched on Tuesday. Matched on a day over due on that
    day would be 300 %."""
    monday, tuesday = day(1), day(2)
    for _ in range(100):
        world.expect(opened_at=day(0), due_at=monday, closed_at=tuesday, closed_as="arrived")
    for _ in range(50):
        world.expect(opened_at=day(0), due_at=tuesday, closed_at=tuesday, closed_as="arrived")
    world.watermark(day(10)).write()
    on_monday = world.figures("K06", as_of=monday, window_start=day(0))
    on_tuesday = world.figures("K06", as_of=tuesday, window_start=monday)
    both = world.figures("K06", as_of=tuesday, window_start=day(0))
    assert value(on_monday, "eventual", "ratio") == 0
    assert (value(on_tuesday, "eventual", "ratio"), on_tuesday["total", "eventual", "ratio"]["n"]) == (1, 50)
    assert (value(both, "eventual", "ratio"), both["total", "eventual", "ratio"]["n"]) == (1, 150)


def test_opposite_variances_do_not_hide_each_other(world: World) -> None:
    for number, actual in enumerate((200, 0)):
        item = f"T{number}"
        world.expect(item, kind="tie_out", expectation="tie", due_at=day(1))
        world.leg(item, True, 100, "tie").leg(item, False, actual, "tie")
    figures = world.watermark(day(9)).write().figures("K07", as_of=day(5))
    assert value(figures, "net", "EUR") == 0
    assert value(figures, "gross", "EUR") == 200
    assert value(figures, "gross_rate", "ratio") == 1


def test_an_accepted_variance_is_measured(world: World) -> None:
    """Quantity 50.00 and price 14.25 apart: the price is tolerated and added up as such."""
    world.expect("Q", kind="tie_out", expectation="quantity", due_at=day(1))
    world.expect("R", kind="tie_out", expectation="price", due_at=day(1), tolerance_pct=Decimal("1.5"))
    world.leg("Q", True, 900, "quantity").leg("Q", False, 950, "quantity")
    world.leg("R", True, "950", "price").leg("R", False, "964.25", "price")
    world.watermark(day(9)).write()
    variance = world.figures("K07", as_of=day(5))
    assert (value(variance, "gross", "EUR"), value(variance, "tolerated", "EUR")) == (64.25, 14.25)
    assert value(world.figures("K73", as_of=day(5)), "tolerance_consumed", "EUR") == 14.25


def test_a_message_sent_three_times_is_one_success_one_retried_item_no_duplicate(world: World) -> None:
    world.rule("once", "once", "bill.sent").event("A", event_id="sent", occurred_at=day(2))
    world.expect(
        "A", clock="end_to_end", due_at=day(5), closed_at=day(2), closed_by="sent", closed_as="arrived",
        failed_at=[day(1), day(1.5)],
    )  # fmt: skip
    world.watermark(day(9)).write()
    success = world.figures("K24", as_of=day(6))
    assert (value(success, "rate", "ratio"), success["total", "rate", "ratio"]["n"]) == (1, 1)
    retries = world.figures("K26", as_of=day(6))
    assert value(retries, "retried", "count") == 1
    assert value(retries, "attempts_per_success", "number") == 3
    duplicates = world.figures("K10", as_of=day(6))
    assert (value(duplicates, "posted", "count"), value(duplicates, "delivered", "count")) == (0, 0)
    failures = world.figures("K25", as_of=day(6))
    assert (value(failures, "items", "count"), value(failures, "attempts", "count")) == (0, 2)


def test_ageing_as_of_a_past_day_does_not_see_what_came_later(world: World) -> None:
    """Due 30 April, ended 30 June, as of 31 May: 31 days, open, whatever is known later."""
    april, may, june = (
        datetime(2026, month, number, tzinfo=UTC) for month, number in ((4, 30), (5, 31), (6, 30))
    )
    world.expect(due_at=april, closed_at=june, closed_as="arrived", amount=Decimal(1000), currency="EUR")
    world.watermark(june).write()
    for known_at in (may, june, KNOWN):
        figures = world.figures("K04", as_of=may, known_at=known_at)
        assert value(figures, "oldest", "days") == 31
        assert value(figures, "amount_31_60", "EUR") == 1000
        assert value(figures, "count_31_60", "count") == 1


def test_evidence_that_came_late_is_told_by_its_known_time(world: World) -> None:
    """Dated 20 May, stored 5 June: open at (31 May, 31 May), closed at (31 May, 10 June)."""
    due, paid, may = (datetime(2026, *md, tzinfo=UTC) for md in ((4, 30), (5, 20), (5, 31)))
    stored = datetime(2026, 6, 5, tzinfo=UTC)
    world.expect("I", due_at=due).expect(
        "I", due_at=due, closed_at=paid, closed_as="arrived", known_at=stored, evidence=2
    )
    world.expectations[1]["opened_by"] = world.expectations[0]["opened_by"]
    world.watermark(KNOWN).write()
    assert value(world.figures("K03", as_of=may, known_at=may), "open", "count") == 1
    assert value(world.figures("K03", as_of=may, known_at=stored + timedelta(days=5)), "open", "count") == 0


def test_an_item_without_a_due_date_of_its_own_still_lands_in_a_bucket(world: World) -> None:
    world.expect(kind="once", opened_at=day(0), due_at=day(0)).watermark(day(1)).write()
    figures = world.figures("K04", as_of=day(100))
    assert value(figures, "count_over_90", "count") == 1


def test_days_across_a_change_of_clocks_are_calendar_days(world: World) -> None:
    """29 March 2026 has 23 hours in much of Europe; ages are counted on the calendar in UTC."""
    world.expect(due_at=datetime(2026, 3, 28, 23, 30, tzinfo=UTC)).watermark(KNOWN).write()
    figures = world.figures("K04", as_of=datetime(2026, 3, 30, 0, 30, tzinfo=UTC))
    assert value(figures, "oldest", "days") == 2


def test_ages_are_those_of_the_dates_and_business_days_of_the_calendar(world: World) -> None:
    """As of Sunday 31 May 20:30 in Los Angeles, 1 June in UTC. Due 30 April: 31 days, of which 20 business days,
    for Memorial Day is none. What has no calendar counts days of UTC, and no business days."""
    evening = datetime(2026, 6, 1, 3, 30, tzinfo=UTC)
    said = {"calendar": "la", "title": "L", "zone": "America/Los_Angeles", "holidays": {"country": "US"}}
    write_calendars(world.store, [Calendar.model_validate(said)], KNOWN)
    world.calendars = ("la",)
    for number in range(20):
        world.expect(f"I{number}", due_at=datetime(2026, 4, 30 - number, 19, tzinfo=UTC), calendar="la")
    world.expect("U", due_at=datetime(2026, 3, 2, 19, tzinfo=UTC)).watermark(KNOWN).write()
    figures = world.figures("K04", as_of=evening)
    assert value(figures, "oldest", "days") == 91
    assert value(figures, "count_31_60", "count") == 20
    assert value(figures, "business_oldest", "days") == 34
    # The tenth of twenty: due 21 April; the eighteenth: 13 April.
    assert value(figures, "business_p50", "days") == 27
    assert value(figures, "business_p90", "days") == 33
    assert figures["total", "business_p50", "days"]["n"] == 20


def test_overdue_items_age_by_the_dates_and_business_days_of_their_calendar(world: World) -> None:
    """As of Monday 5 January 00:30 in Kathmandu, Sunday in UTC. The weekend is none, the 25th and the 1st are off."""
    evening = datetime(2026, 1, 4, 18, 45, tzinfo=UTC)
    closed = [{"date": day, "reason": "Holiday"} for day in ("2025-12-25", "2026-01-01")]
    said = {"calendar": "ktm", "title": "K", "zone": "Asia/Kathmandu", "closures": closed, "weekdays": ["mon", "tue", "wed", "thu", "fri"]}  # fmt: skip
    write_calendars(world.store, [Calendar.model_validate(said)], KNOWN)
    world.calendars = ("ktm",)

    def late(item: str, year: int, month: int, number: int, **columns: Any) -> None:
        due = datetime(year, month, number, 12, tzinfo=UTC)
        world.expect(item, opened_at=due - timedelta(days=1), due_at=due, **columns)

    # Friday 2 January: three days, one of them a business day. On another step the same item is longer late.
    late("A", 2026, 1, 2, calendar="ktm")
    late("B", 2026, 1, 2, calendar="ktm")
    late("B", 2025, 12, 24, calendar="ktm", expectation="billing")
    # Nobody heard of C, whose calendar says: 27 December to 5 January, a Saturday to a Monday.
    late("C", 2025, 12, 27, calendar="ktm", sources=["silent"])
    late("D", 2025, 12, 24)
    # Not due yet.
    late("E", 2026, 1, 5, calendar="ktm")
    world.watermark(KNOWN).write()
    figures = world.figures("K05", as_of=evening)
    # A is 3 days late, B 12, and D by the days of UTC 11.
    counts = {
        measure: (row["value"], row["low"], row["high"])
        for (_, measure, _), row in figures.items()
        if "count_" in measure
    }
    assert len(counts) == 14
    assert {measure: found for measure, found in counts.items() if found != (0, None, None)} == {
        "count_2_3": (1, None, None), "count_8_30": (None, 2, 3),
        "business_count_0_1": (1, None, None), "business_count_4_7": (None, 1, 2),
    }  # fmt: skip
    assert (value(figures, "oldest", "days"), value(figures, "business_oldest", "days")) == (12, 6)
    assert figures["total", "business_oldest", "days"]["n"] == 2
    stuck = world.figures("K21", as_of=evening)
    assert (value(stuck, "oldest", "days"), value(stuck, "business_oldest", "days")) == (12, 6)
    assert stuck["total", "business_oldest", "days"]["n"] == 3


def test_nothing_due_is_no_figure_and_never_0_or_100_percent(world: World) -> None:
    world.expect(opened_at=day(0), due_at=day(90)).watermark(START).write()
    for kpi, figures in world.all_figures(day(1)).items():
        for row in figures.values():
            if row["unit"] in ("ratio", "number", "per_1000") and not row["denominator"]:
                assert (row["value"], row["low"], row["high"]) == (None, None, None), kpi
    assert not any(world.all_figures(START - timedelta(days=1)).values())


def test_what_a_person_resolved_is_resolved_until_it_is_reopened(world: World) -> None:
    for _ in range(25):
        world.expect(due_at=day(10))
    world.watermark(day(90)).write()
    found = world.store.rows(
        "SELECT exception_id FROM exceptions_at(as_of = {t:DateTime64(6, 'UTC')}, known_at = {t:DateTime64(6, 'UTC')})",
        {"t": KNOWN},
    )
    acts = [(row["exception_id"], "resolved", day(12)) for row in found[:24]]
    acts.append((found[0]["exception_id"], "reopened", day(13)))
    rest = {"actor": "a", "owner": "", "reason": "", "note": ""}
    rows = [{"exception_id": id_, "action": what, "at": at, "known_at": at, **rest} for id_, what, at in acts]
    world.store.insert("exceptions", rows)
    assert value(world.figures("K03", as_of=day(20)), "open", "count") == 2
    times = world.figures("K12", as_of=day(20))
    assert value(times, "p50", "hours") == 48
    assert (value(times, "resolved", "count"), value(times, "open", "count")) == (23, 2)


def test_a_voided_item_competes_with_the_resolved_ones(world: World) -> None:
    """Of 40, 20 are voided on the first day: the other 20 ends are half of all, not all."""
    for number in range(40):
        took, how = (1, "voided") if number < 20 else (2, "arrived")
        world.expect(due_at=day(10), closed_at=day(10 + took), closed_as=how)
    times = world.watermark(day(90)).write().figures("K12", as_of=day(20))
    assert value(times, "p50", "hours") == 48
    assert (value(times, "p75", "hours"), times["total", "p75", "hours"]["low"]) == (None, 48)
    assert value(times, "withdrawn", "count") == 20


def test_an_old_open_item_is_in_the_latency_of_a_short_period(world: World) -> None:
    """It enters at the age it had; ends before the period are not looked at."""
    for number in range(30):
        world.expect(opened_at=day(number), due_at=day(99), closed_at=day(number + 2), closed_as="arrived")
    world.expect(opened_at=day(0), due_at=day(99))
    figures = world.write().figures("K18", as_of=day(40), window_start=day(10))
    assert (value(figures, "completed", "count"), value(figures, "open", "count")) == (21, 1)
    assert value(figures, "p50", "seconds") == 2 * 86400
    assert value(figures, "open_oldest", "seconds") == 40 * 86400


def test_a_negative_time_is_kept_and_counted(world: World) -> None:
    for _ in range(30):
        world.expect(opened_at=day(5), due_at=day(9), closed_at=day(4), closed_as="arrived")
    figures = world.write().figures("K18", as_of=day(40))
    assert value(figures, "p50", "seconds") == -86400
    assert value(figures, "negative", "count") == 30
