"""Masked bins: the cells of a small chroma map as words, hidden and guessed, or written one after another.

    t_i      the bin of cell i (see palette.py), one of Q        h_i     what the features of L are there
    masked   u ~ U(0, 1), a share cos(pi u / 2) of the cells hidden:
             theta* = argmin  E [ mean over hidden cells  -log p(t_i | the cells seen, L) ]   (Chang et al. 2022)
    raster   theta* = argmin  E [ mean over cells  -log p(t_i | t_1..t_(i-1), L) ]            (autoregression)

Masked cells are drawn in ``steps`` passes, after which n cos(pi k / (2 steps)) are hidden still. Which come next is not
the network's confidence but the Halton sequence, which spreads them over the map (Besnier et al. 2025): what is
drawn in one pass is drawn independently, so it should lie far apart. In raster order every cell knows all before it, so
the likelihood is exact: sum_i -log2 p(t_i | ...) bits, reported per cell. The keys and values of the cells before are
kept, so a picture costs as many steps as cells, of one cell each.

Every cell is a chance to draw from the tail of its probabilities, where the network's errors are, and a picture has
hundreds of cells: without a cut its draws are dotted. ``top_p`` leaves the likeliest bins that together hold so much
of the probability (nucleus sampling: Holtzman et al. 2020), ``temperature`` narrows the rest. Both belong to drawing
alone; the likelihood is of the whole distribution (experiments/03_ablations/nucleus.md).

Targets are single bins, not soft ones: a likelihood is of what was there, and soft targets teach every draw a jitter of
5 CIELAB units. A bin is painted in the mean color that the training split has in it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorbench import color
from colorbench.arrays import Bins, Chroma, Luma, PerImage
from colorbench.batch import Batch
from colorbench.column import Column
from colorbench.families.enlarging import Enlarged, Enlarging
from colorbench.families.palette import Palette, drawn
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.terms import coefficients
from colorbench.networks.dit import rms
from colorbench.networks.guided import shrink
from colorbench.networks.sequence import Sequence
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Positive, Several, SomeShare
from colorbench.registry import register

PREVIEWED = 10
"""Passes of a draw in masked order while a model trains."""


@register("family", "maskedbins")
class MaskedBins(Family):
    """network: L -> [b channels[0] y x], ``channels`` and ``scale``, as of networks/pyramid.py. steps: of a draw in
    masked order. temperature: of a draw's logits; 1 is calibrated, less is calmer. top_p: the probability that is drawn
    from; 1 is all."""

    drawing: ClassVar = ("steps", "temperature", "top_p")

    columns: ClassVar = {
        "bits_per_cell": Column(
            "bits/cell", "lower", 3, "", "exact, of the true color bins of the small map", kind="draws"
        ),
    }
    painted: Tensor

    def __init__(
        self,
        *,
        network: nn.Module,
        transformer: Sequence,
        order: Literal["masked", "raster"],
        steps: Several,
        temperature: Positive,
        weights: Mapping[str, NotNegative],
        top_p: SomeShare = 1.0,
        enlarge: Enlarged = "guided",
    ) -> None:
        super().__init__()
        self.palette, self.order = Palette(), order
        self.steps, self.temperature, self.top_p = steps, temperature, top_p
        channels: Any = network.channels
        self.scale, self.unknown = int(network.scale), len(self.palette)  # type: ignore[arg-type]
        width = transformer.width
        self.model = nn.ModuleDict(
            {
                "network": network,
                "transformer": transformer,
                "enter": nn.Conv2d(channels[0], width, 1),
                "words": nn.Embedding(len(self.palette) + 1, width),
                "head": nn.Linear(width, len(self.palette)),
            }
        )
        self.enlarging = Enlarging(self.scale, enlarge)
        self.weights = coefficients(weights, "likelihood")
        self.register_buffer("painted", self.palette.centers / color.AB_UNIT)

    @property
    def stochastic(self) -> bool:
        """Yes."""
        return True

    def evaluations(self, height: int, width: int) -> int:
        """Passes over all cells (masked), or steps of one cell (raster)."""
        cells = -(-height // self.scale) * -(-width // self.scale)
        return cells if self.order == "raster" else len(_portions(cells, self.steps))

    def trainable(self) -> Mapping[str, nn.Module]:
        """Features and transformer; what enlarges, if it is learned."""
        return {"network": self.model, **self.enlarging.trainable()}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """The mean color of each bin, over the training split."""
        count, total = torch.zeros(self.unknown, dtype=torch.float64), torch.zeros(self.unknown, 2, dtype=torch.float64)
        squares = torch.zeros(2, dtype=torch.float64)
        for batch in batches:
            small = shrink(batch.ab, self.scale)
            bins = self.palette.nearest(small).flatten().cpu()
            count += torch.bincount(bins, minlength=self.unknown)
            colors = small.movedim(1, -1).flatten(0, -2).double().cpu()
            total.index_add_(0, bins, colors)
            squares += colors.square().sum(0)
        std = (squares / count.sum() - (total.sum(0) / count.sum()).square()).clamp_min(1e-6).sqrt()
        self.enlarging.fit(std.float().view(1, 2, 1, 1))
        mean = (total / count.clamp_min(1.0)[:, None]).float().to(self.painted.device)
        self.painted.copy_(torch.where((count > 0)[:, None].to(mean.device), mean, self.painted))

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The cross-entropy in nats a cell, over the hidden cells or all."""
        bins = self.palette.nearest(shrink(batch.ab, self.scale))
        if self.order == "raster":
            nats = self.nats(batch.L, bins)
            loss = nats.mean(dim=(1, 2))
        else:
            hidden = self._hidden(bins, noise)
            logits = self._guess(self._features(batch.L), torch.where(hidden, self.unknown, bins))
            nats = F.cross_entropy(logits.movedim(-1, 1), bins, reduction="none")
            loss = (nats * hidden).sum(dim=(1, 2)) / hidden.sum(dim=(1, 2))
        logs = {"likelihood": loss, "bits_per_cell": loss / math.log(2.0)}
        yield Objective(weigh({"likelihood": loss}, weights), "network", logs)
        yield from self.enlarging.objectives(batch, noise)

    def likelihood(self, batch: Batch, noise: Noise) -> Mapping[str, PerImage]:
        """In raster order: exact, of the bins of the small map."""
        if self.order != "raster":
            return {}
        nats = self.nats(batch.L, self.palette.nearest(shrink(batch.ab, self.scale)))
        return {"bits_per_cell": nats.mean(dim=(1, 2)) / math.log(2.0)}

    def nats(self, L: Luma, bins: Bins) -> Tensor:
        """[b y x]: -log p(t_i | t_1..t_(i-1), L), of raster order."""
        before = F.pad(bins.flatten(1)[:, :-1], (1, 0), value=self.unknown).view_as(bins)
        logits = self._guess(self._features(L), before, causal=True)
        return F.cross_entropy(logits.movedim(-1, 1), bins, reduction="none")

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """One draw for each image."""
        return self._colorize(L, noise, self.steps)

    def preview(self, L: Luma, noise: Noise) -> Chroma:
        """A draw of ``PREVIEWED`` passes at most."""
        return self._colorize(L, noise, min(self.steps, PREVIEWED))

    def _colorize(self, L: Luma, noise: Noise, steps: int) -> Chroma:
        known = self._features(L)
        u = noise.uniform("bins", *known.shape[-2:])
        bins = self._write(known, u) if self.order == "raster" else self._fill(known, u, steps)
        return self.enlarging(self.painted[bins].movedim(-1, 1), L)

    def _write(self, known: Tensor, u: Tensor) -> Bins:
        """In raster order, u [b y x] in (0, 1)."""
        b, _, rows, columns = known.shape
        features, chances = known.flatten(2).transpose(1, 2), u.flatten(1)
        transformer, words = self.model["transformer"], self.model["words"]
        memory = transformer.memory(b, rows, columns, known)  # type: ignore[operator]
        bins = torch.full((b, 1), self.unknown, device=u.device)
        for i in range(rows * columns):
            h = rms(words(bins[:, -1:]) + features[:, i : i + 1])
            h = transformer.step(h, memory)  # type: ignore[operator]
            bins = torch.cat([bins, self._draw(self.model["head"](h), chances[:, i : i + 1])], dim=1)
        return bins[:, 1:].view(b, rows, columns)

    def _fill(self, known: Tensor, u: Tensor, steps: int) -> Bins:
        """In masked order, in so many passes."""
        b, _, rows, columns = known.shape
        order, chances = halton(rows, columns).to(u.device), u.flatten(1)
        bins, done = torch.full((b, rows * columns), self.unknown, device=u.device), 0
        for portion in _portions(rows * columns, steps):
            cells = order[done : done + portion]
            logits = self._guess(known, bins.view(b, rows, columns)).flatten(1, 2)
            bins[:, cells] = self._draw(logits[:, cells], chances[:, cells])
            done += portion
        return bins.view(b, rows, columns)

    def _draw(self, logits: Tensor, u: Tensor) -> Tensor:
        """[b n q], [b n] -> [b n]."""
        logits = nucleus(logits.float() / self.temperature, self.top_p)
        return drawn(logits.transpose(1, 2)[:, :, None], u[:, None])[:, 0]

    def _features(self, L: Luma) -> Tensor:
        """[b width y x]: of L, at every cell."""
        return self.model["enter"](self.model["network"](L))

    def _guess(self, known: Tensor, words: Tensor, *, causal: bool = False) -> Tensor:
        """Words [b y x] at the cells (unknown: hidden, or the start) -> logits [b y x q]."""
        h = (self.model["words"](words) + known.movedim(1, -1)).flatten(1, 2)
        h = self.model["transformer"](rms(h), *words.shape[-2:], causal=causal)
        return self.model["head"](h).float().unflatten(1, words.shape[-2:])

    def _hidden(self, bins: Bins, noise: Noise) -> Tensor:
        """bool [b y x]: at least one cell of each image."""
        n = bins[0].numel()
        count = (n * torch.cos(0.5 * math.pi * noise.uniform("share"))).ceil().clamp(1, n)
        ranks = noise.uniform("hidden", n).argsort(dim=1).argsort(dim=1)
        return (ranks < count[:, None]).view_as(bins)


def nucleus(logits: Tensor, share: float) -> Tensor:
    """[... q], of which the likeliest are kept that hold ``share`` of the probability, with the one that passes it; the
    others are minus infinity."""
    if share >= 1.0:
        return logits
    ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    kept = torch.empty_like(order, dtype=torch.bool).scatter_(-1, order, ordered.cumsum(dim=-1) - ordered < share)
    return logits.masked_fill(~kept, -math.inf)


def halton(rows: int, columns: int) -> Tensor:
    """int64 [rows * columns]: all cells, in the order in which the Halton sequence (bases 2, 3) first meets them."""
    order: dict[int, None] = {}
    i = 0
    while len(order) < rows * columns:
        i += 1
        order.setdefault(int(_radical(i, 2) * rows) * columns + int(_radical(i, 3) * columns))
    return torch.tensor(list(order))


def _radical(i: int, base: int) -> float:
    """The digits of i in ``base``, mirrored at the point: in [0, 1)."""
    value, place = 0.0, 1.0 / base
    while i:
        value, i, place = value + place * (i % base), i // base, place / base
    return value


def _portions(cells: int, steps: int) -> list[int]:
    """How many cells each pass draws: the cosine schedule, without passes that draw none."""
    left = [int(cells * math.cos(0.5 * math.pi * k / steps)) for k in range(steps)] + [0]
    return [before - after for before, after in pairwise(left) if before > after]
