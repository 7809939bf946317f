"""Named SQL texts: what a file must look like, and what a wrong name says."""

from importlib.resources import files
from pathlib import Path

import pytest

from stepwell_storage import queries

GOOD = """-- A file.

-- name: first
-- Does one thing.
-- For a reason.
SELECT 1
WHERE %(x)s = '%%';

-- name: second
-- Does another.
SELECT 2
"""


def test_texts_are_loaded_by_name_without_their_heads() -> None:
    loaded = queries.parse("some", GOOD)
    assert dir(loaded) == ["first", "second"]
    assert loaded.first == "-- For a reason.\nSELECT 1\nWHERE %(x)s = '%%'"
    assert loaded.second == "SELECT 2"


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(queries.UnknownQueryError, match=r"sql/some\.sql has no query 'third'; it has first, second"):
        _ = queries.parse("some", GOOD).third


def test_missing_file_is_named() -> None:
    with pytest.raises(queries.QueryFileError, match=r"no sql/nowhere\.sql"):
        queries.load("nowhere")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("", id="empty"),
        pytest.param("SELECT 1;\n", id="no name"),
        pytest.param("SELECT 1;\n-- name: one\n-- Does.\nSELECT 1;\n", id="text before the first name"),
        pytest.param("-- name: one\nSELECT 1;\n", id="no purpose"),
        pytest.param("-- name: one\n-- Does.\n", id="no text"),
        pytest.param("-- name: One-1\n-- Does.\nSELECT 1;\n", id="bad name"),
        pytest.param("-- name:\n-- Does.\nSELECT 1;\n", id="missing name"),
        pytest.param("-- name: one\n-- Does.\nSELECT 1;\n-- name: one\n-- Does.\nSELECT 2;\n", id="name twice"),
    ],
)
def test_file_against_the_rules_is_refused(source: str) -> None:
    with pytest.raises(queries.QueryFileError, match=r"sql/some\.sql"):
        queries.parse("some", source)


@pytest.mark.parametrize(
    "name", sorted(Path(file.name).stem for file in files("stepwell_storage").joinpath("sql").iterdir())
)
def test_every_file_of_the_package_follows_the_rules(name: str) -> None:
    assert dir(queries.load(name))
