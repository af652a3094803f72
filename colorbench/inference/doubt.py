"""Doubt: where a coloring is a guess, as numbers and as a picture with a legend."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from colorbench import color
from colorbench.arrays import Chroma, Luma, Tensor
from colorbench.inference.certainty import RIGHT, Certainty, spread
from colorbench.inference.photo import Photo

MOST = 15.0  # CIEDE2000 at the bright end of the map
_LONGEST = 1000  # px of the map's longer side
_COLORS = np.array([(40, 30, 110), (45, 95, 150), (35, 150, 140), (120, 200, 80), (253, 231, 37)], dtype=np.float32)


@dataclass(frozen=True)
class Doubt:
    """spread: [h w] in CIEDE2000, at the model's size. certainty: what it means; None where nobody has measured it.
    own: are the colors the model's own? A dial or a reference pulls the draws together or apart, and how far they lie
    apart then says nothing of how sure the model is."""

    spread: Tensor
    certainty: Certainty | None
    own: bool = True

    @classmethod
    def of(
        cls, L: Luma, draws: list[Chroma], answer: Chroma, certainty: Certainty | None, *, own: bool = True
    ) -> "Doubt":
        """L [1 1 h w], draws and their mean [1 2 h w]."""
        return cls(spread(L, torch.stack(draws), answer)[0], certainty if own else None, own)

    @property
    def guess(self) -> float | None:
        """The share of the picture that is a guess: less sure than a half; unmeasured, spread beyond what is right.
        None where the colors are not the model's own."""
        if not self.own:
            return None
        found = self.spread >= RIGHT if self.certainty is None else self.certainty(self.spread) < 0.5
        return float(found.float().mean())

    @property
    def numbers(self) -> dict[str, Any]:
        """For the JSON beside the picture."""
        apart, guess = self.spread.flatten(), self.guess
        facts: dict[str, Any] = {} if guess is None else {"share_that_is_a_guess": round(guess, 4)}
        facts |= {
            "spread_ciede2000": {
                "mean": round(float(apart.mean()), 3),
                "median": round(float(apart.median()), 3),
                "of_the_widest_tenth": round(float(apart.quantile(0.9)), 3),
            },
            "calibrated": self.certainty is not None,
        }
        if self.certainty is not None:
            facts["share_expected_right"] = round(float(self.certainty(self.spread).mean()), 4)
            facts["right_means"] = (
                f"within {RIGHT:.0f} CIEDE2000 of the truth; a guess is less sure of that than a half"
            )
        return facts

    def picture(self, photo: Photo) -> Image.Image:
        """The map over the gray photograph, at most 1000 px long, and its legend below."""
        tinted = self.over(photo.shrunk(_LONGEST))
        sheet = Image.new("RGB", (max(tinted.width, 420), tinted.height + 64), "white")
        sheet.paste(tinted, (0, 0))
        self._legend(sheet, tinted.height)
        return sheet

    def over(self, small: Photo) -> Image.Image:
        """The map over a gray photograph, of its size."""
        height, width = small.size
        L = small.luma(0, height)
        gray = color.to_bytes(color.decode(L, torch.zeros(1, 2, height, width)))[0, 0].numpy()
        large = F.interpolate(self.spread[None, None], (height, width), mode="bilinear")[0, 0].numpy()
        light = 0.3 + 0.7 * gray.astype(np.float32)[..., None] / 255.0
        return Image.fromarray((_tint(large) * light).round().astype(np.uint8))

    @property
    def legend(self) -> list[tuple[str, float, float | None]]:
        """(color, CIEDE2000, how often right there) from the blue to the yellow end."""
        values = np.linspace(0.0, MOST, len(_COLORS))
        sure = [None if self.certainty is None else float(self.certainty(torch.tensor(float(v)))) for v in values]
        words = ["#" + "".join(f"{int(part):02x}" for part in tint) for tint in _COLORS]
        return list(zip(words, values.tolist(), sure, strict=True))

    def _legend(self, sheet: Image.Image, top: int) -> None:
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
        left, length = 12, min(sheet.width - 60, 520)
        bar = _tint(np.tile(np.linspace(0.0, MOST, length, dtype=np.float32), (10, 1))).astype(np.uint8)
        sheet.paste(Image.fromarray(bar), (left, top + 6))
        said = "spread of the draws, CIEDE2000" if self.certainty is None else "spread (CIEDE2000), and how often right"
        pen.text((left, top + 44), said, fill="black", font=font)
        for value in np.linspace(0.0, MOST, 4):
            x = left + round(length * value / MOST)
            words = f"{value:.0f}{'+' if value == MOST else ''}"
            if self.certainty is not None:
                words += f": {float(self.certainty(torch.tensor(float(value)))):.0%}"
            pen.line((x, top + 14, x, top + 20), fill="black")
            pen.text((x, top + 22), words, fill="black", font=font, anchor="la" if value == 0 else "ma")


def _tint(values: NDArray[Any]) -> NDArray[np.float32]:
    """[h w] in CIEDE2000 -> [h w 3] in [0, 255]: from blue, all draws agree, to yellow."""
    at = (values / MOST).clip(0.0, 1.0) * (len(_COLORS) - 1)
    below = np.minimum(at.astype(np.int64), len(_COLORS) - 2)
    return _COLORS[below] + (at - below)[..., None].astype(np.float32) * (_COLORS[below + 1] - _COLORS[below])
