"""Work done ahead of its use, in order, by threads: for jobs that are pure functions of their place in a sequence.

Threads suffice, because torch gives up the interpreter's lock while it computes; nothing is pickled or copied. Each
worker runs torch on one core: two workers with two cores each would wait for one another.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import torch

T = TypeVar("T")


def ahead(jobs: Iterator[Callable[[], T]], threads: int) -> Iterator[T]:
    """The jobs' results in order; with threads, up to twice as many jobs as threads are under way or waiting."""
    if threads < 1:
        for job in jobs:
            yield job()
        return
    cores = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "batches", initializer=partial(torch.set_num_threads, 1))
    waiting: deque[Future[T]] = deque(pool.submit(job) for job in islice(jobs, 2 * threads))
    try:
        while waiting:
            result = waiting.popleft().result()
            torch.set_num_threads(cores)  # a worker's setting is also the default of threads yet unborn
            waiting.extend(pool.submit(job) for job in islice(jobs, 1))
            yield result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
