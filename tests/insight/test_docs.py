"""`docs/insight.md` names every kind and every number."""

from dataclasses import fields
from pathlib import Path

import pytest

from stepwell_api.insight.finding import Kind
from stepwell_api.insight.thresholds import Thresholds

PAGE = (Path(__file__).parents[2] / "docs" / "insight.md").read_text()


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_documented(kind: Kind) -> None:
    assert f"\n| `{kind.value}` | " in PAGE


@pytest.mark.parametrize("field", fields(Thresholds), ids=lambda field: str(field.name))
def test_every_number_is_documented_with_its_default(field: "object") -> None:
    name, default = getattr(field, "name"), getattr(field, "default")  # noqa: B009
    shown = "1/3" if default == 1 / 3 else str(default)
    assert f"\n| `{name}` | {shown} | " in PAGE
