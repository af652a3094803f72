"""The bank never shows a picture its own colors while training, holds the training split only, and travels."""

import pytest
import torch

from colorbench import registry
from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.retrieval.bank import Bank


def split(count=24, start=0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    rgb = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    return Batch.of_bytes((rgb * 255).to(torch.uint8), torch.arange(start, start + count))


def bank(limit=None, duplicate=0.1, index="flat", embedder=None):
    return Bank(
        embedder=registry.build("network", embedder or {"network": "thumbnail", "grid": 8, "directions": 8}),
        index=registry.build("index", {"index": index}),
        size=8,
        limit=limit,
        duplicate=duplicate,
    )


def colors(found, batch):
    """Which picture's chroma each answer is."""
    small = torch.nn.functional.adaptive_avg_pool2d(batch.ab, 8)
    shrunk = torch.nn.functional.adaptive_avg_pool2d(found, 8)
    return torch.cdist(shrunk.flatten(1), small.flatten(1)).argmin(dim=1)


@pytest.mark.parametrize("index", ["flat", "torch"])
@pytest.mark.parametrize("duplicate", [0.0, 0.1])
def test_asked_for_a_stored_picture_it_finds_it_and_while_training_another(index, duplicate):
    train = split()
    memory = bank(index=index, duplicate=duplicate)
    memory.fill(train.split(10))
    assert torch.equal(colors(memory.recall(train.L), train), torch.arange(24))
    assert not (colors(memory.recall(train.L, exclude=train.ids), train) == torch.arange(24)).any()


def test_a_mirrored_picture_does_not_find_itself_either():
    train = split()
    memory = bank()
    memory.fill([train])
    flipped = train.L.flip(3)
    assert not (colors(memory.recall(flipped, exclude=train.ids), train) == torch.arange(24)).any()


def test_near_duplicates_are_left_out_while_training():
    train = split()
    copies = Batch(train.L + 1e-3, -train.ab, train.ids + 1000, train.visits)
    memory = bank()
    memory.fill([train, copies])
    memory.threshold.fill_(0.01)
    both = Batch(
        torch.cat([train.L, copies.L]),
        torch.cat([train.ab, copies.ab]),
        torch.cat([train.ids, copies.ids]),
        torch.cat([train.visits, copies.visits]),
    )
    found = colors(memory.recall(train.L, exclude=train.ids), both)
    assert not (found % 24 == torch.arange(24)).any()


def test_pictures_that_it_was_not_filled_with_cannot_train():
    memory = bank()
    memory.fill([split()])
    other = split(start=500, seed=1)
    with pytest.raises(UserError, match="other pictures"):
        memory.recall(other.L, exclude=other.ids)
    assert memory.recall(other.L).shape == other.ab.shape


def test_an_unprepared_bank_says_so():
    with pytest.raises(UserError, match="empty"):
        bank().recall(split().L)


def test_a_limited_bank_holds_the_first_by_id_and_serves_the_rest():
    train = split()
    memory = bank(limit=10)
    memory.fill([train])
    assert memory.ids.tolist() == list(range(10))
    assert memory.recall(train.L, exclude=train.ids).shape == train.ab.shape


def test_it_travels_in_a_checkpoint_of_any_size():
    train = split()
    memory, other = bank(), bank()
    memory.fill([train])
    other.fill([split(5)])
    other.load_state_dict(memory.state_dict(), strict=True)
    assert torch.equal(other.recall(train.L), memory.recall(train.L))


def test_a_trained_trunk_embeds_and_is_named_in_the_checkpoint():
    from colorbench.runs import config
    from colorbench.trunks.weights import checkpoint_follows

    train = split()
    tree = {"network": "embedding", "trunk": config.compose(["data=photos", "trunk=lite0", "model=unet"])["trunk"]}
    memory = bank(embedder=tree)
    memory.fill([train])
    assert "embedder.trunk.fingerprint" in memory.state_dict()
    assert not any("trunk.body" in key for key in memory.state_dict())
    with checkpoint_follows():
        other = bank(embedder=tree)
    other.load_state_dict(memory.state_dict(), strict=True)
    assert torch.equal(other.recall(train.L), memory.recall(train.L))
    assert not list(memory.parameters())


def test_the_thumbnail_puts_similar_pictures_near_and_needs_no_weights():
    embed = registry.build("network", {"network": "thumbnail", "grid": 8, "directions": 8})
    L = split().L
    near, far = embed(L + 0.02 * torch.randn_like(L)), embed(L.roll(1, 0))
    assert ((near - embed(L)).norm(dim=1) < (far - embed(L)).norm(dim=1)).all()
    assert not embed.state_dict()
