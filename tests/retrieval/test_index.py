"""Indices answer alike."""

import pytest
import torch

from colorbench import registry

CONFIGS = [{"index": "flat"}, {"index": "torch"}, {"index": "hnsw", "links": 32, "effort": 200}]


def filled(config, vectors):
    index = registry.build("index", config)
    index.add(vectors[:100])
    index.add(vectors[100:])
    return index


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c["index"])
def test_neighbors_are_those_of_the_full_distance_table(config):
    generator = torch.Generator().manual_seed(0)
    vectors, queries = torch.randn(300, 16, generator=generator), torch.randn(20, 16, generator=generator)
    distances, rows = filled(config, vectors).nearest(queries, 5)
    table = torch.cdist(queries, vectors).square()
    expected, order = table.topk(5, largest=False)
    assert torch.equal(rows, order)
    torch.testing.assert_close(distances, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c["index"])
def test_a_cleared_index_forgets(config):
    vectors = torch.eye(8).repeat(30, 1)
    index = filled(config, vectors)
    index.clear()
    index.add(vectors[:1])
    assert index.nearest(vectors[5:6], 1)[1].tolist() == [[0]]
