"""What a model call costs by its model's list price on its day, where no attribute states a cost.

Prices come with the package `genai_prices`; nothing is fetched. Its own calculation takes a look-up and decimal
arithmetic for each call, which a receiver cannot afford; here the look-up is remembered and the arithmetic is on whole
numbers, with the same result. `vendors` says which model of the price list a call's names mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Final

from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from stepwell_receiver import vendors

CACHED_NAMES: Final = 2048
"""How many combinations of model, requested model and provider are remembered, priced or not."""

Tokens = tuple[int | None, int | None, int | None, int | None, int | None]
"""Of a call: prompt and completion, then the parts of them, read from the cache, written to it, and reasoning."""

_LONGEST_NAME: Final = 256
_DAY_NS: Final = 86_400 * 10**9
_SCALE: Final = 10**18
_DIVISOR: Final = 10**6 * _SCALE
"""Prices in US dollars for a million tokens times 10¹⁸ are whole numbers; so are amounts in dollars times 10²⁴, and one
division gives the nearest float."""

_UNTOLD: Final = (
    *("output_audio_mtok", "output_image_mtok", "output_video_mtok"),
    *("output_citation_mtok", "requests_kcount"),
)
"""Prices for what spans do not tell: which tokens are not text, which citations were read, how far a search went. A
model that has one of these cannot be priced by its tokens."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """Prices for calls with more than `above` input tokens; `output` is ``None`` for a model that returns no text."""

    above: int
    input: int
    cache_read: int
    cache_write: int
    output: int | None
    reasoning: int


@dataclass(frozen=True, slots=True)
class _Period:
    """Since when and at which time of the day (UTC, the end excluded) rates hold.

    The rates with the highest `above` come first; the last ones hold for every call.
    """

    since_ns: int
    daily_ns: tuple[int, int] | None
    rates: tuple[_Rates, ...]

    def holds(self, at_ns: int) -> bool:
        if at_ns < self.since_ns:
            return False
        if self.daily_ns is None:
            return True
        start_ns, end_ns = self.daily_ns
        now_ns = at_ns % _DAY_NS
        if end_ns < start_ns:
            return now_ns >= start_ns or now_ns < end_ns
        return start_ns <= now_ns < end_ns


@dataclass(frozen=True, slots=True)
class Tariff:
    """A model's prices over time, at least one; the last period that holds counts, else the first."""

    periods: tuple[_Period, ...]

    def cost_usd(
        self,
        *,
        at_ns: int,
        prompt_tokens: int,
        completion_tokens: int | None,
        cache_read_tokens: int,
        cache_write_tokens: int,
        reasoning_tokens: int,
    ) -> float | None:
        """US dollars; cached tokens are part of `prompt_tokens`, reasoning is part of `completion_tokens`.

        ``None`` where the completion is unknown or has no price.
        """
        rates = self._rates(at_ns, prompt_tokens)
        completion = completion_tokens or 0
        if (completion_tokens is None and rates.output) or (completion and rates.output is None):
            return None
        plain_tokens = prompt_tokens - cache_read_tokens - cache_write_tokens
        amount = plain_tokens * rates.input
        amount += cache_read_tokens * rates.cache_read + cache_write_tokens * rates.cache_write
        amount += (completion - reasoning_tokens) * (rates.output or 0) + reasoning_tokens * rates.reasoning
        return amount / _DIVISOR

    def _rates(self, at_ns: int, prompt_tokens: int) -> _Rates:
        period = self.periods[0]
        if len(self.periods) > 1:
            period = next((period for period in reversed(self.periods) if period.holds(at_ns)), period)
        if len(period.rates) == 1:
            return period.rates[0]
        return next(rates for rates in period.rates if prompt_tokens > rates.above)


def tariff_of_call(model: str, requested_model: str | None, provider: str | None) -> Tariff | None:
    """The prices of a model by the names of a call; ``None`` where it is not known."""
    if max(len(model), len(requested_model or ""), len(provider or "")) > _LONGEST_NAME:
        return None
    return tariff_for(model, requested_model, provider)


def call_usd(tariff: Tariff, at_ns: int, tokens: Tokens) -> float | None:
    """What a call costs in US dollars; ``None`` where its tokens are not known.

    OpenTelemetry counts cached tokens into the input and reasoning into the output. Where an instrumentation tells more
    of a part than of the whole, it counts them apart, and they are added.
    """
    prompt_tokens, completion_tokens, read, written, thought = tokens
    if prompt_tokens is None or not (prompt_tokens or completion_tokens):
        return None
    read, written, thought = read or 0, written or 0, thought or 0
    if read + written > prompt_tokens:
        prompt_tokens += read + written
    if completion_tokens is not None and thought > completion_tokens:
        completion_tokens += thought
    return tariff.cost_usd(
        at_ns=at_ns,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=thought,
    )


@lru_cache(maxsize=CACHED_NAMES)
def tariff_for(model: str, requested_model: str | None, provider: str | None) -> Tariff | None:
    """The prices behind the names of a call (`vendors.find`), remembered."""
    info = vendors.find(model, requested_model, provider)
    return None if info is None else tariff_of(info)


def tariff_of(info: ModelInfo) -> Tariff | None:
    """A listed model's prices; ``None`` where it has none for text that comes in as tokens."""
    if isinstance(info.prices, ModelPrice):
        known: Sequence[_Period | None] = [_period(None, info.prices)]
    else:
        known = [_period(price.constraint, price.prices) for price in info.prices]
    periods = tuple(period for period in known if period is not None)
    return Tariff(periods) if periods and len(periods) == len(known) else None


def _period(constraint: StartDateConstraint | TimeOfDateConstraint | None, prices: ModelPrice) -> _Period | None:
    if prices.input_mtok is None or any(getattr(prices, key) is not None for key in _UNTOLD):
        return None
    since_ns, daily_ns = 0, None
    if isinstance(constraint, StartDateConstraint):
        since_ns = int(datetime.combine(constraint.start_date, time(), UTC).timestamp()) * 10**9
    elif isinstance(constraint, TimeOfDateConstraint):
        daily_ns = _since_midnight_ns(constraint.start_time), _since_midnight_ns(constraint.end_time)
    listed = (prices.input_mtok, prices.cache_read_mtok, prices.cache_write_mtok, prices.output_mtok)
    starts = {tier.start for price in listed if isinstance(price, TieredPrices) for tier in price.tiers}
    return _Period(since_ns, daily_ns, tuple(_rates(prices, above) for above in (*sorted(starts, reverse=True), -1)))


def _since_midnight_ns(at: time) -> int:
    moment = datetime.combine(datetime(1970, 1, 2).date(), at, at.tzinfo or UTC)
    return int(moment.timestamp() * 10**9) % _DAY_NS


def _rates(prices: ModelPrice, above: int) -> _Rates:
    """Classes without a price of their own cost what the class that holds them does."""
    plain = _rate(prices.input_mtok, above) or 0
    read, written = _rate(prices.cache_read_mtok, above), _rate(prices.cache_write_mtok, above)
    output, reasoning = _rate(prices.output_mtok, above), _rate(prices.output_reasoning_mtok, above)
    return _Rates(
        above=above,
        input=plain,
        cache_read=plain if read is None else read,
        cache_write=plain if written is None else written,
        output=output,
        reasoning=(output or 0) if reasoning is None else reasoning,
    )


def _rate(price: Decimal | TieredPrices | None, above: int) -> int | None:
    if isinstance(price, TieredPrices):
        price = next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)
    return None if price is None else int(price * _SCALE)
