"""Public holidays of countries and financial markets, as the `holidays` package knows them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from holidays import (
    HolidayBase,
    country_holidays,
    financial_holidays,
    list_supported_countries,
    list_supported_financial,
)

from calendars.model import FIRST_DAY, LAST_DAY, PublicHolidays
from core.findings import nearest

# The package would otherwise name holidays in the language of the machine, and the same file would be another version.
LANGUAGE = "en_US"
_YEARS = range(FIRST_DAY.year, LAST_DAY.year + 1)


@cache
def public_holidays(source: PublicHolidays) -> HolidayBase:
    """Every holiday of `source` by date, with its name. Raises KeyError for a source with `mistakes`."""
    if any(mistakes(source)):
        raise KeyError(source.country or source.market)
    if source.market:
        found: HolidayBase = financial_holidays(
            source.market, years=_YEARS, observed=source.observed, language=LANGUAGE
        )
        return found
    return country_holidays(
        source.country, subdiv=source.subdivision or None, years=_YEARS, observed=source.observed,
        language=LANGUAGE, categories=_categories(source),
    )  # fmt: skip


def mistakes(source: PublicHolidays) -> Iterator[tuple[str, str, str, str]]:
    """What is wrong with `source`: key, what is wrong, what is allowed, the nearest valid name."""
    if bool(source.country) == bool(source.market):
        yield "country", "holidays are those of either a 'country' or a 'market'", "", ""
        return
    if source.market:
        for key in ("subdivision", "categories"):
            if getattr(source, key):
                yield key, f"a market has no '{key}'; they belong to a country", "", ""
        if source.market not in list_supported_financial():
            yield _unknown("market", source.market, list_supported_financial())
        return
    if source.country not in list_supported_countries():
        yield _unknown("country", source.country, list_supported_countries())
        return
    yield from _country_mistakes(source)


def _country_mistakes(source: PublicHolidays) -> Iterator[tuple[str, str, str, str]]:
    entity = country_holidays(source.country)
    subdivisions = [*entity.subdivisions, *entity.subdivisions_aliases]
    if source.subdivision and source.subdivision not in subdivisions:
        yield _unknown(f"subdivision of {source.country}", source.subdivision, subdivisions, "subdivision")
    for category in source.categories:
        if category not in entity.supported_categories:
            what = f"category of holidays of {source.country}"
            yield _unknown(what, category, entity.supported_categories, "categories")


def _categories(source: PublicHolidays) -> tuple[str, ...] | None:
    """The package takes the named categories instead of the default one, not beside it."""
    if not source.categories:
        return None
    default = country_holidays(source.country).default_category
    return tuple(dict.fromkeys([*([default] if default else []), *source.categories]))


def _unknown(what: str, name: str, known: object, key: str = "") -> tuple[str, str, str, str]:
    names = sorted(str(one) for one in known)  # type: ignore[attr-defined]
    # Hundreds of codes are no help on one line.
    allowed = ", ".join(names) if len(names) <= 60 else "codes like " + ", ".join(sorted(names, key=len)[:8])
    return key or what, f"unknown {what} {name!r}", allowed, nearest(name, names)
