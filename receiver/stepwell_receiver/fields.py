"""A span's attributes by field; which keys carry a field is known of its `shapes`, here their values are read."""

from collections.abc import Mapping
from typing import Final, TypeAlias, cast

from stepwell_receiver import values
from stepwell_receiver.shapes import AMOUNTS, COUNTS, TEXTS, Carried, Keys, Layout
from stepwell_receiver.wire import Attributes, Value

_Text: TypeAlias = str | None
_Count: TypeAlias = int | None
_Amount: TypeAlias = float | None
Texts: TypeAlias = tuple[_Text, _Text, _Text, _Text, _Text]
Counts: TypeAlias = tuple[_Count, _Count, _Count, _Count, _Count]
Amounts: TypeAlias = tuple[_Amount, _Amount, _Amount]

_NO_KEYS: Final[tuple[str, ...]] = ()
_NO_TEXTS: Final[Texts] = (None, None, None, None, None)
_NO_COUNTS: Final[Counts] = (None, None, None, None, None)
_NO_AMOUNTS: Final[Amounts] = (None, None, None)


class Fields:
    """What a span's attributes say, by field; every method gives ``None`` for what they do not say."""

    __slots__ = ("_keys", "attributes", "layout")

    def __init__(self, attributes: Attributes, layout: Layout) -> None:
        self.layout = layout
        self.attributes = attributes
        self._keys: Mapping[str, Keys] = layout.keys

    def has(self, name: str) -> bool:
        """Whether any attribute carries the field."""
        return self.raw(name) is not None

    def told(self, name: str) -> list[tuple[str, Value]]:
        """(key, value) of all that carry the field, best first."""
        told = ((key, self.attributes[key]) for key in self._keys.get(name, _NO_KEYS))
        return [(key, value) for key, value in told if value is not None and value != ""]

    def raw(self, name: str) -> Value:
        """The value as sent."""
        for key in self._keys.get(name, _NO_KEYS):
            value = self.attributes[key]
            if value is not None and value != "":
                return value
        return None

    def text(self, name: str) -> str | None:
        """As text that names something, without white space around it."""
        return values.as_name(self.raw(name)) if name in self._keys else None

    def texts(self, name: str) -> tuple[str, ...]:
        """All the different texts that carry the field, best first."""
        if name not in self._keys:
            return ()
        texts = (values.as_name(value) for _, value in self.told(name))
        return tuple(dict.fromkeys(text for text in texts if text))

    def count(self, name: str) -> int | None:
        """As a count of things."""
        return values.as_count(self.raw(name)) if name in self._keys else None

    def number(self, name: str) -> float | None:
        """As an amount."""
        return values.as_number(self.raw(name)) if name in self._keys else None

    def json(self, name: str) -> str | None:
        """As JSON text of what is JSON by definition."""
        value = self.raw(name) if name in self._keys else None
        return None if value is None else values.parsed_json(value)

    def texts_in(self, carried: Carried) -> Texts:
        """The texts of `shapes.TEXTS`, told by their keys (`Layout.texts`)."""
        if not carried:
            return _NO_TEXTS
        told: list[_Text] = [None] * len(TEXTS)
        for place, keys in carried:
            value = self.attributes[keys[0]]
            told[place] = values.as_name(value if value.__class__ is str and value else self._first(keys))
        return cast("Texts", tuple(told))

    def counts_in(self, carried: Carried) -> Counts:
        """The counts of `shapes.COUNTS`."""
        if not carried:
            return _NO_COUNTS
        told: list[_Count] = [None] * len(COUNTS)
        for place, keys in carried:
            value = self.attributes[keys[0]]
            told[place] = values.as_count(value if value.__class__ is int else self._first(keys))
        return cast("Counts", tuple(told))

    def amounts_in(self, carried: Carried) -> Amounts:
        """The amounts of `shapes.AMOUNTS`."""
        if not carried:
            return _NO_AMOUNTS
        told: list[_Amount] = [None] * len(AMOUNTS)
        for place, keys in carried:
            told[place] = values.as_number(self._first(keys))
        return cast("Amounts", tuple(told))

    def _first(self, keys: Keys) -> Value:
        return values.first(self.attributes, keys)
