import pytest
import yaml

from colorbench import registry
from colorbench.errors import UserError
from colorbench.runs import config
from colorbench.runs.run import open_run

MODELS = config.options("model")


@pytest.mark.parametrize("model", MODELS)
def test_every_model_composes_and_names_a_registered_family(model):
    composed = config.compose([f"model={model}"])
    assert composed["model"]["family"] in registry.names("family")


def test_every_registered_family_is_reachable_from_a_model_yaml():
    used = {config.compose([f"model={model}"])["model"]["family"] for model in MODELS}
    assert set(registry.names("family")) == used


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=unetgn"], ["unknown model 'unetgn'", "'unetgan'"]),
        (["loss=l3"], ["unknown loss 'l3'", "'l1'"]),
        (["data=fodler"], ["unknown data 'fodler'", "'folder'"]),
        (["sed=1"], ["unknown key 'sed'", "'seed'"]),
        (["budget.image=1"], ["'budget.images'"]),
        (["data=folder"], ["data.root", "data.root=..."]),
        (["model=unet", "adversary=hinge"], ["adversary=hinge", "no adversary"]),
        (["seed==3"], ["seed==3"]),
        (["model=ddpm", "model.timess=3"], ["'model.times'"]),
        (["model=unet", "data.root=X"], ["unknown key 'data.root'; it belongs to", "data=folder"]),
        (["engine=null"], ["engine"]),
        (["phases=[{updates: [generator]}]"], ["phases", "a name is expected", "warmup", "phases.KEY"]),
        (["loss={l1: 1}"], ["loss", "a name is expected", "huber", "loss.KEY"]),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_with_the_cure(overrides, words):
    with pytest.raises(UserError) as caught:
        config.compose(overrides)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def identity(*overrides: str) -> str:
    return config.digest(config.identity(config.compose(list(overrides)), "pictures"))


def test_what_changes_the_science_changes_the_name_of_the_run():
    base = identity()
    for override in (
        "seed=1",
        "model=unet",
        "loss=mse",
        "batch_size=8",
        "optim.lr=0.1",
        "budget.images=5",
        "precision=fp32",
    ):
        assert identity(override) != base
    assert config.digest(config.identity(config.compose([]), "other pictures")) != base


def test_the_number_of_ranks_is_part_of_a_runs_name_and_one_is_not():
    tree = config.compose([])
    one, two, four = (config.digest(config.identity({**tree, "ranks": n}, "pictures")) for n in (1, 2, 4))
    assert one == identity()
    assert len({one, two, four}) == 3


def test_what_does_not_change_the_science_keeps_the_name_of_the_run():
    base = identity()
    for override in (
        "output=elsewhere",
        "device=cpu",
        "logger=wandb",
        "force=true",
        "engine.checkpoint_seconds=1",
        "data.workers=1",
    ):
        assert identity(override) == base


def test_a_photo_set_in_another_folder_is_the_same_science():
    here, there = (identity("data=folder", f"data.root={root}") for root in ("here", "there"))
    assert here == there


def test_experiment_may_be_written_with_and_without_a_plus():
    assert config.compose(["experiment=smoke"]) == config.compose(["+experiment=smoke"])
    assert config.compose(["experiment=smoke"])["budget"]["images"] == 320
    assert config.compose(["experiment=smoke", "budget.images=7"])["budget"]["images"] == 7


ABLATIONS = [name for name in config.options("experiment") if name.startswith("ablation_") and name != "ablation_base"]


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_is_a_sweep_from_the_common_base_to_one_change(name):
    preset = yaml.safe_load((config.conf_dir() / "experiment" / f"{name}.yaml").read_text())
    ((key, values),) = preset["hydra"]["sweeper"]["params"].items()
    base, *changed = [config.compose([f"+experiment={name}", f"{key}={value}"]) for value in values.split(",")]
    assert base == config.compose(["experiment=ablation_base"])
    assert changed
    assert base not in changed


def test_an_epoch_is_part_of_a_runs_name_and_none_is_not():
    assert identity("budget.epochs=3") != identity()
    tree = config.compose([])
    del tree["budget"]["epochs"]
    assert config.digest(config.identity(tree, "pictures")) == identity()


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch, tmp_path):
    for name in ("COLORBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert config.compose(["data=scenes"])["data"]["cache"] == "~/.cache/colorbench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert config.compose(["data=cifar10"])["data"]["root"] == f"{tmp_path}/colorbench/downloads"
    monkeypatch.setenv("COLORBENCH_CACHE", "/elsewhere")
    assert config.compose(["data=scenes"])["data"]["cache"] == "/elsewhere"


def test_a_map_of_peoples_own_names_is_not_called_unknown():
    words = [
        "data=folder",
        "data.root=x",
        "data.source.splits={mine: train, held: test}",
        "data.source.first={held: 5}",
    ]
    tree = config.compose(words)
    assert {"mine": "train", "held": "test"}.items() <= tree["data"]["source"]["splits"].items()
    assert tree["data"]["source"]["first"] == {"held": 5}
    with pytest.raises(UserError, match="unknown key"):
        config.compose(["budget={imags: 3}"])


def test_a_run_from_before_a_key_was_there_still_opens_its_pictures(tmp_path):
    made = {**config.compose(["data=photos", "data.size=16", f"data.cache={tmp_path}"]), "run": {"model": "unetgan"}}
    del made["data"]["filtered"], made["init_map"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(made))
    run = open_run(tmp_path)
    assert len(run.data().test) > 0
    assert run.config["init_map"] is None


def test_what_a_preset_says_of_one_model_is_of_a_preset_and_a_model_that_exist():
    """The entry is optional in config.yaml: a file of a wrong name would be left out without a word."""
    conf = config.conf_dir()
    found = sorted((conf / "by_model").glob("*/*.yaml"))
    assert found
    assert [f for f in found if not (conf / "experiment" / f"{f.parent.name}.yaml").is_file()] == []
    assert [f for f in found if not (conf / "model" / f.name).is_file()] == []
    assert [config.compose(words)["batch_size"] for words in (["model=flow"], ["model=flow", "batch_size=32"])] == [
        8,
        32,
    ]
