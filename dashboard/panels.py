"""A panel: its title, what it shows or why it shows nothing, and how fresh that is.

The seven states: loading (a skeleton), first run, filtered empty, nothing due, stale, failed, no permission.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import CannotRunError, TieoutError
from dashboard import data, words
from dashboard.view import View
from store.errors import StoreError

# ClickHouse: access denied, readonly. A refused token arrives as StoreUnavailableError.
_FORBIDDEN_CODES = frozenset({164, 497})

_log = logging.getLogger(__name__)


@contextmanager
def panel(
    title: str, view: View | None = None, *, key: str, help_text: str = "", fill: bool = False
) -> Iterator[None]:
    """A bordered panel with a skeleton while its body works; a body that fails leaves the others alone.

    `view` adds the freshness stamp; `fill` makes it as tall as the panel beside it. `title` and `help_text` are
    the dashboard's own words, never data.
    """
    with st.container(border=True, key=f"panel-{key}", height="stretch" if fill else "content"):
        st.subheader(title, anchor=False, help=help_text or None)
        with guarded(key), st.skeleton(height=120):
            yield
        if view:
            stamp(view)


@contextmanager
def guarded(key: str) -> Iterator[None]:
    """What goes wrong inside is said in its place, with a way to try again."""
    try:
        yield
    except TieoutError as error:
        _log.warning("panel %s: %s", key, error)
        failed(error, key)


def failed(error: TieoutError, key: str) -> None:
    """State *failed* or *no permission*: the reason, a retry, and what is not affected."""
    if isinstance(error, StoreError) and error.code in _FORBIDDEN_CODES:
        st.warning(
            "No permission: the dashboard's token may not read this. Ask who runs tieout for a reader token.",
            icon=":material/lock:",
        )
        return
    st.error("This could not be read.", icon=":material/error:")
    st.text(str(error))
    down = isinstance(error, CannotRunError)
    st.caption(
        "Nothing is lost: what arrives is still stored. Every panel that needs the store waits for it."
        if down
        else "Panels that show figures are not affected."
    )
    st.button("Try again", key=f"retry-{key}", icon=":material/refresh:", on_click=data.forget)


def first_run() -> None:
    """State *first run*: nothing has come in yet, with the commands to copy."""
    st.info("No evidence yet. Bring some in, and this page fills itself:", icon=":material/rocket_launch:")
    st.code(
        "tieout import FILE…        # an event log, by the mappings of the project\ntieout probe run NAME",
        language=None,
    )
    st.caption("Or send OpenTelemetry traces to the collector. To look around first, on real data:")
    st.code("tieout demo", language=None)


def filtered_empty(what: str, clear: Callable[[], None], key: str) -> None:
    """State *filtered empty*: there may be some, but not with these filters."""
    st.info(f"No {what} with these filters.", icon=":material/filter_alt_off:")
    st.button("Clear filters", key=f"clear-{key}", on_click=clear)


def nothing_known(view: View) -> None:
    """Before anything had happened or was known: no figure can be given."""
    st.info("Nothing had happened by this time, as far as was known.", icon=":material/history:")
    st.caption(f"As of {words.at(view.as_of)}, as known {words.at(view.known_at)}. Choose a later day.")


def nothing_due(text: str) -> None:
    """State *nothing to reconcile*: good, and said so."""
    st.success(text, icon=":material/check_circle:")


def not_computed(text: str, command: str) -> None:
    """Something that a job makes and has not made yet, with the command that makes it now."""
    st.caption(text)
    st.code(command, language=None)


def stamp(view: View) -> None:
    """How fresh a panel is: V, how far the data goes, K; what is stale is named."""
    through = (
        f"data through {words.at(view.through)}" if view.through else "no source has proven any time complete"
    )
    parts = [f"As of {words.at(view.as_of)}", through, f"known {words.at(view.known_at)}"]
    st.caption(" · ".join(parts))
    if view.stale:
        st.caption(f":orange[:material/warning: {stale_words(view)}]")


def stale_words(view: View) -> str:
    """Which sources are behind V, and what that means."""
    parts = []
    for proof in view.late:
        names = words.listed(list(proof.sources))
        behind = proof.through and words.span(view.as_of - proof.through)
        parts.append(f"{names} {behind} behind" if behind else f"nothing heard from {names}")
    return f"Stale: {'; '.join(parts)}. What fell due since cannot be decided."


def no_amount() -> str:
    """Said where money would stand."""
    return "amount not in source"
