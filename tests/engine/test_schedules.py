import pytest

from colorbench.engine.budget import Budget, Clock, Interval, Limits, Point
from colorbench.engine.schedules import Constant, Cosine, Linear, Step, Trapezoid
from colorbench.errors import UserError
from colorbench.registry import fits


def test_cosine_falls_from_one_to_its_floor_through_the_middle():
    decay = Cosine(warmup=0.0, floor=0.2)
    assert decay(0.0) == 1.0
    assert decay(0.5) == pytest.approx(0.6)
    assert decay(1.0) == pytest.approx(0.2)


def test_warm_up_rises_linearly_and_is_never_zero():
    decay = Constant(warmup=0.1)
    assert 0 < decay(0.0) < 0.02
    assert decay(0.05) == pytest.approx(0.505, abs=0.01)
    assert decay(0.1) == decay(0.9) == 1.0


def test_step_is_that_of_steplr_in_shares_of_the_budget():
    assert [Step(every=0.25, gamma=0.1)(p) for p in (0.0, 0.24, 0.25, 0.5, 0.99, 1.0)] == pytest.approx(
        [1, 1, 0.1, 0.01, 0.001, 0.001]
    )


def test_progress_is_that_of_the_limit_that_comes_first():
    budget = Budget(images=100, seconds=10)
    assert budget.progress(Clock(50, 1)) == 0.5
    assert budget.progress(Clock(50, 8)) == 0.8
    assert budget.spent(Clock(99, 10))
    assert not budget.spent(Clock(99, 9.9))


def test_points_are_images_or_shares_of_the_budget():
    budget = Budget(images=200, seconds=None)
    assert Point.parse("25%").passed(Clock(50), budget)
    assert not Point.parse("25%").passed(Clock(49), budget)
    assert Point.parse(60).count(Clock(179), budget) == 2
    assert Point.parse("10%").count(Clock(60), budget) == 3
    assert Point.parse(None) is None


@pytest.mark.parametrize("value", ["5 percent", "0%", "101%", "-3%", "nan%", "", 0, -1, True, 2.5])
def test_an_interval_is_images_or_a_share_that_comes_again(value):
    with pytest.raises(UserError, match=r"engine\.log_every: expected images"):
        fits(value, Interval, "engine.log_every")


def test_a_linear_decay_waits_for_its_start_and_ends_at_zero():
    assert [Linear(start=0.5)(p) for p in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1.0, 1.0, 0.5, 0.0])


def test_an_epoch_is_one_pass_over_the_training_pictures_and_the_nearest_limit_ends_the_run():
    def after(**limits):
        return Limits(**{"images": None, "seconds": None, "epochs": None, **limits}).over(50)

    assert after(epochs=3) == Budget(images=150, seconds=None)
    assert after(epochs=0.5, seconds=9) == Budget(images=25, seconds=9)
    assert after(epochs=0.001).images == 1
    assert after(epochs=3, images=100).images == 100
    assert after(epochs=3, images=1000).images == 150
    assert after(images=1000).images == 1000
    assert after(epochs=4).progress(Clock(50)) == 0.25


def test_streamed_pictures_have_no_epochs():
    limits = Limits(images=None, seconds=None, epochs=2)
    with pytest.raises(UserError, match=r"budget\.epochs: streamed pictures"):
        limits.over(None)
    assert Limits(images=8, seconds=None, epochs=None).over(None).images == 8


def test_a_trapezoid_knows_its_end_only_in_the_cool_down():
    decay = Trapezoid(warmup=0.1, cooldown=0.2)
    assert decay(0.05) == pytest.approx(0.505, abs=0.01)
    assert decay(0.1) == decay(0.5) == decay(0.79) == 1.0
    assert [decay(p) for p in (0.9, 1.0)] == pytest.approx([0.5, 0.0])
