"""Spans of a dialect that nobody described: HTTP, databases, plain functions, and agents as far as words tell.

Instrumentations agree on few names but on many words: a span kind or type of ``llm``, ``tool`` or ``agent``, keys that
end in ``prompt_tokens``, ``model_name`` or ``session_id``. What these words say is read here; what they do not say
stays a step of the run that holds it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    FUNCTION,
    GUARDRAIL,
    HANDOFF,
    RERANK,
    RETRIEVAL,
    TOOL,
    WORKFLOW,
    Dialect,
    Kind,
)
from stepwell_receiver.wire import Attributes, Scope, Span, Value
from stepwell_storage.model import Role

HTTP: Final = Kind(Role.OTHER, "http")
DATABASE: Final = Kind(Role.OTHER, "database")

_HTTP_KEYS: Final = ("http.request.method", "http.method")
_DATABASE_KEYS: Final = ("db.system.name", "db.system")

_KINDS_OF_WORDS: Final[Mapping[str, Kind]] = {
    "agent": AGENT,
    "agentrun": AGENT,
    "invokeagent": AGENT,
    "workflow": WORKFLOW,
    "workflowrun": WORKFLOW,
    "crew": WORKFLOW,
    "team": WORKFLOW,
    "flow": WORKFLOW,
    "llm": CHAT,
    "llmcall": CHAT,
    "model": CHAT,
    "modelcall": CHAT,
    "chatmodel": CHAT,
    "chat": CHAT,
    "generation": CHAT,
    "completion": CHAT,
    "tool": TOOL,
    "toolcall": TOOL,
    "toolexecution": TOOL,
    "functioncall": TOOL,
    "embedding": EMBEDDINGS,
    "embeddings": EMBEDDINGS,
    "embedder": EMBEDDINGS,
    "retriever": RETRIEVAL,
    "retrieval": RETRIEVAL,
    "reranker": RERANK,
    "rerank": RERANK,
    "guardrail": GUARDRAIL,
    "handoff": HANDOFF,
    "chain": CHAIN,
}
"""The words for kinds of work, lower case and without what joins their parts."""

_MEANINGS: Final = (
    (
        "kind",
        re.compile(r"(?:^|[._])(?:span|run|observation|entity|action|node|step)[._]?(?:kind|type)$|\boperation\.name$"),
    ),
    ("gen_ai.usage.input_tokens", re.compile(r"usage\b.*\b(?:prompt|input)[._]?tokens$|^(?:prompt|input)[._]tokens$")),
    (
        "gen_ai.usage.output_tokens",
        re.compile(r"usage\b.*\b(?:completion|output)[._]?tokens$|^(?:completion|output)[._]tokens$"),
    ),
    ("gen_ai.request.model", re.compile(r"(?:^|[._])model(?:[._]?(?:name|id))?$")),
    ("gen_ai.response.finish_reasons", re.compile(r"(?:^|[._])finish[._]?reasons?$")),
    ("gen_ai.tool.name", re.compile(r"(?:^|[._])tool[._]?(?:call[._])?name$")),
    ("gen_ai.agent.name", re.compile(r"(?:^|[._])agent[._]?name$|^entity[._]name$")),
    ("session.id", re.compile(r"^(?!mcp\.).*\bsession[._]?id$|^session[._]?id$")),
    ("gen_ai.conversation.id", re.compile(r"(?:^|[._])(?:conversation|thread)[._]?id$(?<!^thread\.id)")),
    ("user.id", re.compile(r"(?:^|[._])user[._]?id$")),
    ("stepwell.input", re.compile(r"(?:^|[._])(?:input|inputs|prompt|messages)(?:[._]value)?$")),
    ("stepwell.output", re.compile(r"(?:^|[._])(?:output|outputs|response|result)(?:[._]value)?$")),
)
"""What the end of a key means, by the name under which the other dialects know it. ``thread.id`` is a thread's."""

_OF_MODELS: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")


def kind(span: Span, scope: Scope) -> Kind:
    """By the word that a span kind or type says, else by OpenTelemetry's HTTP and database conventions.

    A span with a model and its tokens is a call of it, whatever it calls itself.
    """
    attributes = span.attributes
    if any(key in attributes for key in _DATABASE_KEYS):
        return DATABASE
    if any(key in attributes for key in _HTTP_KEYS):
        return HTTP
    meant = _meant(attributes)
    said = values.as_text(meant.get("kind"))
    known = _KINDS_OF_WORDS.get(re.sub(r"[\W_]", "", said.lower())) if said else None
    if known is not None:
        return known
    if "gen_ai.request.model" in meant and any(key in meant for key in _OF_MODELS):
        return EMBEDDINGS if "embed" in span.name.lower() else CHAT
    return FUNCTION


def derived(span: Span) -> Attributes:
    """What the keys' words mean, under the names that are known; nothing of spans that are no agent's."""
    meant = _meant(span.attributes)
    told = {key: value for key, value in meant.items() if key != "kind" and key not in span.attributes}
    return told if meant.get("kind") is not None or any(key in meant for key in _OF_MODELS) else {}


def _meant(attributes: Attributes) -> dict[str, Value]:
    meant: dict[str, Value] = {}
    for key in attributes:
        name = _meaning(key)
        if name is not None and attributes[key] not in (None, "") and _comes_first(key, name, meant, attributes):
            meant[name] = attributes[key]
    return meant


def _comes_first(key: str, name: str, meant: Mapping[str, Value], attributes: Attributes) -> bool:
    """Of several keys that mean the same, one that tells a known kind of work, else the first in the alphabet."""
    if name not in meant:
        return True
    if name != "kind":
        return key == min(other for other in attributes if _meaning(other) == name)
    return "span" in key


@lru_cache(maxsize=4096)
def _meaning(key: str) -> str | None:
    spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    return next((name for name, pattern in _MEANINGS if pattern.search(spelled)), None)


DIALECT: Final = Dialect(
    name="generic",
    kind=kind,
    fields={"session_id": ("session.id",), "user_id": ("user.id", "enduser.id")},
    derive=derived,
)
