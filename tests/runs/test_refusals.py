"""Whatever can be refused is refused before the first step, and leaves no run behind."""

import pytest

from colorbench.errors import UserError
from colorbench.runs.config import compose
from colorbench.training import train as module
from colorbench.training.train import train

WORDS = [
    "model=unet",
    "model.network.width=8",
    "model.network.max_width=8",
    "model.network.levels=2",
    "data=scenes",
    "data.size=16",
    "data.source.train=16",
    "data.source.val=8",
    "data.source.test=8",
    "batch_size=8",
    "budget.images=16",
    "monitor.images=8",
    "monitor.previews=0",
    "device=cpu",
    "precision=fp32",
    "metrics=fast",
]
MISTAKES = {
    "metrics.psnr.metric=psnrr": "did you mean 'psnr'",
    "+metrics.psnr.peak=255": "no such option",
    "+metrics.mine=3": "metrics.mine: expected",
    "+metrics.twice={metric:psnr}": "two entries give the column",
    "metrics.compat=literature": "metrics.compat: expected one of",
    "+metrics.lpips={metric:lpips,net:alex,weights:/nope,label:null}": "/nope",
    "+metrics.lpips={metric:lpips,net:alexa,weights:null,label:null}": "alexa",
    "+metrics.fid={set_metric:fid,network:inception,resize:clean,weights:/nope,label:null,side:null,least:8}": "/nope",
    "+metrics.fid={set_metric:fidd}": "did you mean 'fid'",
    "protocol.draws=0": "protocol.draws: expected 1 or more",
    "protocol.draws=many": "protocol.draws",
    "protocol.draws=1.5": "protocol.draws",
    "protocol.limit=0": "protocol.limit: expected null, or 1 or more",
    "protocol.limit=-3": "protocol.limit: expected null, or 1 or more",
    "protocol.limit=few": "protocol.limit",
    "protocol.split=tests": "protocol.split: expected train, val or test",
    "protocol.seed=x": "protocol.seed",
    "protocol.seed=null": "protocol.seed",
    "protocol.seed=99999999999999999999": "protocol.seed",
    "protocol.gallery=-1": "protocol.gallery: expected 0 or more",
    "protocol.gallery=null": "protocol.gallery",
    "protocol.name=null": "protocol.name",
    "+protocol.drawz=3": "did you mean 'draws'",
    "+protocol.expect.size=64": "expects size = 64",
    "+protocol.expect.images=5000": "expects images = 5000",
    "+protocol.expect.colorfulness_abs=40": "add metrics=ddcolor",
    "+protocol.expect.colorfullness=40": "protocol.expect.colorfullness: expected",
    "protocol.expect=null": "protocol.expect",
    "~protocol.draws": "needs the option 'draws'",
}


@pytest.fixture
def words(tmp_path, tmp_path_factory):
    def make(*changes):
        cache = tmp_path_factory.getbasetemp() / "refusals-cache"
        return [*WORDS, f"output={tmp_path / 'outputs'}", f"data.cache={cache}", *changes]

    return make


SOME = [m if i % 3 == 0 else pytest.param(m, marks=pytest.mark.slow) for i, m in enumerate(MISTAKES)]
"""Every third in the default suite."""


@pytest.mark.parametrize("mistake", SOME)
def test_a_mistake_in_the_evaluation_is_refused_before_the_first_step(mistake, words, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_fit", None)
    with pytest.raises(UserError) as refused:
        train(compose(words(mistake)), model="unet", experiment="default")
    assert MISTAKES[mistake] in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert not list(tmp_path.rglob("status.json"))


def test_an_evaluation_of_nothing_is_refused_before_the_first_step(words, monkeypatch):
    monkeypatch.setattr(module, "_fit", None)
    config = {**compose(words()), "metrics": {"compat": "none", "psnr": None}}
    with pytest.raises(UserError, match="metrics: nothing is measured"):
        train(config, model="unet", experiment="default")


def test_a_set_that_is_not_the_published_one_is_known_before_the_first_step(words, monkeypatch):
    def begun(*_):
        raise ZeroDivisionError("the first step")

    monkeypatch.setattr(module, "_fit", begun)
    config = compose(words("metrics.compat=ddcolor", "+protocol.expect.colorfulness_abs=400"))
    with pytest.warns(UserWarning, match="are these the same pictures"), pytest.raises(ZeroDivisionError):
        train(config, model="unet", experiment="default")


def test_who_evaluates_nothing_may_ask_for_anything_and_an_empty_gallery_makes_no_picture(words):
    for changes in (["evaluate=false", "protocol.draws=0"], ["protocol.gallery=0"]):
        overrides = words(*changes, f"study=s{len(changes)}")
        done = train(compose(overrides), model="unet", experiment="default", overrides=overrides)
        assert not (done.path / "picture.png").exists()
