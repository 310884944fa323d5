"""Who may do what through the endpoint: two roles, their limits, and what of the engine they reach."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from store.statement import Facts, Names

READONLY, SETTING_CONSTRAINT_VIOLATION, ACCESS_DENIED = 164, 452, 497


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READS = _words(
    "SelectWithUnionQuery SelectIntersectExceptQuery ShowTablesQuery ShowColumnsQuery ShowIndexesQuery "
    "ShowFunctionsQuery"
) | {
    "DESCRIBE TABLE",
    *(
        f"{verb} {what}"
        for verb in ("EXISTS", "SHOW CREATE")
        for what in ("TABLE", "VIEW", "DICTIONARY", "DATABASE")
    ),
}
# What commands need beside a running tieout: rows in, and rows of a broken or ended run out again.
REMOVES = frozenset({"DeleteQuery", "DROP PARTITION"})
WRITES = REMOVES | {"InsertQuery"}
_EXPLAINS = re.compile(r"EXPLAIN(?: AST| SYNTAX| QUERY TREE| PIPELINE| ESTIMATE)? SelectWithUnionQuery$")

# Everything else that stands behind FROM with brackets is either a view of ours or reaches out of the store.
_TABLE_FUNCTIONS = _words(
    "numbers numbers_mt zeros zeros_mt generate_series generateseries values null view primes"
)
# Functions that read files, call out, write to the log or look into the machine. `ai…` call language models.
_FUNCTIONS = _words(
    "file catboostevaluate showcertificate logtrace getmacro getserversetting getclienthttpheader"
)
# Other system tables show what other people ask, with their values, or how the machine is set up.
_SYSTEM_TABLES = _words(
    """one numbers numbers_mt zeros zeros_mt databases tables columns parts parts_columns projections settings
    data_skipping_indices functions table_functions table_engines formats data_type_families time_zones
    keywords collations aggregate_function_combinators build_options metrics events asynchronous_metrics"""
)
# Formats of network protocols; their writer expects the other end of a connection.
_FORMATS = _words("mysqlwire postgresqlwire avroconfluent")

# Settings of the transport. They mean something to a server; here they are taken and do nothing.
_TRANSPORT = _words(
    """query database user password quota_key query_id session_id session_timeout session_check default_format
    enable_http_compression http_zlib_compression_level wait_end_of_query buffer_size client_protocol_version
    send_progress_in_http_headers http_headers_progress_interval_ms compress decompress role log_comment
    log_queries cancel_http_readonly_queries_on_client_close add_http_cors_header
    http_write_exception_in_output_format"""
)
_SETTINGS = _words(
    """max_execution_time max_memory_usage max_result_bytes max_result_rows max_threads max_block_size
    max_rows_to_read max_bytes_to_read max_rows_to_group_by limit offset extremes final session_timezone
    date_time_input_format date_time_output_format bool_true_representation bool_false_representation
    join_use_nulls join_algorithm group_by_use_nulls union_default_mode transform_null_in cast_keep_nullable
    aggregate_functions_null_for_empty prefer_column_name_to_alias cast_string_to_dynamic_use_inference
    decimal_check_overflow asterisk_include_alias_columns asterisk_include_materialized_columns
    describe_include_subcolumns count_distinct_implementation use_skip_indexes use_query_condition_cache
    short_circuit_function_evaluation query_plan_filter_push_down async_insert
    wait_for_async_insert wait_for_async_insert_timeout materialized_views_ignore_errors
    parallel_view_processing
    throw_on_max_partitions_per_insert_block max_partitions_per_insert_block insert_null_as_default
    insert_deduplicate insert_deduplication_token deduplicate_insert max_insert_block_size
    min_insert_block_size_rows min_insert_block_size_bytes
    deduplicate_blocks_in_dependent_materialized_views"""
)
_SETTING_PREFIXES = ("output_format_", "input_format_", "format_csv_", "format_tsv_", "optimize_")
# These begin alike, but name files to write, or let VALUES call functions.
_NEVER = _words(
    """output_format_schema input_format_record_errors_file_path input_format_values_interpret_expressions
    input_format_values_deduce_templates_of_expressions"""
)


class Role(StrEnum):
    """`reader` may look; `writer` may also insert, delete rows and drop partitions."""

    READER = "reader"
    WRITER = "writer"


@dataclass(frozen=True)
class Limits:
    """What one request of a role may use. A caller may ask for less, never for more."""

    execution_s: float
    memory_bytes: int
    result_bytes: int
    body_bytes: int
    threads: int
    concurrent: int

    def settings(self) -> dict[str, str]:
        """The same in settings of the engine."""
        return {
            "max_execution_time": f"{self.execution_s:g}",
            "max_memory_usage": str(self.memory_bytes),
            "max_result_bytes": str(self.result_bytes),
            "max_threads": str(self.threads),
            "result_overflow_mode": "throw",
            "timeout_overflow_mode": "throw",
            # What chDB switches on for people at a prompt.
            "allow_introspection_functions": "0",
            "implicit_select": "0",
            # Else `VALUES (file('/etc/passwd'))` is a value.
            "input_format_values_interpret_expressions": "0",
            "input_format_values_deduce_templates_of_expressions": "0",
        }

    def caps(self) -> dict[str, float]:
        return {
            "max_execution_time": self.execution_s,
            "max_memory_usage": self.memory_bytes,
            "max_result_bytes": self.result_bytes,
            "max_threads": self.threads,
        }


LIMITS: Mapping[Role, Limits] = {
    Role.READER: Limits(30, 1 << 30, 256 << 20, 4 << 20, 2, 4),
    Role.WRITER: Limits(300, 2 << 30, 256 << 20, 1 << 30, 4, 2),
}


class RefusedError(Exception):
    """A request is turned down by us, with a code of ClickHouse and a text that holds no data."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def asked_settings(role: Role, asked: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """The settings of the request that reach the engine. Raises RefusedError for one that may not change."""
    caps, kept = limits.caps(), {}
    for name, value in asked.items():
        if name in _TRANSPORT:
            continue
        if not _known(name):
            raise RefusedError(SETTING_CONSTRAINT_VIOLATION, f"Setting {_shown(name)} should not be changed")
        if name in caps and not _within(value, caps[name]):
            raise RefusedError(
                SETTING_CONSTRAINT_VIOLATION,
                f"Setting {name} must be above 0 and not above {caps[name]:g} for a {role}",
            )
        kept[name] = value
    return kept


def check(role: Role, facts: Facts, params: Mapping[str, str], known_table_functions: frozenset[str]) -> None:
    """Raises RefusedError unless `role` may run the statement.

    The engine refuses most of this by itself for a reader. These checks also hold for what it lets pass:
    files and URLs through DESCRIBE and scalar functions, INTO OUTFILE, KILL, other people's queries.
    """
    if facts.trouble:
        raise RefusedError(ACCESS_DENIED, facts.trouble)
    _check_kind(role, facts)
    foreign = sorted(facts.table_functions & (known_table_functions - _TABLE_FUNCTIONS))
    calls = sorted(name for name in facts.functions if name in _FUNCTIONS or re.match(r"ai[a-z]+$", name))
    if foreign or calls:
        name = (foreign or calls)[0]
        raise RefusedError(
            ACCESS_DENIED, f"Function {_shown(name)} reaches out of the store and is not served here"
        )
    for parts in facts.tables:
        _check_table(_filled(parts, params))
    database = "".join(_filled(facts.target[:-1], params)).lower()
    if database in ("system", "information_schema"):
        raise RefusedError(ACCESS_DENIED, "The engine's own tables cannot be written")
    if facts.format.lower() in _FORMATS:
        raise RefusedError(ACCESS_DENIED, f"Format {_shown(facts.format)} is not served here")
    outer = {name for name, _ in facts.settings}
    inner = sorted(name for name in facts.inner_settings - outer if not _may_change(name))
    if inner:
        raise RefusedError(SETTING_CONSTRAINT_VIOLATION, f"Setting {_shown(inner[0])} should not be changed")


def check_database(database: str) -> None:
    """Raises RefusedError for a default database whose tables are not for everybody."""
    if database.lower() == "system":
        raise RefusedError(ACCESS_DENIED, "system is not served as default database; write system.<table>")


def _check_kind(role: Role, facts: Facts) -> None:
    if facts.kind in _READS or (facts.kind == "ExplainQuery" and _EXPLAINS.match(facts.explained)):
        return
    if facts.kind in WRITES:
        if role is Role.WRITER:
            return
        raise RefusedError(READONLY, "Cannot execute query in readonly mode; a reader may not write")
    if facts.kind in ("KillQueryQuery", "SystemQuery", "BackupQuery", "SetQuery", "UseQuery", "ExplainQuery"):
        raise RefusedError(ACCESS_DENIED, "This kind of statement is not served here")
    raise RefusedError(
        READONLY, "Cannot execute query in readonly mode; only reading and writing rows are served here"
    )


def _check_table(parts: Names) -> None:
    # A parameter with a dot in it is one name to the engine; taking it apart only refuses more.
    names = [name for part in parts for name in part.split(".")]
    if names and names[0].lower() == "system" and len(names) > 1 and names[1].lower() not in _SYSTEM_TABLES:
        raise RefusedError(ACCESS_DENIED, f"Table system.{_shown(names[1])} is not served here")


def _filled(parts: Names, params: Mapping[str, str]) -> Names:
    return tuple(params.get(part[1:-1], "") if part.startswith("{") else part for part in parts)


def _may_change(name: str) -> bool:
    """Inside a query only what changes shape or meaning, never a limit."""
    return _known(name) and not name.startswith("max_")


def _known(name: str) -> bool:
    return name not in _NEVER and (name in _SETTINGS or name.startswith(_SETTING_PREFIXES))


def _within(value: str, cap: float) -> bool:
    try:
        return 0 < float(value) <= cap
    except ValueError:
        return False


def _shown(name: str) -> str:
    """A name as it may stand in an error: short, and nothing but a name."""
    return re.sub(r"\W", "_", name)[:60]
