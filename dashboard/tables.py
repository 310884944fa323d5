"""Tables as every page draws them: rows and columns in, formats, dashes and buttons as the values ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import pandas as pd
import streamlit as st

from dashboard import view, words

Row = Mapping[str, Any]
# A column is the name of a value of the row, or what makes one of the row.
Columns = Mapping[str, str | Callable[[Any], Any]]
# Where the button of a row leads: a page and its URL parameters.
Target = tuple[str, dict[str, str]]

_ALARM = "background-color: rgba(207, 75, 63, 0.22)"
# Height of a row at the base font size of the theme.
_ROW_PX = 33


def draw(
    rows: Sequence[Any],
    columns: Columns,
    *,
    alt: str,
    opens: Callable[[Any], Target] | None = None,
    key: str = "",
    alarm: Callable[[Any], bool] | None = None,
    rows_seen: int = 100,
    width: int | Literal["stretch"] = "stretch",
    seconds: bool = False,
    formats: Mapping[str, str] | None = None,
    widths: Mapping[str, int] | None = None,
    select: Callable[[Any], str] | None = None,
    named: Callable[[Any], str] | None = None,
) -> list[Any]:
    """Draws `rows`. With `opens`, each has a button that goes there; `alarm` tints the first column of a row.

    A button in a table cannot be pressed with the keyboard, so a field below the table opens a row by its name: what
    `named` says, else what stands in its first column.

    With `select`, which names a row as it is, rows can be ticked; those that are come back, in the order drawn. When
    other rows are drawn, or one has changed, no tick is left: it would stand at another row.
    Times are shown in UTC and to the minute, or with `seconds`. Nothing of the data is read as markup.
    """
    values = {title: [_value(row, column) for row in rows] for title, column in columns.items()}
    config: dict[Any, Any] = {
        title: _format(title, column, seconds, (formats or {}).get(title), (widths or {}).get(title))
        for title, column in values.items()
    }
    if opens:
        values = {"": ["Open" for _ in rows], **values}
        config[""] = st.column_config.ButtonColumn(
            key=f"open-{key}",
            on_click=_go,
            args=(f"open-{key}", rows, opens),
            type="tertiary",
            pinned=True,
            width=54,
        )
    frame = pd.DataFrame({title: _series(column) for title, column in values.items()})
    picks: dict[str, Any] = {}
    if select:
        names = hashlib.sha256(" ".join(select(row) for row in rows).encode()).hexdigest()[:16]
        picks = {"on_select": "rerun", "selection_mode": "multi-row", "key": f"pick-{key}-{names}"}
    drawn = st.dataframe(
        _tinted(frame, [alarm(row) for row in rows]) if alarm else frame,
        hide_index=True, width=width, height="content" if len(rows) <= rows_seen else _ROW_PX * (rows_seen + 1) + 3, placeholder=words.UNKNOWN,
        column_config={title: how for title, how in config.items() if how is not None}, alt=alt, **picks,
    )  # fmt: skip
    if opens:
        _by_name(rows, opens, named or _first_of(columns), key, alt)
    return [rows[index] for index in drawn["selection"]["rows"] if index < len(rows)] if select else []


def _by_name(
    rows: Sequence[Any], opens: Callable[[Any], Target], named: Callable[[Any], str], key: str, alt: str
) -> None:
    st.selectbox(
        f"Open one by its name: {alt}", range(len(rows)), index=None, key=f"name-{key}", format_func=lambda place: named(rows[place]),
        placeholder="Open one by its name", label_visibility="collapsed", on_change=_go_by_name, args=(f"name-{key}", rows, opens),
    )  # fmt: skip


def _first_of(columns: Columns) -> Callable[[Any], str]:
    """Names a row by what stands in its first column."""
    column = next(iter(columns.values()))

    def name(row: Any) -> str:
        value = _value(row, column)
        return words.UNKNOWN if value is None else str(value)

    return name


def _go_by_name(key: str, rows: Sequence[Any], opens: Callable[[Any], Target]) -> None:
    place = st.session_state[key]
    if place is not None and 0 <= place < len(rows):
        page, parameters = opens(rows[place])
        view.go(page, **parameters)


def _value(row: Any, column: str | Callable[[Any], Any]) -> Any:
    value = row[column] if isinstance(column, str) else column(row)
    return None if value == "" else value


def _series(column: Sequence[Any]) -> Any:
    known = [value for value in column if value is not None]
    if known and all(isinstance(value, datetime) for value in known):
        return pd.to_datetime(pd.Series(column, dtype="object"), utc=True)
    if known and all(isinstance(value, int) for value in known):
        return pd.Series(column, dtype="Int64")
    return pd.Series(column, dtype=None if known else "object")


def _format(title: str, column: Sequence[Any], seconds: bool, form: str | None, width: int | None) -> Any:
    known = [value for value in column if value is not None]
    if known and isinstance(known[0], datetime):
        moment = f"D MMM YYYY, {'HH:mm:ss' if seconds else 'HH:mm'}"
        return st.column_config.DatetimeColumn(f"{title} (UTC)", format=moment, timezone="UTC", width=width)
    if known and isinstance(known[0], int | float):
        return st.column_config.NumberColumn(format=form or "localized", width=width)
    return st.column_config.Column(width=width) if width else None


def _tinted(frame: pd.DataFrame, alarms: Sequence[bool]) -> Any:
    tints = pd.DataFrame("", index=frame.index, columns=frame.columns)
    tints.loc[list(alarms), frame.columns[0]] = _ALARM
    return frame.style.apply(lambda _: tints, axis=None)


def _go(key: str, rows: Sequence[Any], opens: Callable[[Any], Target]) -> None:
    click = st.session_state[key]
    if click and 0 <= click["row"] < len(rows):
        page, parameters = opens(rows[click["row"]])
        view.go(page, **parameters)
