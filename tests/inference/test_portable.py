"""Model files: a round trip, and everything that a hostile one may try."""

import json
import pickle
import shutil
import struct
import time

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from colorbench.engine.checkpoint import Checkpoints
from colorbench.errors import UserError
from colorbench.inference import portable
from colorbench.inference.colorizer import Colorizer

from .conftest import MODELS, REGRESSION, colorful, levels


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_answers_like_the_one_saved(name, models):
    folder = models(name)
    picture = Image.fromarray(levels())
    original = Colorizer(colorful(MODELS[name]), 16, name, torch.device("cpu"), folder)
    for path in (folder, folder / "model.safetensors"):  # the folder, and the one file alone
        assert np.array_equal(
            np.asarray(original(picture, seed=3)),
            np.asarray(Colorizer.from_pretrained(path, device="cpu")(picture, seed=3)),
        )


def _changed(models, tmp_path, tensors=None, **config):
    folder = tmp_path / f"bad{time.monotonic_ns()}"
    shutil.copytree(models("regression"), folder)
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**known, **config}))
    if tensors is not None:
        save_file(tensors, folder / "model.safetensors")
    return folder


def _refused(path, match):
    start = time.process_time()
    with pytest.raises(UserError, match=match):
        portable.load(path)
    assert time.process_time() - start < 30


class _Bomb:
    def __reduce__(self):
        return print, ("this must never run",)


def test_pickles_are_refused_and_never_opened(models, tmp_path, capsys):
    folder = _changed(models, tmp_path)
    for write in (lambda f: f.write_bytes(pickle.dumps(_Bomb())), lambda f: torch.save(_Bomb(), f)):
        write(folder / "model.safetensors")
        _refused(folder, "pickle")
    assert "never run" not in capsys.readouterr().out


def test_weights_of_another_shape_or_name_are_refused(models, tmp_path):
    tensors = load_file(models("regression") / "model.safetensors")
    name = next(k for k, v in tensors.items() if v.dim() == 4)
    _refused(_changed(models, tmp_path, {**tensors, name: torch.zeros(1, 1, 1, 1)}), "another model")
    _refused(_changed(models, tmp_path, {k: v for k, v in tensors.items() if k != name}), "another model")
    _refused(_changed(models, tmp_path, {**tensors, "extra": torch.zeros(1)}), "another model")


def test_sizes_are_checked_before_anything_is_allocated(models, tmp_path):
    huge = {**REGRESSION, "network": {**REGRESSION["network"], "width": 4096, "max_width": 4096, "levels": 12}}
    _refused(_changed(models, tmp_path, model=huge), "another model")  # tens of gigabytes, had they been allocated
    wide = {**REGRESSION, "network": {**REGRESSION["network"], "width": 900_000, "max_width": 900_000}}
    _refused(_changed(models, tmp_path, model=wide), "from 1 to 4096")
    deep = {**REGRESSION, "network": {**REGRESSION["network"], "levels": 12, "blocks": 100, "width": 1, "max_width": 1}}
    _refused(_changed(models, tmp_path, model=deep), "layers|another model")
    _refused(_changed(models, tmp_path, model={**REGRESSION, "weights": {"distance": 10**30}}), "out of bounds")
    _refused(_changed(models, tmp_path, size=10**9), "damaged")
    folder = _changed(models, tmp_path)
    header = json.dumps({"x": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    _refused(folder, "damaged|claims more")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + header)
    _refused(folder, "not a safetensors")


@pytest.mark.parametrize(
    "model",
    [
        {"family": "os.system"},
        {"family": "regresion"},
        {"_target_": "os.system"},
        {},
        {**REGRESSION, "network": {"network": "builtins.eval"}},
        {**REGRESSION, "network": "rm -rf"},
        {**REGRESSION, "network": {**REGRESSION["network"], "_target_": "os.system"}},
        {**REGRESSION, "plugins": ["antigravity"]},
        {**REGRESSION, "head": [1]},
        {**REGRESSION, "network": {**REGRESSION["network"], "width": -3}},
        {**REGRESSION, "network": {**REGRESSION["network"], "stem": 0}},
    ],
)
def test_a_configuration_can_choose_among_registered_components_and_nothing_else(model, models, tmp_path):
    _refused(_changed(models, tmp_path, model=model), ".")


def test_names_are_counted_and_compared_before_torch_looks_at_them(models, tmp_path, monkeypatch):
    monkeypatch.setattr(portable, "load_into", None)
    for many, words in ((100_000, "a header of 100,001 entries"), (10_000, "another model")):
        folder = _changed(models, tmp_path)
        entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
        header = json.dumps({"__metadata__": {}} | {f"n{i}": entry for i in range(many)}).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
        _refused(folder, words)


def test_a_size_that_takes_gigabytes_is_the_users_word_and_never_the_files(models, tmp_path):
    folder = _changed(models, tmp_path, size=8192)
    with pytest.raises(UserError, match=r"8192 px, which takes gigabytes; .* --size 8192"):
        Colorizer.from_pretrained(folder, device="cpu")
    assert Colorizer.from_pretrained(folder, device="cpu", size=2048).size == 2048


def test_so_is_the_size_of_a_run_folder_which_may_be_a_strangers_too(tmp_path):
    run = {"model": "regression"}
    data = {"size": 8192, "source": {"source": "scenes"}, "limit": None}
    config = {"model": REGRESSION, "plugins": [], "engine": {"patience": None}, "data": data, "run": run}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    weights = colorful(REGRESSION).state_dict()
    Checkpoints(tmp_path / "checkpoints").save(0, weights, weights, {"images": 0})
    with pytest.raises(UserError, match=r"8192 px, which takes gigabytes; .* --size 8192"):
        Colorizer.from_pretrained(tmp_path, device="cpu")
    assert Colorizer.from_pretrained(tmp_path, device="cpu", size=2048).size == 2048


def test_files_of_other_kinds_are_refused_in_one_line(models, tmp_path):
    for text in ("", "[]", "{", "null", '{"format": 1}', "[" * 100_000):
        folder = _changed(models, tmp_path)
        (folder / "config.json").write_text(text)
        _refused(folder, "not JSON|not a colorbench model")
    for data in (b"", b"12345678", b"\x10" + b"\0" * 7 + b"[" * 16, bytes(100)):
        folder = _changed(models, tmp_path)
        (folder / "model.safetensors").write_bytes(data)
        _refused(folder, "safetensors")
    plain = tmp_path / "plain.safetensors"
    save_file({"x": torch.zeros(2)}, plain)
    _refused(plain, "not what model")


def test_the_hub_gets_three_files_and_gives_them_back(models, tmp_path, monkeypatch):
    import huggingface_hub

    hub = tmp_path / "hub"

    class Api:
        def create_repo(self, name, private, exist_ok):
            (hub / name).mkdir(parents=True, exist_ok=True)

        def upload_folder(self, repo_id, folder_path, allow_patterns):
            for file in allow_patterns:
                shutil.copy(f"{folder_path}/{file}", hub / repo_id / file)
            return f"hub/{repo_id}"

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: str(hub / name))
    portable.push(models("vae"), "user/colors", private=True)
    assert sorted(p.name for p in (hub / "user/colors").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert Colorizer.from_pretrained("user/colors", device="cpu").name == "vae"
    for name in ("../../gone", "user/..", "nowhere"):
        with pytest.raises(UserError, match="no such file"):
            Colorizer.from_pretrained(name, device="cpu")


def test_the_hub_librarys_own_client_finds_the_model_in_its_cache(models, tmp_path, monkeypatch):
    """Nothing is replaced but the place of the cache: the layout of files is the Hugging Face client's."""
    from huggingface_hub import constants

    revision = "a" * 40
    repository = tmp_path / "hub" / "models--user--colors"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    shutil.copytree(models("vae"), repository / "snapshots" / revision)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = Colorizer.from_pretrained("user/colors", device="cpu")
    picture = Image.fromarray(levels())
    mine = Colorizer.from_pretrained(models("vae"), device="cpu")
    assert np.array_equal(np.asarray(found(picture, seed=2)), np.asarray(mine(picture, seed=2)))
    with pytest.raises(UserError, match="the Hub does not give it"):
        Colorizer.from_pretrained("user/others", device="cpu")
