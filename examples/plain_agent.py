"""An agent in plain Python: a decorated function is a run, the decorated functions that it calls are its steps."""

import stepwell

stepwell.configure(service_name="travel", environment="staging", version="2.4.0")

PRICES = {"oslo": 240.0, "rome": 180.0}
_busy = iter([True, False])


@stepwell.step(retries=2)
def search(city: str) -> float:
    stepwell.credits(1)
    if next(_busy, False):
        raise ConnectionError("search is busy")
    return PRICES[city]


@stepwell.decision
def choose(prices: dict[str, float]) -> str:
    return min(prices, key=lambda city: prices[city])


@stepwell.step(model="gpt-4o-mini", provider="openai")
def write(city: str) -> str:
    stepwell.usage(input_tokens=120, output_tokens=30)
    return f"Go to {city.title()}."


@stepwell.agent(version="7")
def travel_agent(cities: list[str]) -> str:
    stepwell.trigger("scheduled", {"job": "weekly"})
    prices = {city: search(city) for city in stepwell.loop(cities, name="city")}
    stepwell.checkpoint({"prices": prices}, id="prices")
    return write(choose(prices))


if __name__ == "__main__":
    print(travel_agent(["oslo", "rome"]))
