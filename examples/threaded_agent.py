"""An agent that works in threads: in a pool, in a thread of its own, and in an executor of asyncio."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import stepwell

stepwell.configure(service_name="warehouse")


@stepwell.step
def count(shelf: str) -> int:
    stepwell.credits(0.5)
    return len(shelf)


@stepwell.step
def note(text: str) -> None:
    with stepwell.step("write"):
        print(text)


@stepwell.agent
def stocktaker(shelves: list[str]) -> int:
    with ThreadPoolExecutor(max_workers=3) as pool:
        total = sum(pool.map(count, shelves))
    thread = threading.Thread(target=note, args=(f"{total} items",))
    thread.start()
    thread.join()
    return total


@stepwell.agent
async def night_shift(shelf: str) -> int:
    return await asyncio.get_running_loop().run_in_executor(None, count, shelf)


if __name__ == "__main__":
    stocktaker(["nails", "bolts", "screws"])
    asyncio.run(night_shift("washers"))
