"""Values of all kinds become JSON of bounded size; nothing is used up, and nothing raises."""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import time
import uuid
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

import stepwell
from stepwell.capture import as_json, cut
from stepwell.redaction import NOTHING
from stepwell.testing import recorded

LIMIT = 2_000


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@dataclasses.dataclass
class Point:
    x: int
    hidden: int = dataclasses.field(default=1, repr=False)


class Model(pydantic.BaseModel):
    name: str
    inner: dict[str, int]


class Angry:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no")


class Polite:
    def __repr__(self) -> str:
        return "<polite>"


class Bare:
    pass


class Rows:
    """Like a query that runs when it is looked at."""

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("was run")

    def __repr__(self) -> str:
        raise AssertionError("was run")


class BadDict(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("no items")


Pair = namedtuple("Pair", "left right")


def plain(value: object, limit: int = LIMIT) -> Any:
    return json.loads(as_json(value, NOTHING, limit))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (1.5, 1.5),
        (math.nan, "nan"),
        (2**70, str(2**70)),
        ("é\n", "é\n"),
        ("\ud800x", "?x"),
        ([1, (2, {3})], [1, [2, [3]]]),
        (OrderedDict(a=1), {"a": 1}),
        ({1: "a", (2, 3): "b"}, {"1": "a", "(2, 3)": "b"}),
        (b"abc", "[3 bytes]"),
        (Colour.RED, "red"),
        (Text("hidden"), "hidden"),
        (Point(1), {"x": 1}),
        (Model(name="n", inner={"a": 1}), {"name": "n", "inner": {"a": 1}}),
        (Pair(1, 2), {"left": 1, "right": 2}),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.10"), "1.10"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (pathlib.PurePosixPath("/a"), "/a"),
        (ValueError("x"), "ValueError: x"),
        (Polite(), "<polite>"),
        (Bare(), f"[{__name__}.Bare]"),
        (Rows(), f"[{__name__}.Rows]"),
        (UserDict(a=1), "[collections.UserDict]"),
        (iter([1]), "[builtins.list_iterator]"),
        (BadDict(a=1), f"[not captured: {__name__}.BadDict: RuntimeError]"),
        (Angry(), f"[not captured: {__name__}.Angry: RuntimeError]"),
        (print, "<built-in function print>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: object, wanted: object) -> None:
    assert plain(value) == wanted


def test_cycles_end() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert plain(ring) == [1, "[cycle: builtins.list]"]
    shared = {"a": 1}
    assert plain([shared, shared]) == [shared, shared]


def test_depth_is_bounded() -> None:
    deep: Any = "end"
    for _ in range(10_000):
        deep = [deep]
    assert "[cut: builtins.list]" in as_json(deep, NOTHING, LIMIT)


def test_size_is_bounded_and_told() -> None:
    assert plain("x" * 10_000, 1_000).startswith("x" * 850)
    assert plain("x" * 10_000, 100).endswith("…[cut: 10000 characters]")
    many = plain(list(range(1_000_000)), 65_536)
    assert many[-1] == f"[cut: {1_000_000 - len(many) + 1} more]"
    wide = plain({str(n): n for n in range(100_000)})
    assert wide["…"] == f"[cut: {100_000 - len(wide) + 1} more]"
    for value in (
        "x" * 10_000_000,
        ["y" * 100] * 100_000,
        "\0" * 10_000,
        {"a" * 10_000: {"b" * 10_000: 1}},
        "é" * 10_000,
    ):
        assert LIMIT / 10 < len(as_json(value, NOTHING, LIMIT).encode()) <= LIMIT


def test_huge_values_cost_no_time() -> None:
    huge = ["z" * 1_000_000] * 1_000
    before_s = time.thread_time()
    as_json(huge, NOTHING, 65_536)
    assert time.thread_time() - before_s < 0.1


@pytest.mark.parametrize("text", ["short", "x" * 100, "é" * 60, "é" * 200, "😀" * 40])
def test_cut_keeps_what_fits(text: str) -> None:
    found = cut(text, 100)
    assert found == text if len(text.encode()) <= 100 else found.endswith(f"…[cut: {len(text)} characters]")
    assert len(found.encode()) <= 100 + len("…[cut: 10000 characters]".encode())


def test_iterators_are_not_used_up() -> None:
    @stepwell.step
    def first(numbers: Iterator[int]) -> Iterator[int]:
        return numbers

    with recorded() as recorder:
        assert list(first(iter([1, 2]))) == [1, 2]
    assert recorder.steps[0].input == {"numbers": "[builtins.list_iterator]"}


def test_what_is_passed_is_told_as_it_was_at_the_call() -> None:
    @stepwell.step
    def change(items: list[int]) -> None:
        items.append(2)

    with recorded() as recorder:
        change([1])
    assert recorder.steps[0].input == {"items": [1]}


@pytest.mark.parametrize("value", [Angry(), BadDict(a=1), Text("x"), "\ud800"], ids=lambda value: type(value).__name__)
def test_values_that_raise_harm_no_step(value: Any) -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no message")

    @stepwell.step
    def same(given: Any) -> Any:
        return given

    @stepwell.step
    def fail() -> None:
        raise OddError

    with recorded() as recorder:
        assert same(value) is value
        with stepwell.step("block") as step:
            step.set_attribute("k", value)
            stepwell.checkpoint(value)
            stepwell.credits(value)
            stepwell.usage(input_tokens=value)
            stepwell.trigger("api", value)
        with pytest.raises(OddError):
            fail()
    assert [step.name for step in recorder.steps] == ["same", "block", "fail"]
