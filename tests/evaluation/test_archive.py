"""Rows that are committed: a table from them alone is the table of the runs."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from colorbench.commands.rows import main
from colorbench.errors import UserError
from colorbench.evaluation.archive import find_archives, read_archive, write_archive
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.report.sheet import sheets
from colorbench.report.table import markdown


def test_the_table_of_packed_rows_is_the_table_of_the_runs(judge, make_plan, data, cpu, tmp_path: Path, capsys) -> None:
    output, packed = tmp_path / "outputs", tmp_path / "rows"
    evaluate_baselines(data, make_plan(), output=output, device=cpu)
    judge(output, "good", 0.8)
    judge(output, "sampler", 0.7, spread=0.05, draws=4)
    main([str(output / "default"), "--to", str(packed)])
    assert len(capsys.readouterr().out.splitlines()) == len(find_archives([packed])) == 2 + 8
    assert markdown(sheets([packed])[0]) == markdown(sheets([output / "default"])[0])


def test_the_same_rows_are_the_same_bytes_and_come_back(judge, tmp_path: Path) -> None:
    done = judge(tmp_path / "outputs", "sampler", 0.7, spread=0.05, draws=4)
    one, other = (write_archive(done, tmp_path / folder) for folder in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
    back = read_archive(one)
    assert (back.names, back.protocol) == (done.names, done.protocol)
    assert set(back.per_image) == set(done.per_image)
    for name, values in done.per_image.items():
        np.testing.assert_allclose(back.per_image[name], values, rtol=1e-5, atol=1e-12)


def test_where_a_run_lay_that_another_started_from_is_not_told(judge, tmp_path: Path) -> None:
    done = judge(tmp_path / "outputs", "good", 0.8, settings={"init_from": "/machine/outputs/a/unet-0123", "x": 1})
    file = write_archive(done, tmp_path)
    assert b"/machine" not in gzip.decompress(file.read_bytes())
    assert read_archive(file).record["settings"] == {"init_from": "unet-0123", "x": 1}


def test_damaged_rows_are_named(judge, tmp_path: Path) -> None:
    file = write_archive(judge(tmp_path / "outputs", "good", 0.8), tmp_path)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match="damaged rows"):
        read_archive(file)
