"""Who sells a model, and under which entry of the price list: from the names on the wire to a model of `genai_prices`.

A provider's name on a span may be a vendor, a gateway, a cloud or the framework that wrote the span; a model's name may
carry its route (``bedrock/…``), its author (``openai/…``), a region or a date. What this module does not recognize has
no price: a wrong price is worse than none.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from genai_prices.data import providers
from genai_prices.types import ModelInfo

_LISTS: Final = {provider.id: provider for provider in providers}

UNLISTED: Final = ""
"""Runs on one's own machines or at a vendor whose prices are not listed."""

SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("openai",),
    "azure": (
        *("azure", "azure.ai.openai", "azure.ai.inference", "az.ai.openai", "az.ai.inference"),
        *("azure-openai", "azureopenai", "azure-ai", "azure-ai-inference"),
    ),
    "anthropic": ("anthropic",),
    "aws": ("aws.bedrock", "aws", "aws-bedrock", "bedrock", "bedrock-converse", "amazon-bedrock", "amazon"),
    "google": (
        *("gcp.gemini", "gcp.vertex-ai", "gcp.gen-ai", "google", "gemini", "vertex-ai", "vertexai", "vertex"),
        *("google-genai", "google-gla", "google-vertex", "google-vertexai", "google-generativeai"),
    ),
    "mistral": ("mistral-ai", "mistral", "mistralai"),
    "groq": ("groq",),
    "deepseek": ("deepseek",),
    "cohere": ("cohere", "cohere-chat"),
    "x-ai": ("x-ai", "xai"),
    "perplexity": ("perplexity",),
    "moonshotai": ("moonshot-ai", "moonshotai", "moonshot"),
    "together": ("together", "together-ai", "togetherai"),
    "fireworks": ("fireworks", "fireworks-ai"),
    "cerebras": ("cerebras",),
    "openrouter": ("openrouter",),
    "voyageai": ("voyageai", "voyage"),
    UNLISTED: (
        *("ibm.watsonx.ai", "ibm", "watsonx", "ollama", "ollama-chat", "vllm", "hosted-vllm", "lmstudio", "lm-studio"),
        *("llama.cpp", "llama-cpp", "llamacpp", "transformers", "huggingface", "hugging-face", "replicate"),
        *("sagemaker", "aws.sagemaker", "databricks", "snowflake", "cloudflare", "github", "github-copilot", "copilot"),
    ),
}
"""Price list → how its provider is called on the wire (lower case, ``-`` for ``_`` and blanks)."""

_VENDORS: Final = {spelling: vendor for vendor, spellings in SPELLINGS.items() for spelling in spellings}

_ROUTES: Final = frozenset(
    (
        *("azure", "azure-ai", "bedrock", "gemini", "vertex-ai", "mistral", "groq", "xai", "perplexity", "cohere"),
        *("cohere-chat", "moonshot", "together-ai", "fireworks-ai", "cerebras", "openrouter", "voyage"),
    )
)
"""Prefixes of a model's name by which gateways tell where a call goes. ``deepseek/`` is none: it is an author, too,
whose open models others run at prices of their own."""

_AUTHORS: Final = frozenset(("openai", "anthropic", "google", "x-ai"))
"""Prefixes that tell who made a model; these sell theirs at one price, whichever gateway passes the call on."""

_BEDROCK: Final = re.compile(
    r"(?:^|[./])(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|moonshotai|openai|qwen|zai)\.[a-z]"
)
_OWN_NAMES: Final = (
    (_BEDROCK, "aws"),
    (re.compile(r"^(?:(?:ft:)?gpt-|chatgpt-|codex-mini|o\d(?:$|-)|text-embedding-(?:3|ada)-)"), "openai"),
    (re.compile(r"^claude-"), "anthropic"),
    (re.compile(r"^gemini-"), "google"),
    (re.compile(r"^grok-"), "x-ai"),
)
"""Names of models that only their maker sells. Those of open models say nothing of who runs them."""

_RESELLERS: Final = (None, "openai", "azure", "google")
"""Whose calls may go to models of other makers at the maker's price: unknown providers and two clouds; and gateways are
mostly called through OpenAI's client."""

_OPEN_MODEL: Final = "gpt-oss"
"""Listed with OpenAI, which does not sell it."""

_DATE: Final = re.compile(r"[-@]20\d\d(?:-(?:0[1-9]|1[0-2])-[0-3]\d|(?:0[1-9]|1[0-2])[0-3]\d)$")


def find(model: str, requested_model: str | None, provider: str | None) -> ModelInfo | None:
    """The price list's model; ``None`` where it is not certain.

    Args:
        model: the model that answered, else the one that was asked for.
        requested_model: the model that was asked for, where a span tells both.
        provider: whatever the span calls its provider.
    """
    vendor = _vendor_of(provider)
    if vendor == UNLISTED:
        return None
    names = _names(model.lower(), requested_model.lower() if requested_model else None)
    return next((found for name in names if (found := _listed(vendor, name)) is not None), None)


def _vendor_of(provider: str | None) -> str | None:
    """The price list behind a provider's name; ``None`` where the name says nothing, as a framework's does not."""
    if provider is None:
        return None
    name = _normalized(provider)
    vendor = _VENDORS.get(name)
    return _VENDORS.get(name.partition(".")[0]) if vendor is None else vendor


def _normalized(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")


def _names(model: str, requested: str | None) -> Iterator[str]:
    """The names to look up, best first: as told, as asked for, without its date.

    Of a call through Bedrock the name that was asked for tells the region, on which the price depends. Another model
    than the one that was asked for is priced by its own name alone.
    """
    if requested and _BEDROCK.search(requested):
        yield requested
    yield model
    if requested and _family(requested) == _family(model):
        yield requested
    yield _DATE.sub("", model)


def _family(name: str) -> str:
    return _DATE.sub("", name.rpartition("/")[2])


def _listed(vendor: str | None, name: str) -> ModelInfo | None:
    found = _sold_by(vendor, name) if vendor else None
    return _by_name(name) if found is None and vendor in _RESELLERS else found


def _sold_by(vendor: str, name: str) -> ModelInfo | None:
    if _OPEN_MODEL in name and vendor in ("openai", "azure"):
        return None
    spellings = [name, name.rpartition("models/")[2]]
    prefix, slash, rest = name.partition("/")
    if slash and _VENDORS.get(_normalized(prefix)) == vendor:
        spellings.append(rest)
    for spelling in dict.fromkeys(spellings):
        found = _LISTS[vendor].find_model(spelling)
        if found is not None:
            return found
    return None


def _by_name(name: str) -> ModelInfo | None:
    """By the route, the author or the maker that the name itself tells."""
    name = name.removeprefix("models/")
    prefix, slash, rest = name.partition("/")
    if slash and _normalized(prefix) in _ROUTES:
        return _listed(_VENDORS[_normalized(prefix)], rest)
    if slash and prefix in _AUTHORS:
        name = rest
    return next((_sold_by(vendor, name) for pattern, vendor in _OWN_NAMES if pattern.search(name)), None)
