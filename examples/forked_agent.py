"""Agents in processes that are forked: configure once in the parent, as in gunicorn with --preload."""

import multiprocessing

import stepwell

stepwell.configure(service_name="mill")


@stepwell.step
def grind(sack: int) -> int:
    return sack * 2


@stepwell.agent
def miller(sack: int) -> int:
    return grind(sack)


@stepwell.agent
def carter(sacks: list[int]) -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        ground = pool.map(grind, sacks)
        pool.close()
        pool.join()
    return ground


if __name__ == "__main__":
    miller(1)
    processes = [multiprocessing.get_context("fork").Process(target=miller, args=(sack,)) for sack in (2, 3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(carter([4, 5]))
