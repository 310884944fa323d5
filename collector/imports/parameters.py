"""A mapping and its workflow as parameters of the SQL statements: nothing of them is ever SQL text."""

from __future__ import annotations

import re
from typing import Any

from collector.imports.mapping import (
    Amount,
    EventLog,
    KeyColumns,
    Mapping,
    ObjectField,
    Ocel2,
    TimeColumns,
)
from collector.imports.ocel import COLUMNS as OCEL_COLUMNS
from workflows.model import Workflow

Params = dict[str, Any]

_ROLES = {
    "ACTIVITY_EMPTY": "the activity is empty",
    "TIME_EMPTY": "the time is empty",
    "TIME_UNPARSABLE": "no time as the mapping describes it",
    "KEY_EMPTY": "no key of a business object",
    "AMOUNT_UNPARSABLE": "no amount with the decimal mark of the mapping",
    "CURRENCY_UNKNOWN": "no currency of three letters",
    "KEY_REPEATED": "the key stands in the file before, with another state",
}


def required_columns(mapping: Mapping) -> frozenset[str]:
    """Columns without which no row of an event log or state file can be used."""
    part = mapping.events or mapping.state
    if part is None:
        return frozenset()
    found: set[str] = {*part.amount.columns, part.amount.currency_column} if part.amount else set()
    if isinstance(part, EventLog):
        found |= {part.activity, *part.time.columns, *part.identity}
        found |= {column for touched in part.objects for column in touched.parts}
    else:
        found |= {*part.key.parts, *(part.valid_from.columns if part.valid_from else ())}
        found |= {column for link in part.links for column in link.parts}
    return frozenset(found - {""})


def optional_columns(mapping: Mapping) -> frozenset[str]:
    """Columns that are kept where a file has them."""
    if mapping.events:
        log = mapping.events
        return frozenset({log.actor, *log.dims.values(), *log.attributes} - {""})
    if mapping.state:
        state = mapping.state
        return frozenset({*state.fields, *((state.deleted.column,) if state.deleted else ())})
    return frozenset()


def needed_columns(mapping: Mapping) -> frozenset[str] | None:
    """Columns that are read at all; None when the whole row is the identity of an event."""
    if mapping.ocel2:
        return _ocel_columns(mapping.ocel2)
    if mapping.events and not mapping.events.identity:
        return None
    return required_columns(mapping) | optional_columns(mapping)


def _ocel_columns(log: Ocel2) -> frozenset[str]:
    found = {log.actor, *log.attributes}
    for entry in log.objects.values():
        found |= {*entry.fields, *(entry.amount.columns if entry.amount else ())}
    found |= {source.field if isinstance(source, ObjectField) else source for source in log.dims.values()}
    return frozenset(found - {""})


def common(mapping: Mapping) -> Params:
    """Parameters of every statement."""
    kept = required_columns(mapping) | optional_columns(mapping)
    if mapping.ocel2:
        kept = _ocel_columns(mapping.ocel2) | OCEL_COLUMNS
    return {
        "source": mapping.mapping,
        "workflow": mapping.workflow,
        "system": mapping.system,
        "keep_all": mapping.keep_rejected == "whole",
        "kept": sorted(kept),
    }


def of_events(mapping: Mapping, workflow: Workflow) -> Params:
    """Parameters of the statements on the rows of an event log, or of an OCEL log made into one."""
    log = mapping.events or _as_event_log(mapping.ocel2)
    return {
        **common(mapping),
        **_time(log.time),
        **_amount(log.amount),
        **_details(log.activity, log.time, log.objects, log.amount),
        **_selectors(workflow, log.attributes),
        "activity": log.activity,
        "object_types": [touched.type for touched in log.objects],
        "object_roles": [touched.role for touched in log.objects],
        "object_columns": [list(touched.parts) for touched in log.objects],
        "object_separators": [touched.separator for touched in log.objects],
        "object_rules": [rules(touched, workflow, touched.type) for touched in log.objects],
        "linked": mapping.ocel2 is not None,
        "identity": list(log.identity),
        "actor": log.actor,
        "dim_names": list(log.dims),
        "dim_columns": list(log.dims.values()),
        "attributes": list(log.attributes),
    }


def _as_event_log(log: Ocel2 | None) -> EventLog:
    """What the rows look like that `ocel_rows.sql` makes."""
    if log is None:
        raise ValueError("a mapping without 'events' has 'ocel2'")
    dims = {
        name: f"@dim:{name}" if isinstance(source, ObjectField) else source
        for name, source in log.dims.items()
    }
    return EventLog.model_construct(
        activity="ocel_type",
        time=TimeColumns(columns=("ocel_time",), zone=log.zone),
        objects=(),
        identity=("ocel_id",),
        actor=log.actor,
        amount=Amount(column="@amount", currency=log.currency) if log.currency else None,
        dims=dims,
        attributes=log.attributes,
    )


def of_states(mapping: Mapping, workflow: Workflow) -> Params:
    """Parameters of the statements on the rows of a state file."""
    state = mapping.state
    if state is None:
        raise ValueError("the mapping has no 'state'")
    return {
        **common(mapping),
        **_time(state.valid_from),
        **_amount(state.amount),
        **_details("", state.valid_from, (state.key,), state.amount),
        "part": "rows",
        "timed": state.valid_from is not None,
        "several_types": False,
        "types": [state.type],
        "systems": [mapping.system or mapping.mapping],
        "field_lists": [list(state.fields)],
        "amount_lists": [list(state.amount.columns if state.amount else ())],
        "key_columns": list(state.key.parts),
        "key_separator": state.key.separator,
        "key_rules": rules(state.key, workflow, state.type),
        "deleted_column": state.deleted.column if state.deleted else "",
        "deleted_values": list(state.deleted.values) if state.deleted else [],
        "link_types": [link.to for link in state.links],
        "link_roles": [link.role for link in state.links],
        "link_columns": [list(link.parts) for link in state.links],
        "link_separators": [link.separator for link in state.links],
        "link_rules": [rules(link, workflow, link.to) for link in state.links],
    }


def of_ocel(mapping: Mapping, workflow: Workflow) -> Params:
    """Parameters of the statements that make event rows, states and links of an OCEL log."""
    log = mapping.ocel2
    if log is None:
        raise ValueError("the mapping has no 'ocel2'")
    carried = {name: source for name, source in log.dims.items() if isinstance(source, ObjectField)}
    return {
        **common(mapping),
        **_time(TimeColumns(columns=("ocel_time",), zone=log.zone)),
        **_amount(None),
        "ocel_types": list(log.objects),
        "ignored_types": list(log.ignore),
        "known_types": [*log.objects, *log.ignore],
        "types": [entry.type for entry in log.objects.values()],
        "type_rules": [list(workflow.objects[entry.type].key) for entry in log.objects.values()],
        "type_amounts": [
            list(entry.amount.columns if entry.amount else ()) for entry in log.objects.values()
        ],
        "target_roles": list(log.link_targets),
        "target_types": list(log.link_targets.values()),
        "target_rules": [list(workflow.objects[target].key) for target in log.link_targets.values()],
        "amount_events": list(log.event_amount),
        "amount_types": list(log.event_amount.values()),
        "carried_dims": list(carried),
        "carried_types": [source.object for source in carried.values()],
        "carried_fields": [source.field for source in carried.values()],
    }


def of_ocel_states(mapping: Mapping) -> Params:
    """Parameters of the statements on the states that `ocel_states.sql` makes of the objects of a log."""
    log = mapping.ocel2
    if log is None:
        raise ValueError("the mapping has no 'ocel2'")
    objects = log.objects.values()
    default = mapping.system or mapping.mapping
    amount = Amount(column="of its amount", currency=log.currency) if log.currency else None
    empty: list[Any] = []
    return {
        **common(mapping),
        **_time(TimeColumns(columns=("@valid_from",))),
        **_amount(amount),
        **_details("", TimeColumns(columns=("ocel_time",)), (KeyColumns(column="ocel_id"),), amount),
        "part": "state",
        "timed": True,
        "several_types": True,
        "types": [entry.type for entry in objects],
        "systems": [entry.system or default for entry in objects],
        "field_lists": [list(entry.fields) for entry in objects],
        "amount_lists": [list(entry.amount.columns if entry.amount else ()) for entry in objects],
        "key_columns": ["@key"],
        "key_separator": "",
        "key_rules": empty,
        "deleted_column": "",
        "deleted_values": empty,
        "link_types": empty,
        "link_roles": empty,
        "link_columns": empty,
        "link_separators": empty,
        "link_rules": empty,
    }


def rules(key: KeyColumns, workflow: Workflow, object_type: str) -> list[str]:
    """How a key of this file becomes the business key: the file's own cleaning, then that of the workflow."""
    return [*key.key, *workflow.objects[object_type].key]


def _time(time: TimeColumns | None) -> Params:
    if time is None:
        return {"time_columns": [], "time_zone": "UTC", "time_format": "iso", "time_pattern": "%Y"}
    named = time.format == "iso" or time.format.startswith("unix_")
    return {
        "time_columns": list(time.columns),
        "time_zone": time.zone,
        "time_format": time.format if named else "pattern",
        # The engine's name for the minute differs from strftime's.
        "time_pattern": "%Y" if named else time.format.replace("%M", "%i"),
    }


def _amount(amount: Amount | None) -> Params:
    decimal = amount.decimal if amount else "."
    group = r",'\s\p{Z}" if decimal == "." else r".'\s\p{Z}"
    return {
        "amount_columns": list(amount.columns) if amount else [],
        "amount_pattern": _number_pattern(group, re.escape(decimal)),
        "amount_drop": f"[{group}+()-]",
        "amount_point": decimal,
        "currency": (amount.currency or "") if amount else "",
        "currency_column": amount.currency_column if amount else "",
    }


def _number_pattern(group: str, point: str) -> str:
    """An amount as ledgers write it: grouped digits, sign before or after, or parentheses for minus."""
    whole = rf"(?:\d{{1,26}}|\d{{1,3}}(?:[{group}]\d{{3}}){{1,7}})"
    number = rf"(?:{whole}(?:{point}\d{{1,18}})?|{point}\d{{1,18}})"
    return rf"^(?:[+-]?\s?{number}|{number}\s?[+-]|\({number}\))$"


def _details(
    activity: str, time: TimeColumns | None, keys: tuple[KeyColumns, ...], amount: Amount | None
) -> Params:
    """What to say of each reason: the columns concerned and what was expected, never a value."""
    key = ", ".join(column for entry in keys for column in entry.parts)
    columns = {
        "ACTIVITY": activity,
        "TIME": ", ".join(time.columns if time else ()),
        "KEY": key,
        "AMOUNT": ", ".join(amount.columns) if amount else "",
        "CURRENCY": amount.currency_column if amount else "",
    }
    details = {reason: f"column {columns[reason.split('_')[0]]}: {text}" for reason, text in _ROLES.items()}
    return {"reasons": list(details), "details": list(details.values())}


def _selectors(workflow: Workflow, attributes: tuple[str, ...]) -> Params:
    """The selectors in the order of the workflow; tests name their attribute by its place in `tested`."""
    pairs = [(name, step, selector) for name, step in workflow.steps.items() for selector in step.select]
    usable = [
        (name, step, selector) for name, step, selector in pairs if set(selector.where) <= set(attributes)
    ]
    tested = sorted({attribute for _, _, selector in usable for attribute in selector.where})
    return {
        "tested": tested,
        "selector_names": [selector.name for _, _, selector in usable],
        "selector_systems": [selector.system for _, _, selector in usable],
        "selector_tests": [
            [(tested.index(attribute) + 1, value) for attribute, value in selector.where.items()]
            for _, _, selector in usable
        ],
        "selector_steps": [name for name, _, _ in usable],
        "selector_failed": [int(step.failed) for _, step, _ in usable],
    }
