"""Recycled memory is given out again when, and only when, nothing can see it any more."""

import gc
from concurrent.futures import ThreadPoolExecutor

import torch

from colorbench.data.recycled import KEPT, Recycled


def test_memory_of_a_tensor_that_is_gone_is_given_out_again() -> None:
    recycled = Recycled()
    first = recycled.empty(4, 5, dtype=torch.float32)
    address = first.data_ptr()
    del first
    gc.collect()
    assert recycled.empty(5, 4, dtype=torch.float32).data_ptr() == address
    assert recycled.empty(80, dtype=torch.uint8).shape == (80,)


def test_memory_that_a_view_or_a_graph_still_needs_is_not() -> None:
    recycled = Recycled()
    batch = recycled.empty(6, dtype=torch.float32).fill_(2.0)
    weight = torch.ones(6, requires_grad=True)
    loss, view = (batch * weight).sum(), batch[:1]
    del batch
    gc.collect()
    recycled.empty(6, dtype=torch.float32).fill_(9.0)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0] * 6
    assert view.item() == 2.0


def test_threads_share_it_without_ever_sharing_a_tensor() -> None:
    recycled = Recycled()

    def work(value: int) -> bool:
        mine = recycled.empty(1000, dtype=torch.int64).fill_(value)
        other = recycled.empty(1000, dtype=torch.int64).fill_(-1)
        return bool((mine == value).all()) and bool((other == -1).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(400)))


def test_it_keeps_a_few_free_blocks_only() -> None:
    recycled = Recycled()
    many = [recycled.empty(8, dtype=torch.float32) for _ in range(3 * KEPT)]
    del many
    gc.collect()
    assert len(recycled._free) == KEPT
