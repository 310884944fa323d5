"""States, statuses and codes as people meet them: a badge, a name, and one sentence of what it means."""

from __future__ import annotations

from typing import Literal

import streamlit as st

Colour = Literal["red", "orange", "green", "blue", "violet", "gray"]

# Colour and icon of a state, and what it says; the word itself always stands beside.
_STATES: dict[str, tuple[Colour, str, str]] = {
    "MISSING": ("red", "cancel", "What should have come by its due time has not come."),
    "ORPHAN": ("red", "link_off", "It is there, and what it should rest on is not."),
    "MISMATCH": ("red", "difference", "Both sides are there, and they do not agree."),
    "PARTIAL": ("orange", "incomplete_circle", "Only a part has come by its due time."),
    "DUP_CONFIRMED": ("red", "content_copy", "It came again, and nothing took it back."),
    "DUP_SUSPECT": ("orange", "content_copy", "There are several where one is expected: perhaps copies."),
    "UNKNOWN": ("gray", "help", "Nobody can say yet: a source is not complete, or there is more than one way to match it."),
    "MATCHED": ("green", "check_circle", "Both sides agree."),
    "MATCHED_TOL": ("green", "check_circle", "Both sides agree but for a difference that is allowed or was accepted."),
    "NOT_DUE": ("blue", "schedule", "It has not come, and need not have come yet."),
    "IN_FLIGHT": ("blue", "schedule", "It is on its way and not due yet."),
    "REVERSED": ("gray", "undo", "It was taken back."),
    "VOID": ("gray", "block", "It counts no longer."),
    "WRITTEN_OFF": ("gray", "money_off", "It was written off."),
}  # fmt: skip
_STATUSES: dict[str, Colour] = {
    "open": "red",
    "acknowledged": "orange",
    "explained": "blue",
    "waiver_requested": "violet",
    "waived": "gray",
    "resolved": "green",
}
_CODES = {
    "MISSING": "it has not come", "ORPHAN": "nothing stands behind it", "LATE": "it came too late",
    "QTY_OVER": "more than expected", "QTY_UNDER": "less than expected", "PRICE": "another price", "AMOUNT": "another amount",
    "TAX_FREIGHT": "tax or freight differs", "UOM_FACTOR": "no factor for its unit", "FX_RATE": "no rate for its currency",
    "ROUNDING": "a difference of rounding", "DATE_WINDOW": "dated too far apart", "STATUS_DIVERGED": "systems say different states",
    "FIELD_DRIFT": "a field differs", "KEY_UNMAPPED": "its key cannot be read", "KEY_AMBIGUOUS": "several ways to match it",
    "DUP_EVENT": "it happened twice", "DUP_RECORD": "recorded twice", "DUP_SUSPECT": "perhaps a copy", "PARTIAL_OPEN": "a part is still open",
    "REVERSAL_UNPAIRED": "a reversal of nothing", "UNPOSTED": "not posted", "PERIOD_CLOSED": "its period is closed",
    "POLICY_HOLD": "held back by a rule of the site", "TRANSFORM_ERROR": "a value cannot be read", "DELIVERY_FAILED": "it could not be delivered",
    "ACK_MISSING": "nobody confirmed it", "COVERAGE_GAP": "a source was silent", "OVERRIDE": "changed by hand", "UNEXPLAINED": "no cause is known",
    "NO_TRACE": "no trace tells how it came", "NOT_IN_STATE": "the trace says so, the system does not have it",
}  # fmt: skip


def name(state: str) -> str:
    """A state in its own word: `DUP CONFIRMED`."""
    return state.replace("_", " ")


def meaning(state: str) -> str:
    """What a state says, one sentence; empty for one that is not known here."""
    return _STATES[state][2] if state in _STATES else ""


def code_meaning(code: str) -> str:
    """What a code of an exception says, a few words; the code itself for one that is not known here."""
    return _CODES.get(code, code)


def badge(state: str) -> None:
    """A state of the contract as a badge: word, icon, colour, and its meaning as a hint."""
    colour, icon, hint = _STATES.get(state, ("gray", "help", ""))
    st.badge(name(state), icon=f":material/{icon}:", color=colour, help=hint or None)


def status_badge(status: str) -> None:
    """What people did about an exception, as a badge."""
    st.badge(name(status), icon=":material/flag:", color=_STATUSES.get(status, "gray"))
