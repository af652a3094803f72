import csv
import gzip
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from colorbench.commands.table import main
from colorbench.errors import UserError
from colorbench.evaluation.archive import read_archive, write_archive
from colorbench.evaluation.baselines import ONCE, TRIVIAL, evaluate_baselines
from colorbench.evaluation.rows import Evaluation, find
from colorbench.metrics.place import PARTS
from colorbench.report.columns import column
from colorbench.report.sheet import LEGEND, Line, compared, sheet, sheets
from colorbench.report.table import FORMATS, difference, markdown
from colorbench.report.terminal import tables


@pytest.fixture(scope="module")
def outputs(judge, make_plan, data, cpu, tmp_path_factory) -> Path:
    """Three models of two or one seeds, a sampler, and the trivial rows."""
    output = tmp_path_factory.mktemp("outputs")
    evaluate_baselines(data, make_plan(), output=output, device=cpu)
    for seed in (0, 1):
        judge(output, "good", 0.8, seed=seed)
        judge(output, "poor", 0.3, seed=seed)
    judge(output, "twin", 0.8, seed=2)
    judge(output, "sampler", 0.7, spread=0.05, draws=4)
    return output


def test_seeds_of_one_model_are_one_row_and_trivial_rows_come_by_themselves(outputs: Path) -> None:
    (sheet,) = sheets([outputs / "default"])  # the baselines lie beside
    labels = [line.label for line in sheet.lines]
    assert labels == [*TRIVIAL, "good", "poor", "sampler", "twin"]
    assert {line.label: line.seeds for line in sheet.lines}["good"] == 2


def test_cells_know_rank_verdict_and_interval(outputs: Path) -> None:
    (sheet,) = sheets([outputs])
    cells = {label: row["ciede2000"] for label, row in sheet.cells.items()}
    assert cells["good"].rank < cells["poor"].rank
    assert cells["good"].verdict == "better"
    assert cells["good"].against in ONCE
    assert cells["gray"].rank == cells["truth"].rank == 0
    low, high = cells["twin"].interval.low, cells["twin"].interval.high
    assert low < cells["twin"].interval.mean < high
    assert "better: CIEDE2000 (" in sheet.verdict("good")


def test_the_best_is_bold_and_the_caption_names_n_protocol_and_seeds(outputs: Path) -> None:
    (sheet,) = sheets([outputs])
    text = markdown(sheet)
    best = next(line for line, cell in sheet.cells.items() if cell["psnr"].rank == 1)
    assert f"**{sheet.cells[best]['psnr'].interval.mean:.2f}** [" in text
    assert f"Protocol {sheet.protocol.id} (test): n = 24 test pictures at 32 px, 4 draws" in text
    assert "1 to 2 training seeds" in text


def test_the_note_says_how_far_training_seeds_lie_apart(outputs: Path) -> None:
    (sheet,) = sheets([outputs], metrics=["psnr", "joint"])
    several = [line for line in sheet.lines if line.label in ("good", "poor")]
    means = np.array([[e.per_image["psnr"].mean() for e in line.evaluations] for line in several])
    pooled = np.sqrt(means.var(axis=1, ddof=1).mean())  # as many seeds each
    assert pooled > 0
    assert sheet.retraining["psnr"].deviation == pytest.approx(pooled)
    assert set(sheet.retraining) == {"psnr", "joint"}
    (note,) = [note for note in sheet.notes if note.startswith("Between training seeds")]
    assert f"good (2), poor (2), 2 degrees of freedom, a mean deviates by: PSNR {pooled:.2g}" in note


def test_every_interval_of_a_model_holds_what_training_seeds_deviate_by(outputs: Path) -> None:
    """Also of models with one seed; the rows that are not trained keep theirs."""
    wanted = ["good", "twin", "sampler", "gray"]
    columns = ["psnr", "joint"]
    (many,) = sheets([outputs], metrics=columns)
    (few,) = sheets([*(outputs / "default").glob("*-[02]")], metrics=columns)  # one seed of each
    assert not few.retraining
    for name in columns:
        known = many.retraining[name]
        reach = known.deviation * 4.30265  # Student's t of two degrees
        for label in wanted:
            one, other = (sheet.cells[label][name].interval for sheet in (few, many))
            if label == "gray":
                assert one == other
            else:
                seeds = 2 if label == "good" else 1
                half = np.hypot((one.high - one.low) / 2, reach / np.sqrt(seeds))
                assert (other.high - other.low) / 2 == pytest.approx(half, rel=0.2)


def test_other_draws_from_one_checkpoint_are_not_parted_by_retraining(outputs: Path, judge, tmp_path: Path) -> None:
    for seed in (0, 1):
        judge(tmp_path, "good", 0.8, seed=seed)
    judge(tmp_path, "one", 0.6, run="one-0")
    judge(tmp_path, "two", 0.6, run="one-0-euler-012345", drawn_from="one-0")
    judge(tmp_path, "apart", 0.6)
    (sheet,) = sheets([tmp_path], metrics=["psnr"])
    of = sheet.estimates["psnr"]
    assert (of["one"] - of["two"]).replicates.std() == pytest.approx(0, abs=1e-9)
    assert (of["one"] - of["apart"]).replicates.std() > sheet.retraining["psnr"].deviation


def test_one_seed_each_says_nothing_of_retraining(outputs: Path) -> None:
    (sheet,) = sheets([*(outputs / "default").glob("*twin*"), *(outputs / "default").glob("*sampler*")])
    assert [line.label for line in sheet.lines if line.kind == "model"] == ["sampler", "twin"]
    assert not sheet.retraining
    assert not any(note.startswith("Between training seeds") for note in sheet.notes)


def test_what_cannot_be_computed_says_why(outputs: Path) -> None:
    (sheet,) = sheets([outputs], metrics=["ms_ssim", "psnr"])
    text = markdown(sheet)
    assert "| n/a" in text
    assert "MS-SSIM: n/a (MS-SSIM's five scales need 161 px, pictures have 32)." in text


def test_unequal_budgets_are_flagged(outputs: Path, judge, tmp_path: Path) -> None:
    assert not any("Unequal" in note for note in sheets([outputs])[0].notes)
    judge(tmp_path, "long", 0.8, images_seen=9000)
    judge(tmp_path, "short", 0.8)
    assert any(
        note.startswith("Unequal budgets (images seen): long 9,000, short 5,000")
        for note in sheets([tmp_path])[0].notes
    )


def test_unlike_protocols_never_share_a_table(outputs: Path, make_plan, cpu, tmp_path: Path) -> None:
    from colorbench.evaluation.judge import evaluate_family
    from colorbench.families.gray import Gray

    made = make_plan(draws=2)
    record = {"name": "other", "group": "o", "seed": 0}
    evaluate_family(Gray(), made, folder=tmp_path / "r/eval" / made.protocol.id, record=record, device=cpu)
    found = sheets([outputs, tmp_path])
    assert len(found) == 2
    assert "other" not in found[0].cells
    assert found[1].protocol.id == made.protocol.id


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_holds_every_row(outputs: Path, form: str) -> None:
    (sheet,) = sheets([outputs], metrics=["all"])
    text = FORMATS[form](sheet)
    for label in sheet.cells:
        assert (label.replace("_", r"\_") if form == "tex" else label) in text


def test_csv_is_numbers_in_full(outputs: Path) -> None:
    (sheet,) = sheets([outputs])
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](sheet)))}
    cell = sheet.cells["good"]["psnr"]
    assert float(rows["good"]["psnr"]) == cell.interval.mean
    assert float(rows["good"]["psnr low"]) == cell.interval.low
    assert rows["good"]["seeds"] == "2"


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "-2+3", "+1", "'=1", "\t=1"])
def test_no_cell_of_a_csv_is_a_live_formula_and_names_come_back(name: str, outputs: Path, tmp_path: Path) -> None:
    folder = next(path for path in find([outputs]) if "good" in str(path))
    mine = Evaluation.read(folder)
    renamed = replace(mine, names=[name, *mine.names[1:]], record={**mine.record, "name": name, "group": name})
    written = renamed.write(tmp_path / "run" / "eval" / mine.protocol.id)
    texts = [(written.folder / file).read_text() for file in ("rows.csv", "draws.csv")]
    archive = write_archive(written, tmp_path / "rows")
    texts += [gzip.decompress(archive.read_bytes()).decode(), FORMATS["csv"](sheet([written]))]
    for text in texts:
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row if not cell.startswith("# ")]
        assert name in {cell.removeprefix("'") for cell in cells}
        assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell and not _number(cell)]
    assert Evaluation.read(written.folder).names == read_archive(archive).names == renamed.names


def _number(cell: str) -> bool:
    try:
        return bool(float(cell)) or True
    except ValueError:
        return False


def test_latex_is_a_booktabs_table_with_balanced_braces(outputs: Path) -> None:
    text = FORMATS["tex"](sheets([outputs])[0])
    assert text.count("{") == text.count("}")
    assert text.count(r"\midrule") == 2
    assert r"\textbf{" in text
    assert "_mean" not in text.replace(r"\_mean", "")


def test_diff_is_paired_and_antisymmetric(outputs: Path, capsys) -> None:
    (sheet,) = sheets([outputs], metrics=["ciede2000"])
    text = difference(sheet, "good", "poor")
    assert "good is better" in text
    assert "good is better" in difference(sheet, "poor", "good")
    assert "equivalent" in difference(sheet, "good", "good")
    with pytest.raises(UserError, match="did you mean 'good'"):
        difference(sheet, "godo", "poor")
    main([str(outputs), "--diff", "good", "poor"])
    assert "| CIEDE2000 ↓ |" in capsys.readouterr().out


def test_a_diff_finds_its_rows_under_any_protocol_and_between_run_folders(
    outputs: Path, judge, make_plan, cpu, data, tmp_path: Path, capsys
) -> None:
    other = make_plan(name="other", limit=12)
    for name in ("third", "fourth", "fifth", "sixth", "seventh"):  # more models than the first protocol has
        judge(tmp_path / "more", name, 0.5, plan=other)
    main([str(tmp_path / "more"), str(outputs), "--diff", "good", "poor", "--metrics", "psnr"])
    assert "| PSNR ↑ | " in capsys.readouterr().out
    main([str(tmp_path / "more"), str(outputs), "--diff", "third", "sixth", "--metrics", "psnr"])
    assert "(other)" in capsys.readouterr().out
    with pytest.raises(UserError, match="unlike protocols"):
        main([str(tmp_path / "more"), str(outputs), "--diff", "third", "good"])
    folders = [str(outputs / "default" / name) for name in ("good-0", "good-1")]
    main(["--diff", *folders, "--metrics", "psnr"])
    assert "| good-0 | good-1 | good-0 - good-1 |" in capsys.readouterr().out
    main(["--diff", folders[0], "gray", "--metrics", "psnr"])
    assert "| good-0 | gray |" in capsys.readouterr().out


def test_where_all_tie_nothing_stands_out_and_marks_are_explained(outputs: Path, judge, tmp_path: Path) -> None:
    (sheet,) = sheets([outputs])
    assert LEGEND in sheet.notes
    for name in ("one", "two"):
        judge(tmp_path, name, 0.8)
    (tied,) = sheets([tmp_path])
    assert {cell.rank for row in tied.cells.values() for cell in row.values()} == {0}
    assert LEGEND not in tied.notes
    assert "**" not in markdown(tied)


@pytest.mark.parametrize("width", [80, 100, 220])
def test_a_terminal_shows_every_number_within_its_width(outputs: Path, width: int) -> None:
    (sheet,) = sheets([outputs], metrics=["all"])
    console = Console(width=width, file=io.StringIO(), highlight=False)
    for table in tables(sheet, console, intervals=True, costs=True):
        console.print(table)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for row in sheet.cells.values():
        for name, cell in row.items():
            if cell.interval is not None:
                assert f"{cell.interval.mean:.{sheet.columns[name].digits}f}" in text
    assert "…" not in text


def test_delta_colorfulness_of_means_is_derived_from_the_rows(outputs: Path) -> None:
    (sheet,) = sheets([outputs], metrics=["delta_colorfulness_of_means", "mean_drift", "spread_skill"])
    line = next(line for line in sheet.lines if line.label == "poor")
    hat, true = line.table("colorfulness"), line.table("colorfulness_true")
    cell = sheet.cells["poor"]["delta_colorfulness_of_means"]
    assert cell.interval.mean == pytest.approx(abs(hat.mean() - true.mean()))
    assert sheet.cells["good"]["delta_colorfulness_of_means"].rank == 1
    assert sheet.cells["poor"]["spread_skill"].interval is None  # it draws once
    assert sheet.cells["sampler"]["spread_skill"].interval.mean > 0


def test_mistakes_are_one_line_that_helps(outputs: Path, tmp_path: Path) -> None:
    for words, message in (
        ([str(tmp_path / "nowhere")], "no such folder"),
        ([str(tmp_path)], "no evaluated runs"),
        ([str(outputs), "--metrics", "psrn"], "did you mean 'psnr'"),
    ):
        with pytest.raises(UserError, match=message) as mistake:
            main(words)
        assert "\n" not in str(mistake.value)


def test_an_alarm_stands_beside_the_row_it_rings_for(outputs: Path) -> None:
    (sheet,) = sheets([outputs])
    assert "too even" in sheet.alarms["poor"]  # chroma times 0.3
    assert "good" not in sheet.alarms
    row = next(line for line in markdown(sheet).splitlines() if line.startswith("| poor"))
    assert sheet.alarms["poor"] in row


def test_proper_scores_are_compared_with_samplers_and_single_answers_are_not(outputs: Path) -> None:
    assert set(compared(column("energy"))) > set(compared(column("psnr")))
    assert "neighbors" in compared(column("energy"))
    assert "neighbors" not in compared(column("psnr"))
    assert "smallest differences that matter: CIEDE2000 0.01" in markdown(sheets([outputs])[0])


def test_the_joint_score_is_of_grays_own_and_grays_is_one(outputs: Path) -> None:
    (found,) = sheets([outputs], metrics=["joint", "energy_field", "variogram"])
    parts = {line.label: [found.estimates[p][line.label].center for p in PARTS] for line in found.lines}
    for label, estimate in found.estimates["joint"].items():
        shares = [mine / gray for mine, gray in zip(parts[label], parts["gray"], strict=True)]
        assert estimate.center == pytest.approx(sum(shares) / 2)
    gray = found.estimates["joint"]["gray"].interval
    assert gray.low == gray.mean == gray.high == 1
    assert found.estimates["joint"]["truth"].center == 0


def test_a_row_counts_what_the_run_it_started_from_had_cost(outputs: Path) -> None:
    """Consistency tuning of a teacher of 900 images, tuned with 100."""
    known = next(Evaluation.read(folder) for folder in find([outputs]) if "twin" in str(folder))
    record = {
        **known.record,
        "images_seen": 100,
        "seconds": 60.0,
        "flops": 1e9,
        "before": {"images_seen": 900, "seconds": 120.0, "operations": 9e11},
    }
    line = Line("tuned", "model", (replace(known, record=record),))
    assert line.cost("images_seen") == 1000
    assert line.cost("minutes") == 3.0
    assert line.cost("teraflops") == pytest.approx(1.0)


def test_of_trivial_rows_of_two_training_splits_one_is_the_measure_and_the_table_says_which(outputs: Path) -> None:
    known = [Evaluation.read(folder) for folder in find([outputs])]
    (neighbors,) = [e for e in known if e.record["name"] == "neighbors"]
    assert not any("training splits" in note for note in sheet(known).notes)
    for training in ("00000000aaaa", "ffffffffbbbb"):  # before and after the other's
        group = f"neighbors-{training[:8]}"
        other = replace(neighbors, record={**neighbors.record, "training": training, "group": group})
        (note,) = [note for note in sheet([*known, other]).notes if "training splits" in note]
        assert f"are against those of {max(training, neighbors.record['training'])[:8]}," in note
        assert note in sheet([other, *known]).notes
