"""Bins: color as classification (Zhang, Isola & Efros 2016, "Colorful image colorization").

    theta* = argmin  E [ weight  mean over cells  w(q*) CE(net(L), soft(ab)) ]        equation 2; soft: see palette.py
    w(q) proportional to 1 / ((1 - l) p(q) + l / Q),   sum_q p(q) w(q) = 1            equation 4; p: smoothed histogram
    mean     ab = E_p'[center],   p' = softmax(log p / T)                             annealed mean, equation 5
    sample   each cell draws its bin from p'

A network that names a distribution over colors need not answer with their mean; rebalancing (l < 1) makes rare, vivid
colors count, and T between 1 (mean) and 0 (mode) trades calm for color. A draw takes each cell's color for itself: no
cell knows what its neighbor chose, so draws are confetti, which is the lesson (the scenes' incoherent oracle, learned).
With l = 1 and T = 1 the draws have every cell's own distribution right, and still nothing of how cells go together.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from colorbench.arrays import Chroma, Logits, Luma
from colorbench.batch import Batch
from colorbench.families.palette import Palette, drawn
from colorbench.family import Family, Objective, Weights, weigh
from colorbench.losses.terms import chroma_ratio, coefficients
from colorbench.networks.guided import enlarge, shrink
from colorbench.noise import Noise
from colorbench.ranges import NotNegative, Positive, SomeShare
from colorbench.registry import register


@register("family", "bins")
class ColorBins(Family):
    """network: L -> [b channels[0] y x], ``channels`` and ``scale``, as of networks/pyramid.py. uniform: l in [0, 1].
    temperature: T."""

    drawing: ClassVar = ("decode", "temperature")
    rebalance: Tensor

    def __init__(
        self,
        *,
        network: nn.Module,
        uniform: SomeShare,
        decode: Literal["mean", "sample"],
        temperature: Positive,
        weights: Mapping[str, NotNegative],
    ) -> None:
        super().__init__()
        self.palette = Palette()
        channels: Any = network.channels
        self.classifier = nn.ModuleDict({"network": network, "head": nn.Conv2d(channels[0], len(self.palette), 1)})
        self.scale, self.uniform = int(network.scale), uniform  # type: ignore[arg-type]
        self.decode, self.temperature, self.trained = decode, temperature, temperature
        self.weights = coefficients(weights, "classification")
        self.register_buffer("rebalance", torch.ones(len(self.palette)))

    @property
    def stochastic(self) -> bool:
        return self.decode == "sample"

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"network": self.classifier}

    def prepare(self, batches: Iterable[Batch]) -> None:
        """How much each bin counts, from the training split's histogram."""
        counts = torch.zeros(len(self.palette), dtype=torch.float64)
        for batch in batches:
            bins = self.palette.nearest(shrink(batch.ab, self.scale)).cpu()
            counts += torch.bincount(bins.flatten(), minlength=len(counts))
        p = self.palette.smooth(counts.to(self.rebalance.device))
        w = 1.0 / ((1.0 - self.uniform) * p + self.uniform / len(p))
        self.rebalance.copy_(w / (p * w).sum())

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """The cross-entropy, in nats a cell."""
        small = shrink(batch.ab, self.scale)
        target, bins = self.palette.soft(small), self.palette.nearest(small)
        logits = self.logits(batch.L)
        entropy = -(target * torch.log_softmax(logits, dim=1)).sum(dim=1)
        loss = (self.rebalance[bins] * entropy).mean(dim=(1, 2))
        expected = self.palette.mean(torch.softmax(logits.detach() / self.temperature, dim=1))
        logs = {
            "classification": loss,
            "accuracy": (logits.argmax(dim=1) == bins).float().mean(dim=(1, 2)),
            "chroma_ratio": chroma_ratio(expected, small),
        }
        yield Objective(weigh({"classification": loss}, weights), "network", logs)

    def colorize(self, L: Luma, noise: Noise) -> Chroma:
        """The annealed mean, or one draw of every cell."""
        logits = self.logits(L) / self.temperature
        if self.decode == "sample":
            small = self.palette.colors(drawn(logits, noise.uniform("bins", *logits.shape[-2:])))
        else:
            small = self.palette.mean(torch.softmax(logits, dim=1))
        return enlarge(small, L, self.scale).clamp(-1.0, 1.0)

    def vivid(self, amount: float) -> bool:
        """The annealed mean at T^amount: the colder, the nearer to the mode."""
        if self.decode == "mean" and self.trained < 1.0:
            self.temperature = self.trained**amount
            return True
        return False

    def logits(self, L: Luma) -> Logits:
        """Of every cell of the small map."""
        return self.classifier["head"](self.classifier["network"](L)).float()
