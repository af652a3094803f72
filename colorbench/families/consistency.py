"""Consistency: a denoiser that is trained further until one or two of its answers make a picture.

Along the probability flow from noise to data every x_t of one path should be answered by the same x_0: the path's end
(Song et al. 2023). A denoiser's answer is the mean of all ends instead. Easy consistency tuning (ECT: Geng et al. 2024,
arXiv 2406.14548) goes from the one to the other: with n = sigma / alpha the ratio of noise to signal,

    theta* = argmin  E [ (sqrt(|x0_hat(x_n) - x0_hat(x_m)|^2 + c^2) - c) / (n - m) ],   x_m with the same x_0 and eps
    ln n ~ N(mean, deviation^2),   m = n max(0, 1 - q^-(stage + 1) (1 + 8 sigmoid(-n / 2)))

The answer at m is the target and takes no gradient. At first m = 0 (for n below 4), where it is x_0 itself: that is
denoising, and what a trained denoiser already does. With the stages, which follow one another evenly over the budget,
m comes close to n.

Start from a trained run of the same network, schedule, parameterization and chroma_scale: ``init_from=RUN`` (flow or
edm); its images were seen too, so a comparison adds its budget. sampler=consistency asks once or twice.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from colorbench.batch import Batch
from colorbench.errors import UserError
from colorbench.families.enlarging import Enlarged
from colorbench.families.field import Field
from colorbench.family import Objective, Weights, weigh
from colorbench.losses.terms import coefficients
from colorbench.noise import Noise
from colorbench.ranges import Factor, Finite, Memory, NotNegative, Positive, Several
from colorbench.registry import register
from colorbench.sampling.parameterization import Parameterization
from colorbench.sampling.sampler import Sampler
from colorbench.sampling.schedule import Schedule


@register("family", "consistency")
class Consistency(Field):
    """See Field. mean, deviation: of ln n. base: q. stages: of the budget. smooth: c, for the error of one number."""

    hurries = True

    def __init__(
        self,
        *,
        network: nn.Module,
        schedule: Schedule,
        parameterization: Parameterization,
        sampler: Sampler,
        preview: Sampler,
        chroma_scale: Factor,
        times: Several,
        drop: Memory,
        mean: Finite,
        deviation: Positive,
        base: Positive,
        stages: Several,
        smooth: NotNegative,
        weights: Mapping[str, NotNegative],
        enlarge: Enlarged = "guided",
    ) -> None:
        super().__init__(
            network=network,
            schedule=schedule,
            parameterization=parameterization,
            sampler=sampler,
            preview=preview,
            times=times,
            chroma_scale=chroma_scale,
            drop=drop,
            weights=coefficients(weights, "consistency"),
            enlarge=enlarge,
        )
        if base <= 1.0:
            raise UserError(f"model.base: expected more than 1, or the two levels never come closer; got {base}")
        one = torch.ones(1, 1, 1, 1, device="cpu")  # whatever device the networks are made on
        if not torch.allclose(parameterization.x0(0.5 * one, one, one, 0.0 * one), one):
            raise UserError("model.parameterization: without noise its answer is not x itself; take velocity or karras")
        self.spread, self.base, self.stages, self.smooth = (mean, deviation), base, stages, smooth

    def pairs(self, u: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """[b]: the ratios n > m, from u uniform in (0, 1)."""
        n = (self.spread[0] + self.spread[1] * torch.special.ndtri(u.double())).exp()
        stage = min(int(progress * self.stages), self.stages - 1)
        m = n * (1.0 - self.base ** -(stage + 1.0) * (1.0 + 8.0 * torch.sigmoid(-n / 2.0))).clamp_min(0.0)
        return n.float(), m.float()

    def objectives(self, batch: Batch, noise: Noise, weights: Weights) -> Iterator[Objective]:
        """How far the answers at two levels of one path are apart."""
        k = self.times
        x0 = self.standardized(batch)
        eps = noise.normal("noise", k, *x0.shape[1:]).flatten(0, 1)
        n, m = self.pairs(self.quantiles(noise), weights.progress)
        maps = self.shown(batch.L, noise)

        def answer(ratio: Tensor, maps: list[Tensor]) -> Tensor:
            alpha, sigma = self.schedule.on_path(torch.ones_like(ratio), ratio)
            alpha, sigma = alpha[:, None, None, None], sigma[:, None, None, None]
            return self.estimate(alpha * x0 + sigma * eps, alpha, sigma, maps)

        devices = [x0.device] if x0.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices):  # the network's dropout, if any, falls alike for both
            target = answer(m, [known.detach() for known in maps])
        found = answer(n, maps)
        square = (found - target).square().mean(dim=(1, 2, 3))
        error = ((square + self.smooth**2).sqrt() - self.smooth) / (n - m)
        with torch.no_grad():
            gap = (m / n).mean()
        error = error.view(-1, k).mean(dim=1)
        yield Objective(weigh({"consistency": error}, weights), "network", {"consistency": error, "closeness": gap})
        yield from self.enlarging.objectives(batch, noise)
