"""Weights are fetched by name, compared with the checksum that they are published with, and refused otherwise."""

import hashlib

import pytest

from colorbench.commands import fetch_weights
from colorbench.errors import UserError
from colorbench.trunks import published
from colorbench.trunks.published import Published


@pytest.fixture
def place(tmp_path, monkeypatch):
    """One file to fetch; its true digits, or others."""

    def make(content: bytes, digits: str) -> Published:
        there = tmp_path / "there" / f"net-{digits}.pth"
        there.parent.mkdir(exist_ok=True)
        there.write_bytes(content)
        one = Published("net", there.as_uri(), tmp_path / "hub" / there.name, "a test")
        monkeypatch.setattr(published, "published", lambda: {"net": one})
        return one

    return make


def test_what_is_fetched_has_the_checksum_of_its_name(place, capsys):
    content = b"numbers"
    one = place(content, hashlib.sha256(content).hexdigest()[:8])
    assert one.flaw == "absent"
    fetch_weights.main(["net"])
    assert one.file.read_bytes() == content
    assert not one.flaw
    one.file.write_bytes(b"damaged")
    assert "sha256" in one.flaw
    fetch_weights.main(["net"])
    assert one.file.read_bytes() == content
    fetch_weights.main([])
    assert "here" in capsys.readouterr().out


def test_another_checksum_is_refused_and_nothing_is_kept(place):
    one = place(b"other numbers", "01234567")
    with pytest.raises(UserError, match="net"):
        fetch_weights.main(["net"])
    assert not one.file.exists()


def test_without_a_network_the_line_says_which_file_to_put_where(tmp_path, monkeypatch):
    file = tmp_path / "hub" / "net-01234567.pth"
    one = Published("net", "http://127.0.0.1:9/net-01234567.pth", file, "a test")
    monkeypatch.setattr(published, "published", lambda: {"net": one})
    with pytest.raises(UserError, match=rf"put net-01234567\.pth into {file.parent}"):
        fetch_weights.main(["net"])


def test_columns_are_names_of_networks_and_a_misspelt_name_has_a_cure():
    assert published.wanted(["lpips", "fid", "kid", "alexnet"]) == ["alexnet", "inception"]
    assert set(published.wanted(["all"])) == set(published.published())
    with pytest.raises(UserError, match="did you mean 'alexnet'"):
        published.wanted(["alexnett"])
