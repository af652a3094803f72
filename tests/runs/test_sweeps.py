import json

import pytest
import yaml

from colorbench.commands.runs import main as listed
from colorbench.commands.sweeps import main
from colorbench.engine.checkpoint import Checkpoints
from colorbench.errors import UserError
from colorbench.runs import ledger as sweeps
from colorbench.runs.run import find_runs


def cell(root, model, seed, state, checkpoint=False, **facts):
    folder = root / "study" / f"{model}-{seed}"
    folder.mkdir(parents=True)
    config = {"run": {"model": model}, "seed": seed, "model": {"family": model}, "output": str(root)}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "status.json").write_text(json.dumps({"state": state, **facts}))
    if checkpoint:
        (folder / "checkpoints" / "last").mkdir(parents=True)
    return folder


def test_status_shows_the_axes_and_counts_the_states(tmp_path, capsys):
    cell(tmp_path, "unet", 0, "finished", images_seen=1200)
    cell(tmp_path, "unet", 1, "running")
    cell(tmp_path, "gan", 0, "failed", error="UserError: boom")
    assert main(["status", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["state", "images", "model", "seed", "folder"]
    assert "1 cut, 1 failed, 1 finished" in out
    assert "1,200" in out


def test_a_run_whose_process_lives_is_running(tmp_path):
    from colorbench.runs.folder import RunFolder

    folder = cell(tmp_path, "unet", 0, "running")
    with RunFolder(folder):
        assert [c.state for c in sweeps.cells(tmp_path)] == ["running"]
    assert [c.state for c in sweeps.cells(tmp_path)] == ["cut"]


def test_failed_names_the_error_and_clean_deletes_only_what_cannot_be_resumed(tmp_path, capsys):
    lost = cell(tmp_path, "gan", 0, "failed", error="UserError: boom")
    kept = [cell(tmp_path, "gan", 1, "failed", checkpoint=True), cell(tmp_path, "unet", 0, "finished")]
    assert main(["failed", str(tmp_path)]) == 1
    assert "UserError: boom" in capsys.readouterr().out
    assert main(["clean", str(tmp_path)]) == 0
    assert not lost.exists()
    assert all(folder.exists() for folder in kept)


def test_a_folder_without_runs_is_a_clear_line(tmp_path):
    with pytest.raises(UserError, match="no runs here"):
        main(["status", str(tmp_path)])


@pytest.mark.parametrize("changed", ["seed", "pictures"])
def test_a_folder_that_holds_another_run_is_not_resumed(tmp_path, changed):
    from colorbench.runs.folder import RunFolder
    from colorbench.training.train import _same_run

    identity = {"seed": 0, "pictures": "abc"}
    RunFolder(tmp_path).write_json("identity.json", identity)
    _same_run(RunFolder(tmp_path), identity)
    with pytest.raises(UserError, match=f"holds a run with {changed}"):
        _same_run(RunFolder(tmp_path), {**identity, changed: "other"})


def test_a_run_does_not_feel_what_ran_before_it_in_its_process(processes, overrides, tmp_path):
    import driver
    from safetensors.torch import load_file

    quick = ("engine.validate_every=100%", "monitor.previews=0", "budget.images=48")
    first = overrides("seed=3", "precision=bf16", "deterministic=true", *quick)
    second = overrides("adversary=hinge", "data.augment.jitter=0.3", *quick)
    for name, runs in (("both", [first, second]), ("alone", [second])):
        words = [[*run, f"output={tmp_path / name}"] for run in runs]
        child = processes.Process(target=driver.several, args=(words,))
        child.start()
        child.join(250)
        assert child.exitcode == 0
    (alone,) = (tmp_path / "alone/default").iterdir()
    after = tmp_path / "both/default" / alone.name
    for file in ("weights", "ema"):
        one, other = (load_file(run / f"checkpoints/last/{file}.safetensors") for run in (alone, after))
        assert one.keys() == other.keys()
        assert all((one[key] == other[key]).all() for key in one)


@pytest.mark.parametrize("file", ["status.json", "config.yaml"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b"a: [", b"3"])
def test_a_damaged_run_is_one_line_of_a_table_that_stands(file, content, tmp_path, capsys):
    cell(tmp_path, "unet", 0, "finished", images_seen=1200)
    (cell(tmp_path, "unet", 1, "finished", images_seen=7) / file).write_bytes(content)
    main(["status", str(tmp_path)])
    out = capsys.readouterr().out
    assert "1 damaged, 1 finished" in out
    assert "unet-1" in out
    assert next(run.path.name for run in find_runs([tmp_path])) == "unet-0"


def test_clean_keeps_a_run_whose_links_are_lost(tmp_path):
    folder = cell(tmp_path, "unet", 0, "cut")
    (folder / "checkpoints" / "images-000000010").mkdir(parents=True)
    main(["clean", str(tmp_path)])
    assert folder.exists()


def test_runs_are_listed_the_newest_first_with_what_to_type_next(tmp_path, capsys):
    old = cell(tmp_path, "unet", 0, "finished", images_seen=1200, updated="2026-01-01T10:00:00Z")
    (old / "metrics.jsonl").write_text(json.dumps({"images_seen": 1200, "test/ciede2000": 12.345}) + "\n")
    new = cell(tmp_path, "gan", 0, "interrupted", updated="2026-01-02T10:00:00Z")
    Checkpoints(new / "checkpoints").save(512, {}, {}, {})
    (new / "overrides.txt").write_text("model=gan\nphases=[{until: 20%}]\n")
    assert listed([str(tmp_path)]) is None
    heads, first, second, *rest = capsys.readouterr().out.splitlines()
    assert heads.split()[-2:] == ["CIEDE2000", "folder"]
    assert first.split() == ["2026-01-02", "10:00", "interrupted", "gan", "0", "512", str(new)]
    assert second.split()[-2:] == ["12.35" if "12.35" in second else "12.34", str(old)]
    assert f"{new.name} goes on with: colorbench model=gan 'phases=[{{until: 20%}}]'" in rest
    assert any(line.startswith(f"{old.name} to look at: colorbench report") for line in rest)


def test_only_runs_of_a_state_are_listed_where_one_is_asked_for(tmp_path, capsys):
    cell(tmp_path, "unet", 0, "finished", images_seen=1200)
    cell(tmp_path, "gan", 0, "failed")
    listed([str(tmp_path), "--state", "failed"])
    assert "gan-0" in (out := capsys.readouterr().out)
    assert "unet-0" not in out
    with pytest.raises(UserError, match="no run is running"):
        listed([str(tmp_path), "--state", "running"])


def test_an_interrupted_run_says_where_it_goes_on_and_rows_stay_short(tmp_path, capsys):
    folder = cell(tmp_path, "unet", 0, "interrupted", images_seen=128)  # as of an earlier pause
    (folder / "metrics.jsonl").write_text(json.dumps({"images_seen": 480}) + "\n")
    Checkpoints(folder / "checkpoints").save(512, {}, {}, {})
    other = cell(tmp_path, "unet", 1, "finished", images_seen=1200)
    config = yaml.safe_load((other / "config.yaml").read_text())
    changed = {**config, "model": {"family": "unet", "phases": [{"until": "20%", "weights": {"a": 0.0}}] * 9}}
    (other / "config.yaml").write_text(yaml.safe_dump(changed))
    main(["status", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert "512" in next(line for line in lines if "interrupted" in line)
    assert max(len(line.partition(str(tmp_path))[0]) for line in lines) <= 120


def test_a_sweep_shows_what_differs_in_it_and_not_what_differs_from_other_sweeps(tmp_path, capsys):
    for seed in (0, 1):
        cell(tmp_path, "unet", seed, "finished", images_seen=1200)
    other = cell(tmp_path, "gan", 0, "finished", images_seen=1200)
    config = yaml.safe_load((other / "config.yaml").read_text())
    source = {"source": "folder", **{f"setting{i}": i for i in range(20)}}
    changed = {**config, "data": {"root": "/pictures/cats", "size": 64, "source": source}}
    (other / "config.yaml").write_text(yaml.safe_dump(changed))
    assert main(["status", str(tmp_path)]) == 0
    first, second = capsys.readouterr().out.split("\n\n")[:2]
    assert second.splitlines()[0] == f"{tmp_path / 'study'}"
    assert second.splitlines()[1].split() == ["state", "images", "model", "seed", "folder"]
    assert first.splitlines()[0] == f"{tmp_path / 'study'}, cats 64 px"
    assert first.splitlines()[1].split() == ["state", "images", "model", "folder"]


def test_what_killed_processes_left_in_a_run_is_gone_when_it_is_owned_again(tmp_path):
    from colorbench.runs.folder import RunFolder

    mine = [".status.json.4242", ".last.4242", ".colorbench-00000000-1-0.part"]
    for name in (*mine, "status.json", ".hidden", "eval/p/.colorbench-00000000-1-0.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with RunFolder(tmp_path):
        left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == [".hidden", "eval/p/.colorbench-00000000-1-0.part", "lock", "lock.owner", "status.json"]
