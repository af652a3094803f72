"""FID and KID: how far apart two SETS of pictures are, in the features of a trained network.

    FID = |m - m_hat|^2 + tr(C + C_hat - 2 (C C_hat)^(1/2))                     (Heusel et al. 2017)
    KID = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j),
          k(x, y) = (x.y/d + 1)^3, mean over subsets                              (Binkowski et al. 2018)

The reference is the true pictures themselves, of the same set (a paired reference: the truth scores 0; papers that
use other pictures as reference report about 15 for the truth). FID is biased by n: the same model scored 3.92 on
5,000 and 0.96 on 50,000 pictures. Below ``least`` pictures the cell says so; KID has no such bias, but it assumes
that the two sets are independent, and here every prediction has its truth. ``kid_paired`` therefore leaves i = j out
of the last mean too (the U-statistic of Gretton et al. 2012), so that the truth scores 0; ``paired=false`` is the
published estimator. Neither sees diversity: two samplers with LPIPS diversities of 0.15 and 0.09 had one FID.
"""

import copy
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from colorbench.column import Column
from colorbench.metrics.features import Features, Network, Resize
from colorbench.metrics.metric import Pair
from colorbench.ranges import MOST, Count, Seed, Several, Side, within
from colorbench.registry import register

Two = Annotated[int, within("a whole number of 2 or more", lambda n: 2 <= n <= MOST)]


class SetMetric:
    """A number of a whole set, from the features of its true and its predicted pictures.

    ``fresh()`` gives an accumulator; ``add`` takes a batch, ``close`` gives {column: {"value", ...}}.
    """

    better: Literal["lower"] = "lower"
    digits = 2
    title: ClassVar[str]
    """The column's head; its name says the features."""
    columns: ClassVar[tuple[str, ...]]
    """Names of its columns, without the features that stand in parentheses."""

    def __init__(self, features: Features, name: str) -> None:
        self.features = features
        self.name = f"{name}({features.source},{features.resize})"
        self._hat: list[Tensor] = []
        self._true: list[Tensor] = []

    @classmethod
    def column(cls, name: str) -> Column | None:
        """What the column of that name means, if this metric writes it."""
        stem, _, features = name.partition("(")
        if stem not in cls.columns or not features:
            return None
        title = f"{stem.replace('_', ' ').replace(cls.title.lower(), cls.title)}({features}"
        return Column(title, cls.better, cls.digits, kind="set", group=cls.title.lower())

    def fresh(self) -> Self:
        """An empty accumulator that shares the network."""
        twin = copy.copy(self)
        twin._hat, twin._true = [], []
        return twin

    def add(self, pair: Pair) -> None:
        for kept, pixels, which in ((self._hat, pair.hat, "hat"), (self._true, pair.true, "true")):
            key = f"features {which} {self.features.source} {self.features.resize}"  # FID and KID share the passes
            see = self.features if which == "hat" else self.features.of_truth
            found = pair.view(key, lambda _, see=see, pixels=pixels: see(pixels))  # type: ignore[misc]
            kept.append(found.double().cpu())

    def close(self) -> dict[str, Any]:
        hat, true = torch.cat(self._hat).numpy(), torch.cat(self._true).numpy()
        return {self.name: {"n": len(hat), **self.compute(hat, true)}}

    def compute(self, hat: np.ndarray, true: np.ndarray) -> dict[str, float]:
        """{"value": ...} of two [n d] arrays."""
        raise NotImplementedError

    def unavailable(self, size: int) -> str:
        return self.features.missing

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, **self.features.identity()}


@register("set_metric", "fid")
class FID(SetMetric):
    """Frechet distance of two Gaussians fitted to the features. least: pictures below which no number is given."""

    title, columns = "FID", ("fid",)

    def __init__(
        self,
        *,
        network: Network = "inception",
        resize: Resize = "clean",
        weights: str | None = None,
        label: str | None = None,
        side: Side | None = None,
        least: Count = 2048,
    ) -> None:
        super().__init__(Features(network=network, resize=resize, weights=weights, label=label, side=side), "fid")
        self.least = least

    def compute(self, hat: np.ndarray, true: np.ndarray) -> dict[str, Any]:
        """The distance, or why it is not given."""
        if len(hat) < self.least:
            return {"reason": f"FID of {len(hat)} pictures is mostly bias (least: {self.least}); read KID"}
        return {"value": frechet(hat, true)}

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "least": self.least}


@register("set_metric", "kid")
class KID(SetMetric):
    """Kernel distance, mean and standard deviation over seeded subsets of min(size, n) pictures."""

    title, columns = "KID", ("kid", "kid_paired")
    digits = 5

    def __init__(
        self,
        *,
        network: Network = "inception",
        resize: Resize = "clean",
        weights: str | None = None,
        label: str | None = None,
        side: Side | None = None,
        subsets: Several = 50,
        size: Two = 1000,
        seed: Seed = 0,
        paired: bool = True,
    ) -> None:
        super().__init__(
            Features(network=network, resize=resize, weights=weights, label=label, side=side),
            "kid_paired" if paired else "kid",
        )
        self.paired = paired
        self.subsets, self.size, self.seed = subsets, size, seed

    def compute(self, hat: np.ndarray, true: np.ndarray) -> dict[str, float]:
        mean, deviation = kernel_distance(
            hat, true, subsets=self.subsets, size=self.size, seed=self.seed, paired=self.paired
        )
        return {"value": mean, "deviation": deviation}

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "subsets": self.subsets, "size": self.size, "seed": self.seed}


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """FID of two [n d] arrays: torchmetrics', in float64, of features instead of pictures."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(x.shape[1]))
    metric.update(torch.from_numpy(y).double(), real=True)
    metric.update(torch.from_numpy(x).double(), real=False)
    return max(float(metric.compute()), 0.0)


class _Given(torch.nn.Module):
    """The network's place in torchmetrics, where its features are there already."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, x: Tensor) -> Tensor:
        return x


def kernel_distance(
    x: np.ndarray, y: np.ndarray, *, subsets: int, size: int, seed: int, paired: bool
) -> tuple[float, float]:
    """KID (mean, deviation) of two [n d] arrays over seeded subsets; whole sets when size >= n."""
    rng = np.random.default_rng(seed)
    size = min(size, len(x), len(y))
    whole = size == len(x) == len(y)
    values = []
    for _ in range(1 if whole else subsets):
        i, j = (rng.choice(len(z), size, replace=False) for z in (x, y))
        values.append(_mmd2(x[i], y[i] if paired else y[j], paired))
    return float(np.mean(values)), float(np.std(values))


def _mmd2(x: np.ndarray, y: np.ndarray, paired: bool) -> float:
    """torchmetrics' estimate; paired, whose i = j is left out of the last mean too, is not one of its own."""
    from torchmetrics.image.kid import poly_kernel, poly_mmd

    a, b = torch.from_numpy(x), torch.from_numpy(y)
    published = float(poly_mmd(a, b))
    if not paired:
        return published
    m, across = len(x), poly_kernel(a, b)
    return published + 2 * float(across.mean() - (across.sum() - across.trace()) / (m * (m - 1)))
