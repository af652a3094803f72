import csv
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from colorbench import color
from colorbench.commands.evaluate import main
from colorbench.errors import UserError
from colorbench.evaluation import rows
from colorbench.evaluation.baselines import TRIVIAL, evaluate_baselines
from colorbench.evaluation.judge import evaluate_colorizer, evaluate_family
from colorbench.evaluation.protocol import Protocol, plan
from colorbench.evaluation.rows import Evaluation
from colorbench.evaluation.submission import judge_folder
from colorbench.families.gray import Gray
from colorbench.metrics.suite import Suite
from colorbench.report.preview import write_preview


def test_rows_hold_one_line_for_each_image_and_sample_and_read_back_as_written(judge, tmp_path: Path) -> None:
    done = judge(tmp_path, "toy", 0.5, spread=0.1, draws=4)
    with (done.folder / "rows.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 24 * 4
    assert {row["sample"] for row in lines} == {"0", "1", "2", "3"}
    again = Evaluation.read(done.folder)
    assert again.names == done.names
    assert again.protocol.id == done.protocol.id
    for name, values in done.per_image.items():
        np.testing.assert_array_equal(again.per_image[name], values)  # a run cut after it says the same digits


def test_scores_do_not_depend_on_the_batch_size(make_plan, cpu, tmp_path: Path) -> None:
    made = make_plan()

    def colorize(batch, noise):
        return (batch.ab + 0.1 * noise.normal("x", 2, 1, 1)).clamp(-1, 1)

    one, two = (
        evaluate_colorizer(
            colorize, made, folder=tmp_path / str(size), record={"name": "x"}, device=cpu, draws=2, batch_size=size
        )
        for size in (5, 24)
    )
    for name in one.scores:
        np.testing.assert_allclose(one.scores[name], two.scores[name], rtol=1e-5, atol=1e-6)


def test_every_protocol_has_its_trivial_rows_made_once(make_plan, data, cpu, tmp_path: Path) -> None:
    made = make_plan()
    first = evaluate_baselines(data, made, output=tmp_path, device=cpu)
    assert [e.record["name"] for e in first] == list(TRIVIAL)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("rows.csv")}
    assert len(stamps) == len(TRIVIAL)
    evaluate_baselines(data, made, output=tmp_path, device=cpu)
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("rows.csv")}
    gray, mean, luma, nearest, *samplers, truth = first
    assert all(e.record["draws"] == made.protocol.draws for e in samplers)
    assert truth.scores["psnr"].min() == 100.0
    assert truth.scores["ciede2000"].max() == 0.0
    assert gray.scores["chroma_ratio"].max() < 0.05
    # the best constant of the training split has no drift on it, so little on the test split
    assert abs(mean.scores["drift_b"].mean()) < abs(gray.scores["drift_b"].mean())
    assert nearest.scores["chroma_ratio"].mean() > luma.scores["chroma_ratio"].mean()


def test_of_several_that_want_a_baseline_at_once_one_judges_it_and_all_read_it_whole(
    make_plan, data, cpu, tmp_path: Path, monkeypatch
) -> None:
    made, judged, slow = make_plan(), [], rows._write_csv

    def write(path: Path, *rest) -> None:
        judged.append(path.name)
        time.sleep(0.1)
        slow(path, *rest)

    monkeypatch.setattr(rows, "_write_csv", write)
    with ThreadPoolExecutor(4) as pool:
        wanted = [
            pool.submit(evaluate_baselines, data, made, output=tmp_path, device=cpu, names=("gray", "truth"))
            for _ in range(4)
        ]
        found = [[e.scores["psnr"].tolist() for e in each.result()] for each in wanted]
    assert sorted(judged) == ["draws.csv", "draws.csv", "rows.csv", "rows.csv"]
    assert all(np.allclose(one, found[0], rtol=1e-6) for one in found)


def test_an_evaluation_made_again_is_unfinished_until_its_end(judge, tmp_path: Path, monkeypatch) -> None:
    done = judge(tmp_path, "toy", 0.5)

    def cut(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "_write_csv", cut)
    with pytest.raises(KeyboardInterrupt):
        done.write(done.folder)
    assert not rows.done(done.folder)


def test_the_nearest_neighbor_of_a_training_picture_is_itself(data, cpu, tmp_path: Path, make_plan) -> None:
    world = SimpleNamespace(train=data.train, test=data.train, fingerprint="f")
    made = plan(
        {"name": "x", "split": "test", "limit": None, "draws": 1, "seed": 0, "expect": {}, "gallery": 0, "matters": {}},
        world,
        Suite.of({"psnr": {"metric": "psnr"}, "ciede2000": {"metric": "ciede2000"}}),
    )
    nearest, gray = evaluate_baselines(world, made, output=tmp_path, device=cpu, names=("nearest", "gray"))
    assert nearest.scores["ciede2000"].mean() < 0.5 * gray.scores["ciede2000"].mean()


def test_a_deterministic_familys_energy_score_is_its_distance(make_plan, cpu, tmp_path: Path) -> None:
    done = evaluate_family(Gray(), make_plan(), folder=tmp_path / "g", record={"name": "gray"}, device=cpu)
    assert set(done.draws) == {"energy", "energy_field", "variogram", "flat", "flat_true", "flat_score"}
    assert done.scores["psnr"].shape == (24, 1)


def test_a_finished_evaluation_is_read_and_not_repeated(make_plan, cpu, tmp_path: Path) -> None:
    made = make_plan()
    evaluate_family(Gray(), made, folder=tmp_path, record={"name": "gray"}, device=cpu)
    stamp = (tmp_path / "rows.csv").stat().st_mtime_ns
    evaluate_family(Gray(), made, folder=tmp_path, record={"name": "gray"}, device=cpu)
    assert (tmp_path / "rows.csv").stat().st_mtime_ns == stamp
    evaluate_family(Gray(), made, folder=tmp_path, record={"name": "gray"}, device=cpu, force=True)
    assert (tmp_path / "rows.csv").stat().st_mtime_ns != stamp


def test_a_model_that_was_trained_on_is_judged_again(make_plan, cpu, tmp_path: Path) -> None:
    made, early, late = make_plan(), {"name": "gray", "images_seen": 8}, {"name": "gray", "images_seen": 16}
    evaluate_family(Gray(), made, folder=tmp_path, record=early, device=cpu)
    assert evaluate_family(Gray(), made, folder=tmp_path, record=late, device=cpu).record["images_seen"] == 16
    assert Evaluation.read(tmp_path).record["images_seen"] == 16


@pytest.mark.parametrize("wrong", ["nan", "shape"])
def test_an_answer_that_is_no_picture_is_an_error_and_never_a_number(
    make_plan, cpu, tmp_path: Path, wrong: str
) -> None:
    def colorize(batch, noise):
        return batch.ab * float("nan") if wrong == "nan" else batch.ab[:, :1]

    with pytest.raises(ValueError, match="must give finite values"):
        evaluate_colorizer(colorize, make_plan(), folder=tmp_path, record={"name": "bad"}, device=cpu)


# ------------------------------------------------------------------------------------------------------- protocol


def test_the_protocols_id_is_what_defines_the_numbers_and_nothing_else(make_plan, data) -> None:
    base = make_plan().protocol.id
    assert make_plan(gallery=2, name="other").protocol.id == base
    for change in ({"limit": 12}, {"draws": 2}, {"seed": 1}, {"metrics": {"psnr": {"metric": "psnr"}}}):
        assert make_plan(**change).protocol.id != base, change
    other = SimpleNamespace(test=type(data.test)(data.test.names, 255 - data.test.pixels))
    same = SimpleNamespace(test=type(data.test)(list(data.test.names), data.test.pixels.clone()))
    config = {
        "name": "test",
        "split": "test",
        "limit": None,
        "draws": 4,
        "seed": 0,
        "expect": {},
        "gallery": 6,
        "matters": {},
    }
    suite = make_plan().suite
    assert plan(config, same, suite).protocol.id == base
    assert plan(config, other, suite).protocol.id != base


def test_an_edited_protocol_file_is_refused(judge, tmp_path: Path) -> None:
    done = judge(tmp_path, "toy", 0.5)
    file = done.folder / "protocol.json"
    file.write_text(file.read_text().replace('"size": 32', '"size": 64'))
    with pytest.raises(UserError, match="edited"):
        Evaluation.read(done.folder)


def test_a_protocol_survives_its_file(make_plan) -> None:
    protocol = make_plan().protocol
    assert Protocol.read(json.loads(json.dumps(protocol.lossless))) == protocol


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "dev"}, "expected train, val or test"),
        ({"draws": 0}, "1 or more"),
        ({"drwas": 3}, "did you mean 'draws'"),
        ({"expect": {"size": 256}}, "expects size = 256"),
        ({"expect": {"images": 5000}}, "expects images = 5000"),
    ],
)
def test_a_mistaken_protocol_is_one_clear_line(make_plan, change, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_plan(**change)


def test_pictures_that_may_not_be_the_published_set_are_told_of(make_plan, data, cpu, tmp_path: Path) -> None:
    metrics = {"compat": "ddcolor", "psnr": {"metric": "psnr"}}
    made = make_plan(metrics=metrics, expect={"colorfulness_abs": 38.21})
    with pytest.warns(UserWarning, match=r"colorfulness is .*, the published set's is 38.21"):
        evaluate_baselines(data, made, output=tmp_path / "wrong", device=cpu, names=("truth",))
    truth = evaluate_baselines(data, make_plan(metrics=metrics), output=tmp_path / "any", device=cpu, names=("truth",))[
        0
    ]
    actual = float(truth.scores["colorfulness_abs(ddcolor)_true"].mean())
    made = make_plan(metrics=metrics, expect={"colorfulness_abs": round(actual, 2)})
    evaluate_baselines(data, made, output=tmp_path / "right", device=cpu, names=("truth",))
    made = make_plan(expect={"colorfulness_abs": 1.0})
    with pytest.raises(UserError, match="add metrics=ddcolor"):
        evaluate_baselines(data, made, output=tmp_path, device=cpu, names=("truth",))


# ---------------------------------------------------------------------------------------------- folders of pictures


@pytest.fixture
def folders(data, tmp_path: Path) -> tuple[Path, Path]:
    """(truths, pictures by another program: scikit-image's gray2rgb, tinted)."""
    from PIL import Image
    from skimage.color import gray2rgb, rgb2gray

    truths, answers = tmp_path / "truths", tmp_path / "answers"
    for name, pixels in zip(data.test.names, data.test.pixels, strict=True):
        picture = pixels.permute(1, 2, 0).numpy()
        for folder, what in (
            (truths, picture),
            (answers, (gray2rgb(rgb2gray(picture)) * [255, 240, 215]).astype(np.uint8)),
        ):
            path = folder / name.replace(".jpg", ".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(what).save(path)
    return truths, answers


def run(*words: str | Path) -> None:
    main([str(word) for word in words])


def test_a_folder_of_another_programs_pictures_gets_a_row(folders, tmp_path: Path, capsys) -> None:
    truths, answers = folders
    run(answers, "--truth", truths, "--name", "gray2rgb", "--output", tmp_path / "out", "--set", "metrics=fast")
    *said, where = capsys.readouterr().out.splitlines()
    done = Evaluation.read(Path(where))
    assert any(line.startswith("| gray2rgb") for line in said)  # the row at once
    assert done.record["kind"] == "folder"
    assert done.scores["psnr"].shape == (24, 1)
    from colorbench.commands.table import main as table

    table([str(tmp_path / "out")])
    text = capsys.readouterr().out
    assert "| gray2rgb" in text
    assert "| (gray)" in text
    assert "| (truth)" in text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("short", "1 of 24 pictures are missing, such as 'street/03'"),
        ("misnamed", "1 of 24 pictures are missing.*unknown names such as 'street/x'"),
        ("extra", "1 pictures match no truth, such as 'street/x'"),
        ("size", "is 16 x 16 px, its truth 32 x 32"),
        ("gray", "1 of 24 pictures are gray although the truth is not, such as 'street/03'"),
        ("broken", "cannot be read"),
        ("empty", "holds no pictures"),
    ],
)
def test_a_folder_with_something_wrong_is_refused_in_one_line(
    folders, tmp_path: Path, damage: str, message: str
) -> None:
    from PIL import Image

    truths, answers = folders
    victim = answers / "street/03.png"
    picture = Image.open(victim).convert("RGB")
    if damage == "short":
        victim.unlink()
    elif damage == "misnamed":
        victim.rename(answers / "street/x.png")
    elif damage == "extra":
        picture.save(answers / "street/x.png")
    elif damage == "size":
        picture.resize((16, 16)).save(victim)
    elif damage == "gray":
        picture.convert("L").save(victim)
    elif damage == "broken":
        victim.write_bytes(victim.read_bytes()[:100])
    else:
        for path in answers.rglob("*.png"):
            path.unlink()
    with pytest.raises(UserError, match=message) as mistake:
        run(answers, "--truth", truths, "--output", tmp_path / "out", "--set", "metrics=fast")
    assert "\n" not in str(mistake.value)
    assert not list((tmp_path / "out").rglob("submissions/**/record.json"))
    if damage == "gray":
        run(answers, "--truth", truths, "--output", tmp_path / "out", "--set", "metrics=fast", "--allow-gray")


def test_beside_a_folder_of_truths_no_other_trivial_rows_can_be_asked_for(folders, tmp_path: Path) -> None:
    truths, answers = folders
    with pytest.raises(UserError, match="--baselines: beside a folder's pictures gray and truth alone are judged"):
        run(answers, "--truth", truths, "--output", tmp_path / "out", "--baselines", "neighbors")


def test_a_folder_without_truths_is_told_what_to_give(folders) -> None:
    with pytest.raises(UserError, match="give --truth"):
        run(folders[1])


def test_the_preview_lays_the_gallery_out(judge, make_plan, data, cpu, tmp_path: Path) -> None:
    from PIL import Image

    trivial = evaluate_baselines(data, make_plan(), output=tmp_path, device=cpu, names=("gray", "truth"))
    path = write_preview([*trivial, judge(tmp_path, "toy", 1.0)], tmp_path / "p.png", images=4)
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[1] > picture.shape[0]
    assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 500
    kept = sorted((trivial[1].folder / "gallery").iterdir())
    assert len(kept) == 6
    first = torch.from_numpy(np.array(Image.open(kept[0]))).permute(2, 0, 1)
    assert torch.equal(first, data.test.pixels[0])
    assert color.from_bytes(first[None]).max() <= 1


def test_help_needs_no_torch() -> None:
    import subprocess
    import sys

    for verb in ("evaluate", "table", "report"):
        code = (
            f"import sys; sys.argv = ['x', '--help']; from colorbench.commands.{verb} import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout


def test_every_draw_has_a_noise_of_its_own_and_every_model_the_same(make_plan, cpu, tmp_path: Path) -> None:
    def keys(folder: str) -> list[tuple[int, ...]]:
        seen = []

        def colorize(batch, noise):
            seen.append(tuple(noise.keys.tolist()))
            return torch.zeros_like(batch.ab)

        options = {"folder": tmp_path / folder, "record": {"name": folder}, "device": cpu}
        evaluate_colorizer(colorize, make_plan(), draws=3, batch_size=1000, **options)
        return seen

    first = keys("a")
    assert len(set(first)) == len(first) == 3
    assert not set(first[0]) & set(first[1])
    assert keys("b") == first


@pytest.mark.parametrize("name", ["../../up", "/tmp/up", "", "a\nb", "x" * 300])
def test_a_submissions_name_stays_inside_the_output_folder(make_plan, cpu, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="--name: expected a name that stays inside the output folder"):
        judge_folder(tmp_path, make_plan(), name=name, output=tmp_path / "out", device=cpu)


# --------------------------------------------------------------------------------------------------------- of a run


def test_which_trivial_rows_are_judged_can_be_said_and_the_truths_always_is(cli, tmp_path: Path, capsys) -> None:
    tiny = [
        *("data=scenes", "data.size=16", "data.source.train=16", "data.source.val=8", "data.source.test=4"),
        *("batch_size=8", "budget.images=8", "monitor.images=4", "monitor.previews=0", "metrics=fast", "device=cpu"),
    ]
    done = cli("model=gray", "evaluate=false", *tiny, f"data.cache={tmp_path / 'cache'}", f"output={tmp_path}")
    assert done.returncode == 0, done.stderr
    (config,) = tmp_path.glob("default/*/config.yaml")
    run(config.parent, "--baselines", "gray", "mean", "--device", "cpu")
    (protocol,) = (tmp_path / "baselines").iterdir()
    assert {folder.name.split("-")[0] for folder in protocol.iterdir()} == {"gray", "mean", "truth"}
    with pytest.raises(UserError, match="--baselines grey: expected some of gray, mean"):
        run(config.parent, "--baselines", "grey", "--device", "cpu", "--force")
