"""What came in, counted: see `stepwell_storage.ledger`."""

from sqlalchemy import BigInteger, Column, Identity, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import BYTEA, UUID

from stepwell_storage.schema.columns import TIME, key, metadata, required

ledger_entries = Table(
    "ledger_entries",
    metadata,
    key("workspace_id", UUID()),
    Column("entry_id", BigInteger(), Identity(always=True), primary_key=True),
    *[required(name, Text()) for name in ("key_id", "signal", "outcome", "reason")],
    required("hour", TIME),
    required("amount", Numeric()),
)

ledger_hours = Table(
    "ledger_hours",
    metadata,
    key("workspace_id", UUID()),
    key("hour", TIME),
    *[key(name, Text()) for name in ("key_id", "signal", "outcome", "reason")],
    required("amount", Numeric()),
)

trace_findings = Table(
    "trace_findings",
    metadata,
    key("workspace_id", UUID()),
    key("trace_id", BYTEA()),
    key("hour", TIME),
    *[key(name, Text()) for name in ("key_id", "outcome")],
    required("amount", Numeric()),
)
