"""Words of texts, and questions for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell_storage.words import MAX_BYTES, distinct_words, search_query, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Connection RESET by peer", ["connection", "reset", "by", "peer"]),
        ("web_search gpt-4o-mini v1.2", ["web", "search", "gpt", "4o", "mini", "v1", "2"]),
        ("https://example.org/a?b=c%20d", ["https", "example", "org", "a", "b", "c", "20d"]),
        ("Straße MÜNCHEN naïve", ["straße", "münchen", "naïve"]),
        ("退款 order ラーメン", ["退", "款", "order", "ラ", "ー", "メ", "ン"]),
        ("'; DROP TABLE x; --", ["drop", "table", "x"]),
        ("%_{}[]()*+?.^$|\\ '\":&!", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_text_is_taken_apart(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_escapes_of_json_are_no_part_of_words() -> None:
    assert distinct_words(["plain\\n"], ['"one\\ntwo \\"three\\" back\\\\slash \\u0001four"']).split() == [
        *("plain", "n", "one", "two", "three", "back", "slash", "four"),
    ]


def test_parts_of_joined_words_are_words_as_well() -> None:
    assert set(distinct_words(["ReadTimeoutError gpt4Turbo HTTPError"], ['"toolCallId"']).split()) == {
        *("readtimeouterror", "timeouterror", "error", "gpt4turbo", "httperror", "toolcallid", "callid", "id"),
    }


def test_very_many_words_are_cut_between_two() -> None:
    written = distinct_words([" ".join(f"wörd{number}" for number in range(100_000))], [])
    assert MAX_BYTES - 20 < len(written.encode()) <= MAX_BYTES
    assert written.split()[-1] == f"wörd{len(written.split()) - 1}"


def test_all_but_the_last_word_are_whole() -> None:
    assert search_query(words_in("Under_s")) == "'under' & 's':*"


@given(st.text())
def test_words_of_any_text_are_words(text: str) -> None:
    assert all(words_in(word) == [word] for word in words_in(text) if word.lower() == word)
    assert " " not in "".join(words_in(text))


ASCII_TEXTS = st.lists(st.text(st.characters(codec="ascii")))


@given(ASCII_TEXTS, ASCII_TEXTS)
def test_words_are_the_same_whatever_other_letters_stand_beside(texts: list[str], documents: list[str]) -> None:
    alone = set(distinct_words(texts, documents).split())
    assert set(distinct_words([*texts, "é"], documents).split()) == {*alone, "é"}
