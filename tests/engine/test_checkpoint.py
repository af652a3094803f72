import contextlib
import errno
import os

import pytest
import torch
from toys import Duel, Line, Memory, engine, weights

from colorbench.engine.budget import Budget
from colorbench.engine.checkpoint import Checkpoints, load_into, load_weights
from colorbench.errors import UserError


def save(folder, images, links=("last",), keep=False, value=1.0):
    Checkpoints(folder).save(
        images, {"w": torch.full((3,), value)}, {"w": torch.zeros(3)}, {"images": images}, links, keep
    )


def test_a_resumed_run_ends_with_the_same_weights_averages_and_optimizer_states(tmp_path):
    torch.manual_seed(0)
    whole = Duel()
    twin = Duel()
    twin.load_state_dict(whole.state_dict())
    optim = {
        "optimizer": "adam",
        "betas": [0.5, 0.9],
        "eps": 1e-8,
        "weight_decay": 0.0,
        "lr": 0.01,
        "clip": 1.0,
        "groups": {},
        "decay": {"decay": "cosine", "warmup": 0.0, "floor": 0.0},
        "ema": 0.9,
    }
    one = engine(whole, tmp_path / "a", optim=optim)
    one.fit()
    first = engine(twin, tmp_path / "b", optim=optim)
    first.budget = Budget(images=80, seconds=None)
    original, steps = first._step, []

    def cut(batch, phase, sums):
        if len(steps) == 5:
            first._save(("last",))
            raise KeyboardInterrupt
        steps.append(1)
        original(batch, phase, sums)

    first._step = cut
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    torch.manual_seed(99)
    fresh = Duel()
    second = engine(fresh, tmp_path / "b", optim=optim)
    assert second.resume()
    assert second.clock.images == 40
    second.fit()
    assert torch.equal(weights(whole), weights(fresh))
    for name, value in one.ema.state_dict().items():
        assert torch.equal(value, second.ema.state_dict()[name])
    a, b = one.optimizers.state_dict(), second.optimizers.state_dict()
    for group in a:
        for key, state in a[group]["state"].items():
            assert all(torch.equal(state[k], b[group]["state"][key][k]) for k in state)


def test_a_new_checkpoint_replaces_the_old_one_but_not_what_is_linked_or_kept(tmp_path):
    save(tmp_path, 10, ("last", "best"))
    save(tmp_path, 20, keep=True)
    save(tmp_path, 30)
    save(tmp_path, 40)
    names = sorted(p.name for p in tmp_path.iterdir() if not p.is_symlink())
    assert names == ["images-000000010", "images-000000020", "images-000000040"]
    assert Checkpoints(tmp_path).find("best").name == "images-000000010"
    assert Checkpoints(tmp_path).find("last").name == "images-000000040"


def test_a_full_disk_is_one_line_and_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 10)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(UserError, match="disk is full"):
        save(tmp_path, 20)
    assert Checkpoints(tmp_path).find("last").name == "images-000000010"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_a_killed_process_left_is_never_read_and_is_swept(tmp_path):
    save(tmp_path, 10)
    (tmp_path / ".images-000000020.99").mkdir()
    (tmp_path / ".images-000000020.99" / "weights.safetensors").write_bytes(b"half")
    assert Checkpoints(tmp_path).find("last").name == "images-000000010"
    save(tmp_path, 30)
    assert not (tmp_path / ".images-000000020.99").exists()


def test_a_damaged_file_and_one_of_another_model_are_clear_lines(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_weights(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="a checkpoint of another model"):
        load_into(Line(), Duel().state_dict(), "here")


def test_the_state_is_read_without_running_code(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (print, ("pwned",))

    save(tmp_path, 10)
    state = tmp_path / "images-000000010" / "state.pt"
    torch.save({"images": Evil()}, state)
    with pytest.raises(pickle.UnpicklingError):
        Checkpoints(tmp_path).load_state(state.parent)


def test_a_checkpoint_may_be_kept_every_so_often(tmp_path):
    from dataclasses import replace

    from toys import SETTINGS

    runner = engine(Line(), tmp_path, settings=replace(SETTINGS, keep_every="25%"), memory=Memory())
    runner.fit()
    kept = sorted(p.parent.name for p in (tmp_path / "checkpoints").glob("images-*/keep"))
    assert kept == ["images-000000024", "images-000000040", "images-000000064", "images-000000080"]


def resumed_at(folder, said):
    found = Checkpoints(folder).resumable(said.append)
    return found and found[1]["images"]


def test_a_moment_that_is_already_saved_moves_links_and_its_weights_are_not_touched(tmp_path, monkeypatch):
    """A kill between two renames of one folder would leave both links without a checkpoint: nothing is renamed."""
    checkpoints = Checkpoints(tmp_path)

    def again(best, links):
        checkpoints.save(10, {"w": torch.ones(3)}, {"w": torch.zeros(3)}, {"images": 10, "best": best}, links)

    again(None, ("last",))
    file = tmp_path / "images-000000010" / "weights.safetensors"
    before = file.stat()

    def forbidden(*_):
        raise AssertionError("a checkpoint was renamed")

    monkeypatch.setattr(type(tmp_path), "rename", forbidden)
    again(0.5, ("last", "best"))
    assert file.stat().st_ino == before.st_ino
    assert {(tmp_path / link).resolve().name for link in ("last", "best")} == {"images-000000010"}
    assert torch.load(file.parent / "state.pt", weights_only=True)["best"] == 0.5


def test_a_kill_between_any_two_steps_of_a_save_never_leaves_a_run_at_zero(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    for at in range(1, 80):
        folder = tmp_path / str(at)
        save(folder, 10, ("last", "best"))
        steps = 0

        def step(real, at=at):
            def call(*arguments, **options):
                nonlocal steps
                steps += 1
                if steps >= at:  # dead: nothing after it happens
                    raise Killed
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink", "rmdir", "symlink", "rename"):
                patch.setattr(os, name, step(getattr(os, name)))
            with contextlib.suppress(Killed):
                save(folder, 10)  # another process comes to the same moment once more
                save(folder, 20, ("last", "best"))
        assert resumed_at(folder, []) in (10, 20), at
        if steps < at:
            assert at > 15
            return
    raise AssertionError("the saves never ended")


@pytest.mark.parametrize("name", ["state.pt", "weights.safetensors", "ema.safetensors"])
@pytest.mark.parametrize("damage", ["empty", "half", "garbage", "gone"])
def test_a_checkpoint_that_cannot_be_read_goes_back_to_the_one_before_it_and_says_so(name, damage, tmp_path):
    save(tmp_path, 10, ("last", "best"))
    save(tmp_path, 20)
    file = tmp_path / "images-000000020" / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "half": content[: len(content) // 2], "garbage": b"\x93" * 300}[damage])
    said = []
    assert resumed_at(tmp_path, said) == 10
    assert any("images-000000020" in line for line in said)
    assert said[-1] == "going on from the checkpoint at 10 images"
    save(tmp_path, 20)  # and the damaged moment comes again
    assert resumed_at(tmp_path, []) == 20
    for folder in tmp_path.glob("images-*"):
        (folder / "state.pt").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot be read .*nor any other checkpoint; force=true"):
        resumed_at(tmp_path, [])


def test_lost_links_lose_no_checkpoint(tmp_path):
    save(tmp_path, 10, keep=True)
    save(tmp_path, 20)
    (tmp_path / "last").unlink()
    assert resumed_at(tmp_path, []) == 20
    (tmp_path / "last").symlink_to("images-000000099")
    assert resumed_at(tmp_path, []) == 20
    assert resumed_at(tmp_path / "nothing", []) is None


def test_what_killed_processes_left_is_gone_at_the_next_start_and_the_checkpoint_aside_is_not(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(8, {}, {}, {"images": 8})
    (tmp_path / ".last.4242").symlink_to("images-000000004")
    (tmp_path / ".images-000000012.4242").mkdir()
    (tmp_path / ".colorbench-00000000-1-0.part").touch()  # of another machine
    (tmp_path / ".old-images-000000012.4242").mkdir()
    Checkpoints(tmp_path).tidy()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".old-images-000000012.4242", "images-000000008", "last"]
