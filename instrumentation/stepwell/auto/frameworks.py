"""The table: which frameworks there are, and in which order of preference they are instrumented.

An order rests on what captures of the same runs told (docs/frameworks.md). A framework's own telemetry comes first
where it tells as much as the others: it needs nothing installed and moves with the framework.
docs/auto-instrumentation.md shows the table to users, and a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

OWN = "its own"
OPENINFERENCE = "OpenInference"
OPENLLMETRY = "OpenLLMetry"
OPENTELEMETRY = "OpenTelemetry"
SWITCHES = "stepwell.auto.switches"
Kind: TypeAlias = Literal["agents", "model", "protocol"]


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """One way to have a framework report itself."""

    source: str
    """Who made it."""
    package: str | None = None
    """The distribution to install; None for what the framework brings along."""
    switch: str | None = None
    """A function of ours to call, as ``module:name``. None: the package's instrumentors, or nothing at all."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set before the framework is imported, unless the program's environment has them."""
    since: int = 0
    """The first major version of the framework that it is for."""
    before: int | None = None
    """The first major version that it is no longer for."""
    tells_model_calls: bool = True
    """Whether it reports the framework's model calls, so that those of the model's SDK would be the same again."""
    mutes: tuple[str, ...] = ()
    """Beginnings of scopes that report the same, and have no switch of their own."""

    def fits(self, version: str) -> bool:
        """Whether it is for this version of the framework; an odd version is taken for the newest."""
        major = version.partition(".")[0]
        if not major.isdecimal():
            return self.before is None
        return int(major) >= self.since and (self.before is None or int(major) < self.before)


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework for agents, a model's SDK, or a protocol that agents speak."""

    name: str
    distributions: tuple[str, ...]
    """Distributions that bring it, the one whose version counts first."""
    module: str
    """What a program imports of it first; everything else of it comes after."""
    instrumentations: tuple[Instrumentation, ...]
    """In order of preference."""
    reason: str
    """Why they are in this order."""
    callers: tuple[str, ...] = ()
    """Beginnings of the names of modules that call model SDKs for it, beyond `module`."""
    kind: Kind = "agents"
    """A model's SDK is what others build on: its spans are left out where a framework reports the same call."""


_CONTENT_ON_SPANS = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
}
"""OpenTelemetry's own two settings for prompts and answers; else they come apart from the spans, or not at all."""


def _openinference(name: str, *, tells_model_calls: bool = True, mutes: tuple[str, ...] = ()) -> Instrumentation:
    package = f"openinference-instrumentation-{name}"
    return Instrumentation(OPENINFERENCE, package, tells_model_calls=tells_model_calls, mutes=mutes)


def _openllmetry(
    name: str, *, tells_model_calls: bool = True, before: int | None = None, mutes: tuple[str, ...] = ()
) -> Instrumentation:
    package = f"opentelemetry-instrumentation-{name}"
    return Instrumentation(OPENLLMETRY, package, tells_model_calls=tells_model_calls, before=before, mutes=mutes)


def _opentelemetry(name: str) -> Instrumentation:
    return Instrumentation(OPENTELEMETRY, f"opentelemetry-instrumentation-{name}", environment=_CONTENT_ON_SPANS)


def _own(switch: str | None = None) -> Instrumentation:
    return Instrumentation(OWN, switch=f"{SWITCHES}:{switch}" if switch else None)


_SEMANTIC_KERNEL = "SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS"

AGENT_FRAMEWORKS = (
    Framework(
        "pydantic-ai",
        ("pydantic-ai-slim", "pydantic-ai"),
        "pydantic_ai",
        (_own("instrument_pydantic_ai"),),
        "its own tells agents, tools, model calls and their content",
    ),
    Framework(
        "LangChain, LangGraph",
        ("langchain-core",),
        "langchain_core",
        (_openinference("langchain"), _openllmetry("langchain")),
        "both tell all; OpenLLMetry adds spans for middleware and agents that are only made",
        callers=("langchain", "langgraph"),
    ),
    Framework(
        "OpenAI Agents",
        ("openai-agents",),
        "agents",
        (_openinference("openai-agents"), _openllmetry("openai-agents")),
        "OpenLLMetry tells no tokens through chat completions, and no guardrail that tripped",
    ),
    Framework(
        "CrewAI",
        ("crewai",),
        "crewai",
        (_openinference("crewai", tells_model_calls=False), _openllmetry("crewai", tells_model_calls=False)),
        "OpenLLMetry tells no tools; model calls come from the model's SDK with either",
    ),
    Framework(
        "smolagents",
        ("smolagents",),
        "smolagents",
        (_openinference("smolagents"),),
        "the only one that was compared",
    ),
    Framework(
        "LlamaIndex",
        ("llama-index-core",),
        "llama_index.core",
        (_openinference("llama-index"), _openllmetry("llamaindex", tells_model_calls=False)),
        "through OpenLLMetry a run that raised has no end",
        callers=("llama_index",),
    ),
    Framework(
        "Strands",
        ("strands-agents",),
        "strands",
        (_own(),),
        "its own tells all as soon as there is a tracer provider, so that any other would tell it again",
    ),
    Framework(
        "Google ADK",
        ("google-adk",),
        "google.adk",
        (Instrumentation(OWN, environment=_CONTENT_ON_SPANS),),
        "its own tells all as soon as there is a tracer provider; two settings add prompts and answers",
    ),
    Framework(
        "Microsoft Agent Framework",
        ("agent-framework-core", "agent-framework"),
        "agent_framework",
        (_own("instrument_agent_framework"),),
        "its own tells agents, tools, model calls and their content",
        callers=("agent_framework",),
    ),
    Framework(
        "AutoGen AgentChat",
        ("autogen-agentchat",),
        "autogen_agentchat",
        (
            _openinference("autogen-agentchat", mutes=("autogen-core", "autogen SingleThreadedAgentRuntime")),
            Instrumentation(OWN, tells_model_calls=False),
        ),
        "its own tells no model calls and gives each agent of a team a trace of its own",
        callers=("autogen_ext", "autogen_core"),
    ),
    Framework(
        "Semantic Kernel",
        ("semantic-kernel",),
        "semantic_kernel",
        (Instrumentation(OWN, environment={_SEMANTIC_KERNEL: "true", f"{_SEMANTIC_KERNEL}_SENSITIVE": "true"}),),
        "its own tells agents, tools, model calls and their content, by two settings",
    ),
    Framework(
        "Haystack",
        ("haystack-ai",),
        "haystack",
        (
            Instrumentation(OWN, "opentelemetry-haystack", f"{SWITCHES}:instrument_haystack", since=3),
            Instrumentation(OWN, switch=f"{SWITCHES}:instrument_haystack", before=3),
            _openinference("haystack"),
        ),
        "its own names tools and tells failures that the model is told; OpenInference does not",
        callers=("haystack_integrations",),
    ),
    Framework(
        "DSPy",
        ("dspy",),
        "dspy",
        (_openinference("dspy", tells_model_calls=False),),
        "the only one that was compared; tokens come with the spans of LiteLLM, with its own engine not at all",
    ),
    Framework("agno", ("agno",), "agno", (_openinference("agno"),), "the only one that was compared"),
    Framework("BeeAI", ("beeai-framework",), "beeai_framework", (_openinference("beeai"),), "the only one"),
    Framework(
        "Claude Agent SDK",
        ("claude-agent-sdk",),
        "claude_agent_sdk",
        (_openinference("claude-agent-sdk"),),
        "the only one",
    ),
    Framework(
        "MCP",
        ("mcp",),
        "mcp",
        (
            Instrumentation(OWN, since=2, tells_model_calls=False),
            _openllmetry("mcp", tells_model_calls=False, before=2),
        ),
        "from version 2 on it tells its calls itself as soon as there is a tracer provider",
        kind="protocol",
    ),
)

_AS_OPENAI = "not compared; in the order of OpenAI's"
_MISTRAL_OWN = ("mistralai_sdk_tracer",)

MODEL_SDKS = (
    Framework(
        "LiteLLM",
        ("litellm",),
        "litellm",
        (_openinference("litellm"),),
        "the only one",
        kind="model",
    ),
    Framework(
        "OpenAI",
        ("openai",),
        "openai",
        (_openinference("openai"), _openllmetry("openai"), _opentelemetry("openai-v2")),
        "OpenTelemetry's own tells prompts and answers only from some versions on, by two settings",
        kind="model",
    ),
    Framework(
        "Anthropic",
        ("anthropic",),
        "anthropic",
        (
            Instrumentation(OWN, environment={"ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content"}, since=2),
            _openinference("anthropic"),
            _openllmetry("anthropic"),
        ),
        "from version 2 on it tells its calls itself as soon as there is a tracer provider",
        kind="model",
    ),
    Framework(
        "Google GenAI",
        ("google-genai",),
        "google.genai",
        (_openinference("google-genai"), _opentelemetry("google-genai")),
        "OpenTelemetry's own tells prompts and answers only from some versions on, by two settings",
        kind="model",
    ),
    *(
        Framework(name, (distribution,), module, instrumentations, reason, kind="model")
        for name, distribution, module, instrumentations, reason in (
            (
                "Amazon Bedrock",
                "boto3",
                "botocore",
                (_openinference("bedrock"), _openllmetry("bedrock")),
                "both tell the same",
            ),
            (
                "Mistral",
                "mistralai",
                "mistralai",
                (
                    _openinference("mistralai", mutes=_MISTRAL_OWN),
                    _openllmetry("mistralai", before=2, mutes=_MISTRAL_OWN),
                ),
                "its own tells neither prompts nor answers, and is left out",
            ),
            ("Groq", "groq", "groq", (_openinference("groq"), _openllmetry("groq")), _AS_OPENAI),
            (
                "Vertex AI",
                "google-cloud-aiplatform",
                "vertexai",
                (_openinference("vertexai"), _openllmetry("vertexai")),
                _AS_OPENAI,
            ),
            ("Cohere", "cohere", "cohere", (_openllmetry("cohere", before=6),), "the only one; up to version 5"),
            ("Together", "together", "together", (_openllmetry("together", before=2),), "the only one; for version 1"),
            ("Ollama", "ollama", "ollama", (_openllmetry("ollama"),), "the only one"),
        )
    ),
)

FRAMEWORKS = (*AGENT_FRAMEWORKS, *MODEL_SDKS)
