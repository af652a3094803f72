from colorbench.runs.claim import claim


def test_each_holder_has_a_gpu_of_its_own_and_a_freed_one_is_taken_again(tmp_path):
    with claim(3, tmp_path) as first:
        with claim(3, tmp_path) as second, claim(3, tmp_path) as third:
            assert sorted([first, second, third]) == [0, 1, 2]
        with claim(3, tmp_path) as again:
            assert again == second
    with claim(3, tmp_path) as later:
        assert later == first


def test_when_all_are_taken_they_are_shared(tmp_path):
    with claim(2, tmp_path), claim(2, tmp_path), claim(2, tmp_path) as shared:
        assert shared in (0, 1)


def test_gpus_are_told_apart_by_what_the_machine_calls_them(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with claim(2, tmp_path) as mine:
        assert mine == 0
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,2")
        with claim(2, tmp_path) as other:
            assert other == 0  # GPU 3
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        with claim(2, tmp_path) as third:
            assert third == 0


def test_without_a_choice_nothing_is_claimed(tmp_path):
    with claim(0, tmp_path) as none, claim(1, tmp_path) as one:
        assert none == one == 0
    assert not list(tmp_path.iterdir())
