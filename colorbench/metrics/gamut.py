"""Out of gamut: the share of pixels whose predicted color does not exist on a screen.

Lab is larger than sRGB. A prediction outside is clipped when the picture is made, and the clip changes lightness
too: chroma times 1.8 puts 46 % of a saturated photograph's pixels outside and moves their L* by 0.8 on average.
"""

from colorbench import color
from colorbench.arrays import PerImage
from colorbench.metrics.metric import Metric, Pair
from colorbench.registry import register


@register("metric", "out_of_gamut")
class OutOfGamut(Metric):
    """Share of pixels that the clip changes by more than the rounding would."""

    name = "out_of_gamut"
    high = 1.0
    better = "lower"
    digits = 4
    fed = "the predicted chroma joined to the true L, before clip and rounding"
    needs_raw = True

    def score(self, pair: Pair) -> PerImage:
        assert pair.raw is not None
        rgb = color.decode(*pair.raw)
        half = 0.5 / 255
        return ((rgb < -half) | (rgb > 1 + half)).any(dim=1).float().mean((1, 2))
