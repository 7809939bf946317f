"""Settings that the serving processes share; the command line fills them from options and ``STEPWELL_*``.

Every field is documented in ``docs/settings.md``, which a test compares with this class.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a serving process needs to know. Sizes are bytes, times seconds; port 0 picks a free port."""

    database_url: str
    """libpq URL of the database, as psycopg takes it (``postgresql://…``)."""
    data_dir: Path | None = None
    """Folder of the embedded PostgreSQL; ``None`` where a database URL was given."""
    timescale: bool = True
    """Whether a new database uses TimescaleDB Community where the server has it."""
    host: str = "127.0.0.1"
    port: int = 8080
    otlp_http_port: int = 4318
    otlp_grpc_port: int = 4317
    receivers: int = 1
    """Receivers that share the two OTLP ports of this machine."""
    auth: bool = False
    public_url: str = ""
    """Where browsers reach the API and the dashboard, if something that speaks TLS stands before them."""
    allowed_hosts: str = ""
    """Names beside this machine's own by which it may be reached without authentication; separated by commas."""
    cors_origins: str = ""
    """Origins whose pages may use the API and send OTLP; separated by commas."""
    oidc_issuer: str = ""
    """Issuer of the OpenID provider by which people sign in."""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_groups_claim: str = "groups"
    """Where ID tokens tell a person's groups; dots lead into objects."""
    redact: str = "secrets"
    """What is masked on arrival: sets of rules, separated by commas, or ``none``; workspaces may say otherwise."""
    tls_cert: Path | None = None
    """PEM file with the certificate of this host and its chain; with it all ports speak TLS alone."""
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """PEM file with the authorities whose certificates senders have to show on OTLP's ports."""
    session_lifetime_s: float = 43200.0
    """How long signing in to the dashboard lasts."""
    log_level: str = "info"
    log_format: str = "text"
    stale_after_s: float = 1800.0
    """A run with no sign of life for this long becomes ``timeout``."""
    keep: str = "agents"
    """``agents`` drops traces without any agent, model or tool activity after a while; ``all`` keeps them."""
    drop_after_s: float = 3600.0
    """How long such a trace waits for an agent's span before it is dropped."""
    max_request_bytes: int = 64 * 1024 * 1024
    """Decompressed size of one OTLP request; also the bound while decompressing."""
    max_attribute_bytes: int = 1024 * 1024
    """Longer attribute values are cut, and the step is flagged ``attribute_cut``."""
    max_queued_bytes: int = 64 * 1024 * 1024
    """Decoded requests waiting for their commit; beyond it, 503 / UNAVAILABLE."""
    max_queued_spans: int = 50_000
    """The same bound on their number: small spans take more memory than bytes."""
    max_key_share: float = 0.5
    """The part of both that one API key may fill when it is alone; with others it is less."""
    secret_key: str | None = field(default=None, repr=False)
    """The secrets of webhooks are derived by it; ``None``: from the database alone."""
    webhook_allow: str | None = None
    """Networks that are not public and that webhooks may reach all the same, with commas between."""
    suggest_min_executions: int = 50
    """Runs of an agent in a window below which nothing is suggested."""
    suggest_min_group: int = 30
    """Runs, or calls, in each group that is compared for a suggestion."""
    suggest_false_discovery_rate: float = 0.01
    """The part of all suggestions that may be chance."""
