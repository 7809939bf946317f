"""The frameworks that are run: what their scripts name, and where they tell less than what happened.

To add one, see "Frameworks" in CONTRIBUTING.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework with one instrumentation, run by ``agents/<script>.py``."""

    script: str
    environment: str
    """Name of its environment: ``environments/<name>.in``."""
    agent: str | None
    """The agent's name as its script gives it; None where the framework has no names for agents."""
    has_session: bool = False
    """Whether the script gives each run a session."""
    error_type: str | None = "as raised"
    """What is told of a model's refusal, where that is not what the agent's caller got; None where no type is told."""
    cut_off_error_type: str | None = None
    """What is told of a run that its caller gave up on; None where no span says it."""
    tells_unanswered_call: bool = True
    """Whether a model call that was cut off has a span."""
    tells_failed_run: bool = True
    """Whether a run that failed has a span; without one its model and tool calls stand alone."""
    tells_input: bool = True
    """Whether the run's input holds the prompt."""
    answers_by_tool: bool = False
    """Whether the last answer is a call of the framework's tool ``final_answer``."""


FRAMEWORKS = (
    Framework("adk_own", "older", "adk_desk", has_session=True),
    Framework("agent_framework_own", "current", "framework_desk"),
    Framework("agno_openinference", "current", "agno_desk", has_session=True, error_type="ModelProviderError"),
    Framework("anthropic_openllmetry", "current", "anthropic_desk"),
    Framework("crewai_openinference", "older", "crewai_desk", tells_input=False),
    Framework("haystack_own", "current", None),
    Framework(
        "langchain_openinference",
        "current",
        "langchain_desk",
        has_session=True,
        cut_off_error_type="CancelledError",
        tells_unanswered_call=False,
    ),
    Framework(
        "langchain_openllmetry", "current", "openllmetry_desk", has_session=True, cut_off_error_type="CancelledError"
    ),
    Framework(
        "llamaindex_openinference", "older", "llamaindex_desk", cut_off_error_type="CancelledError", tells_input=False
    ),
    Framework("openai_agents_openinference", "current", "agents_desk", error_type=None),
    Framework("openai_sdk_opentelemetry", "current", "openai_desk", tells_unanswered_call=False),
    Framework("pydantic_ai_own", "current", "pydantic_desk", has_session=True),
    Framework("smolagents_openinference", "current", "smolagents_desk", tells_failed_run=False, answers_by_tool=True),
    Framework(
        "strands_own",
        "older",
        "strands_desk",
        has_session=True,
        cut_off_error_type="CancelledError",
        tells_unanswered_call=False,
    ),
)
