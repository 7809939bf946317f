"""Turns folded templates into forms: for each table the lines of COPY, with slots where every run differs.

Templates are stored and folded in a database of their own by the product's own code, and its rows are read back as
COPY writes them; so a filled form is what receiver and worker would have written, column by column.
"""

import random
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
from bench.templates import BASE_NS, NUMBER, SESSION, USER, Template
from bench.texts import Texts
from psycopg import conninfo, sql

from stepwell_migrations import runner
from stepwell_storage import facts, folding, searching
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.words import words_in

TABLES = ("step_facts", "trace_windows", "execution_keys", "agent_executions")
TIMES = ("start_time", "end_time", "last_activity_at", "earliest", "latest")
ID_COLUMNS = frozenset(
    {"trace_id", "span_id", "parent_span_id", "execution_id", "root_span_id", "step_span_ids", "duplicate_span_ids"}
)
STORED_AT_ONCE = 200
BASE = datetime.fromtimestamp(BASE_NS // 10**9, UTC)
MICROSECOND = timedelta(microseconds=1)
PLACEHOLDER = re.compile(rf"{NUMBER}|{USER}|{SESSION}|slot\d+of\d+")
WORD = re.compile(r"[0-9a-f]{32}|[0-9a-f]{16}")


@dataclass(slots=True)
class Form:
    """One template's rows as format strings, table by table, and what their slots need."""

    lines: dict[str, str] = field(default_factory=dict)
    offsets_us: set[int] = field(default_factory=set)
    span_ids: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    words: frozenset[str] = frozenset()
    """What the run is searched by, placeholders included."""
    execution_id: str = ""
    steps: int = 0

    def fill(self, start_us: int, texts: Texts, chance: random.Random) -> dict[str, str]:
        """The lines of a new run, for each table."""
        trace_id = chance.randbytes(16).hex()
        values = {f"t{offset_us}": _timestamp(start_us + offset_us) for offset_us in self.offsets_us}
        values |= {span_id: chance.randbytes(8).hex() for span_id in self.span_ids}
        values |= {text: texts.text(chance, int(text.partition("of")[2])) for text in self.texts}
        values["trace"] = trace_id
        values[NUMBER] = str(chance.randrange(10**9, 10**10))
        values[USER] = f"user-{int(chance.paretovariate(0.5)) % 50_000}"
        values[SESSION] = f"session-{chance.randrange(200_000)}"
        values["id"] = str(uuid.uuid5(LOCAL_WORKSPACE_ID, self.execution_id % values))
        values["words"] = " ".join(self._words(values))
        return {table: form % values for table, form in self.lines.items()}

    def _words(self, values: Mapping[str, str]) -> frozenset[str]:
        """The words of a run that has these texts."""
        slots = [word for word in self.words if word in values]
        return self.words.difference(slots).union(*(words_in(values[slot]) for slot in slots))

    def add(self, table: str, names: Sequence[str], values: Sequence[str], trace_id: str) -> None:
        """Takes in a row."""
        cells = [self._cell(table, name, value, trace_id) for name, value in zip(names, values, strict=True)]
        self.lines[table] = self.lines.get(table, "") + "\t".join(cells) + "\n"
        self.steps += table == "step_facts"
        if table == "execution_keys":
            self.execution_id = cells[names.index("execution_id")]

    def _cell(self, table: str, name: str, value: str, trace_id: str) -> str:
        """The format of one field."""
        if name in TIMES and value != r"\N":
            offset_us = (datetime.fromisoformat(value) - BASE) // MICROSECOND
            self.offsets_us.add(offset_us)
            return f"%(t{offset_us})s"
        if table == "agent_executions" and name == "id":
            return "%(id)s"
        if name == "words":
            self.words = frozenset(value.split())
            return "%(words)s"

        def slot(match: re.Match[str]) -> str:
            found = match.group()
            if found.startswith("slot"):
                self.texts.add(found)
            elif WORD.fullmatch(found):
                if found == trace_id:
                    return "%(trace)s"
                self.span_ids.add(found)
            return f"%({found})s"

        value = PLACEHOLDER.sub(slot, value.replace("%", "%%"))
        return WORD.sub(slot, value) if name in ID_COLUMNS else value


async def make_forms(url: str, templates: Sequence[Template]) -> tuple[dict[str, str], list[Form]]:
    """For each table its COPY statement, and for each template its form."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE DATABASE templates")
        try:
            return await _fold_and_read(_renamed(url), templates)
        finally:
            server.execute("DROP DATABASE templates WITH (FORCE)")


def _renamed(url: str) -> str:
    name = conninfo.conninfo_to_dict(url)["dbname"]
    return url.replace(f"/{name}?", "/templates?", 1)


async def _fold_and_read(url: str, templates: Sequence[Template]) -> tuple[dict[str, str], list[Form]]:
    runner.migrate(url)
    async with await connect(url) as connection:
        for start in range(0, len(templates), STORED_AT_ONCE):
            steps = [step for template in templates[start : start + STORED_AT_ONCE] for step in template.steps]
            async with connection.transaction():
                await facts.insert_facts(connection, {LOCAL_WORKSPACE_ID: steps})
            for batch in folding.batches(await folding.waiting(connection)):
                await folding.fold(connection, batch)
        await searching.read_words(connection, rested=timedelta(0))
        forms = {template.steps[0].trace_id.hex(): Form() for template in templates}
        copies = {table: await _read_table(connection, table, forms) for table in TABLES}
    return copies, list(forms.values())


async def _read_table(connection: psycopg.AsyncConnection, table: str, forms: dict[str, Form]) -> str:
    source, names = sql.Identifier("analytics", table), await _columns(connection, table)
    listed = sql.SQL(", ").join(map(sql.Identifier, names))
    read = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(listed, source)
    async with connection.cursor() as cursor, cursor.copy(read) as copy:
        text = b"".join([bytes(block) async for block in copy]).decode()
    for line in text.splitlines():
        values = line.split("\t")
        trace_id = values[names.index("trace_id")].removeprefix(r"\\x")
        forms[trace_id].add(table, names, values, trace_id)
    return sql.SQL("COPY {} ({}) FROM STDIN").format(source, listed).as_string(connection)


async def _columns(connection: psycopg.AsyncConnection, table: str) -> list[str]:
    cursor = await connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''"
        " AND NOT attisdropped ORDER BY attnum",
        (f"analytics.{table}",),
    )
    return [name for (name,) in await cursor.fetchall()]


def _timestamp(time_us: int) -> str:
    return f"{_second(time_us // 1_000_000)}.{time_us % 1_000_000:06d}+00"


_seconds: dict[int, str] = {}


def _second(second: int) -> str:
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) > 100_000:
            _seconds.clear()
        text = _seconds[second] = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return text
