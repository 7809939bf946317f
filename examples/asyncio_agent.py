"""An asyncio agent whose tools run side by side, one of which is too slow and one of which is tried again."""

import asyncio
from collections.abc import AsyncIterator

import stepwell

stepwell.configure(service_name="newsroom")


@stepwell.step(retries=stepwell.Retries(1, on=ConnectionError, delay_s=0.01))
async def fetch(source: str) -> str:
    await asyncio.sleep(0.02)
    if source == "wire" and not fetch_again.is_set():
        fetch_again.set()
        raise ConnectionError("wire is busy")
    return f"news of {source}"


@stepwell.step
async def archive() -> str:
    await asyncio.sleep(60)
    return "never"


@stepwell.step(model="gpt-4o-mini")
async def summarise(news: list[str]) -> AsyncIterator[str]:
    for word in ("All ", "is ", "well."):
        await asyncio.sleep(0)
        yield word
    stepwell.usage(input_tokens=10 * len(news), output_tokens=3)


@stepwell.agent
async def editor(sources: list[str]) -> str:
    news = await asyncio.gather(*(fetch(source) for source in sources))
    try:
        await asyncio.wait_for(archive(), timeout=0.05)
    except TimeoutError:
        stepwell.checkpoint({"without": "archive"}, id="fetched")
    return "".join([word async for word in summarise(news)])


fetch_again = asyncio.Event()

if __name__ == "__main__":
    print(asyncio.run(editor(["radio", "wire", "paper"])))
