"""The doctor finds what is wrong, and says so in its exit code."""

import pytest
import torch

from colorbench.commands.doctor import main
from colorbench.errors import UserError
from colorbench.training import doctor


def lines(capsys):
    return {line.split()[1]: line.split()[0] for line in capsys.readouterr().out.splitlines()[:-1]}


def test_all_is_well_here_and_the_tiny_regressor_learns_stops_and_resumes(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLORBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "STEPS", 80)
    code = main(["device=cpu", "precision=fp32"])
    found = lines(capsys)
    assert code == 0
    assert found["training"] == "ok"
    assert set(found.values()) <= {"ok", "note"}


def test_a_cache_that_cannot_be_written_fails_the_check(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLORBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(doctor, "check_training", lambda *_: "skipped")
    assert main([]) == 1
    assert lines(capsys)["cache"] == "FAIL"


def test_a_training_that_does_not_learn_fails_the_check(monkeypatch):
    monkeypatch.setattr(doctor, "STEPS", 2)
    with pytest.raises(UserError, match="did not learn"):
        doctor.check_training("cpu", "fp32")


def test_an_unknown_option_is_one_clear_line():
    with pytest.raises(UserError, match="did you mean 'device'"):
        main(["devise=cpu"])


def test_the_regressor_learns_from_cifar10_where_it_is_at_hand(monkeypatch, tmp_path):
    assert doctor.cifar10(tmp_path) is None
    generator = torch.Generator().manual_seed(0)
    level = torch.rand(500, 1, 1, 1, generator=generator)
    pictures = (255 * (0.7 * level + 0.3 * torch.rand(500, 3, 32, 32, generator=generator))).byte()
    monkeypatch.setattr(doctor, "STEPS", 80)
    monkeypatch.setattr(doctor, "cifar10", lambda folder: pictures)
    assert "learned on CIFAR-10" in doctor.check_training("cpu", "fp32")
