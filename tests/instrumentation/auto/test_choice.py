"""Exactly one instrumentation for each framework, the best of those that are installed."""

from importlib.metadata import EntryPoint

import pytest

from stepwell.auto.choice import Plan, planned
from stepwell.auto.frameworks import FRAMEWORKS
from stepwell.auto.installation import GROUP, Instrumentor
from stepwell.auto.report import told


def instrumentor(package: str, *targets: str, name: str = "x") -> Instrumentor:
    return Instrumentor(EntryPoint(name, "module:Class", GROUP), package, frozenset(targets))


def chosen(plan: Plan) -> dict[str, str]:
    """The framework's name and what reports it: the package, or who made it where there is none."""
    return {c.framework.name: c.instrumentation.package or c.instrumentation.source for c in plan.chosen}


def missing(plan: Plan) -> dict[str, str | None]:
    return {m.framework.name: m.package for m in plan.missing}


OPENINFERENCE = "openinference-instrumentation-langchain"
OPENLLMETRY = "opentelemetry-instrumentation-langchain"


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        pytest.param([OPENINFERENCE, OPENLLMETRY], OPENINFERENCE, id="the better of two"),
        pytest.param([OPENLLMETRY], OPENLLMETRY, id="the one that is there"),
    ],
)
def test_the_preferred_of_what_is_installed_is_chosen(installed: list[str], expected: str) -> None:
    versions = {"langchain-core": "1.7.2", **dict.fromkeys(installed, "1.0")}
    offered = [instrumentor(package, "langchain-core") for package in installed]
    plan = planned(versions, offered, ())
    assert chosen(plan) == {"LangChain, LangGraph": expected}
    assert [o.package for c in plan.chosen for o in c.instrumentors] == [expected]
    assert plan.others == ()


def test_a_framework_without_instrumentation_is_missing_the_preferred_one() -> None:
    plan = planned({"langchain-core": "1.7.2"}, (), ())
    assert (chosen(plan), missing(plan)) == ({}, {"LangChain, LangGraph": OPENINFERENCE})


def test_what_reports_itself_needs_nothing_and_takes_nothing_else() -> None:
    versions = {"pydantic-ai-slim": "2.68.0", "openinference-instrumentation-pydantic-ai": "1.0"}
    offered = [instrumentor("openinference-instrumentation-pydantic-ai", "pydantic-ai-slim")]
    plan = planned(versions, offered, ())
    assert chosen(plan) == {"pydantic-ai": "its own"}
    assert (plan.chosen[0].instrumentors, plan.others) == ((), ())


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.12.0", "its own"), ("1.9.0", "openinference-instrumentation-anthropic"), ("odd", "its own")],
)
def test_the_version_of_a_framework_counts(version: str, expected: str) -> None:
    versions = {"anthropic": version, "openinference-instrumentation-anthropic": "1.0"}
    assert chosen(planned(versions, (), ())) == {"Anthropic": expected}


def test_a_version_that_reports_itself_only_with_a_package_is_missing_it() -> None:
    assert missing(planned({"haystack-ai": "3.4.0"}, (), ())) == {"Haystack": "opentelemetry-haystack"}
    assert chosen(planned({"haystack-ai": "2.31.0"}, (), ())) == {"Haystack": "its own"}


def test_an_instrumentor_that_nobody_knows_is_better_than_none() -> None:
    plan = planned({"agno": "3.1.10"}, [instrumentor("agno-spans", "agno")], ())
    assert chosen(plan) == {"agno": "agno-spans"}
    assert [o.package for c in plan.chosen for o in c.instrumentors] == ["agno-spans"]
    both = planned(
        {"agno": "3.1.10", "openinference-instrumentation-agno": "1.0"},
        [instrumentor("agno-spans", "agno"), instrumentor("openinference-instrumentation-agno", "agno")],
        (),
    )
    assert chosen(both) == {"agno": "openinference-instrumentation-agno"}
    assert both.others == ()


def test_what_is_no_framework_is_instrumented_once() -> None:
    offered = [
        instrumentor("a-httpx", "httpx", name="httpx"),
        instrumentor("b-httpx", "httpx", name="httpx"),
        instrumentor("c-threads", name="threading"),
        instrumentor("d-logs", name="logging"),
    ]
    assert [o.package for o in planned({}, offered, ()).others] == ["a-httpx", "c-threads", "d-logs"]
    assert [o.package for o in planned({}, offered, ("httpx", "logging")).others] == ["c-threads"]


@pytest.mark.parametrize("name", ["langchain", "langchain-core", "langchain_core", "*"])
def test_what_is_disabled_by_name_stays_off(name: str) -> None:
    versions = {"langchain-core": "1.7.2", OPENINFERENCE: "1.0"}
    plan = planned(versions, [instrumentor(OPENINFERENCE, "langchain-core")], (name,))
    assert (plan.chosen, plan.missing, plan.others) == ((), (), ())
    assert [framework.name for framework in plan.disabled] == ["LangChain, LangGraph"]


def test_the_table_has_each_framework_and_each_package_once() -> None:
    distributions = [name for framework in FRAMEWORKS for name in framework.distributions]
    named = [i.package for framework in FRAMEWORKS for i in framework.instrumentations if i.package]
    assert len(set(distributions)) == len(distributions)
    assert len(set(named)) == len(named)
    assert len({framework.module for framework in FRAMEWORKS}) == len(FRAMEWORKS)


def test_a_version_that_nobody_instruments_is_told() -> None:
    versions = {"cohere": "7.3.1", "opentelemetry-instrumentation-cohere": "0.62.4"}
    plan = planned(versions, [instrumentor("opentelemetry-instrumentation-cohere", "cohere")], ())
    assert (plan.chosen, plan.others) == ((), ())
    assert [*told(plan)][1:] == ["not instrumented: Cohere 7.3.1; nothing is known for this version"]
