"""SSIM and its multi-scale form (Wang et al. 2004; Wang, Simoncelli & Bovik 2003).

    SSIM(x, y) = (2 mx my + C1)(2 sxy + C2) / ((mx^2 + my^2 + C1)(sx^2 + sy^2 + C2)),
    C1 = (0.01 R)^2,  C2 = (0.03 R)^2,  R = data range,

with local means and (co)variances under a Gaussian window, sigma 1.5, 11 x 11. The map is averaged over the pixels
whose window lies within the picture, per channel, then over channels: scikit-image's ``structural_similarity`` with
``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``, to 1e-4. Libraries differ here: torchmetrics
averages the padded border too (0.03 lower at 64 px), and scikit-image's default is a 7 x 7 uniform window.
``data_range`` must be said: a guessed one has put wrong numbers into many papers. With the true L re-attached even gray
reaches 0.86 (and 0.99 on luma, the L* axis): read it beside the gray row only.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from colorbench.arrays import PerImage
from colorbench.metrics.metric import Metric, Pair, require_range
from colorbench.registry import register

RADIUS = 5
BLOCK = 32
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(x_hat: Tensor, x: Tensor, *, data_range: float) -> PerImage:
    """[b] in [-1, 1], of pictures [b c h w] with values in [0, data_range]; h and w at least 11."""
    _require(x_hat, x, data_range)
    return _means(x_hat, x, data_range)[0].mean(dim=1)


def ms_ssim(x_hat: Tensor, x: Tensor, *, data_range: float) -> PerImage:
    """[b] in [0, 1], five scales (mean pooling by 2); sides of at least 161 px. Negative contrast terms count as 0."""
    if min(x.shape[-2:]) < 161:
        raise ValueError(f"MS-SSIM needs sides of at least 161 px, got {list(x.shape[-2:])}")
    _require(x_hat, x, data_range)
    terms = []
    for scale in range(len(_SCALES)):
        full, contrast = _means(x_hat, x, data_range)
        terms.append((full if scale == len(_SCALES) - 1 else contrast).clamp_min(0.0))
        if scale < len(_SCALES) - 1:
            x_hat, x = F.avg_pool2d(x_hat, 2), F.avg_pool2d(x, 2)
    stacked = torch.stack(terms, dim=-1)
    return (stacked ** stacked.new_tensor(_SCALES)).prod(dim=-1).mean(dim=1)


def _require(x_hat: Tensor, x: Tensor, data_range: float) -> None:
    for values in (x_hat, x):
        require_range(values, 0.0, data_range, "ssim")


def _means(x_hat: Tensor, x: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """[b c] each: the mean of the SSIM map and of its contrast-structure factor, over the windows that fit.

    Written with p = x + y and q = x - y, whose moments give all that is needed:

        2 (mx^2 + my^2) = mp^2 + mq^2,  4 mx my = mp^2 - mq^2,  2 (sx^2 + sy^2) = sp^2 + sq^2,  4 sxy = sp^2 - sq^2
    """
    b, c, h, w = x.shape
    if min(h, w) < 2 * RADIUS + 1:
        raise ValueError(f"SSIM's window needs sides of at least {2 * RADIUS + 1} px, got {[h, w]}")
    moments = torch.empty(h, 4, b, c, w, device=x.device, dtype=x.dtype)
    p, q, pp, qq = moments.permute(1, 2, 3, 0, 4)  # [b c h w] each
    torch.add(x_hat, x, out=p)
    torch.sub(x_hat, x, out=q)
    torch.mul(p, p, out=pp)
    torch.mul(q, q, out=qq)
    mp, mq, pp, qq = _blur(moments.view(h, -1, w)).view(-1, 4, b, c, w - 2 * RADIUS).unbind(1)
    mp, mq = mp.square_(), mq.square_()
    sp, sq = pp.sub_(mp), qq.sub_(mq)
    contrast = _ratio(sp, sq, 2 * (0.03 * data_range) ** 2)
    full = _ratio(mp, mq, 2 * (0.01 * data_range) ** 2).mul_(contrast)
    return full.mean(dim=(0, 3)), contrast.mean(dim=(0, 3))


def _ratio(p: Tensor, q: Tensor, c: float) -> Tensor:
    """(p - q + c) / (p + q + c), in place of both."""
    p.sub_(q).add_(c)
    return p.div_(q.mul_(2).add_(p))


def _blur(x: Tensor) -> Tensor:
    """Gaussian window along the first and the last axis, where it fits: [h n w] -> [h-10 n w-10].

    A product with a banded matrix for each axis, made in blocks of BLOCK rows that hold little but the band: half the
    time of eleven shifted sums.
    """
    offsets = torch.arange(-RADIUS, RADIUS + 1, device=x.device, dtype=torch.float64)
    window = torch.exp(-0.5 * (offsets / 1.5) ** 2)
    window = (window / window.sum()).to(x.dtype)
    band = torch.zeros(BLOCK, BLOCK + 2 * RADIUS, device=x.device, dtype=x.dtype)
    for i in range(BLOCK):
        band[i, i : i + 2 * RADIUS + 1] = window
    h, n, w = x.shape
    flat = x.reshape(h, n * w)
    rows = flat.new_empty(h - 2 * RADIUS, n * w)
    for part, i in zip(rows.split(BLOCK), range(0, h, BLOCK), strict=False):
        size = len(part)
        torch.mm(band[:size, : size + 2 * RADIUS], flat[i : i + size + 2 * RADIUS], out=part)
    rows = rows.view(-1, w)
    columns = flat.new_empty(len(rows), w - 2 * RADIUS)
    for part, i in zip(columns.split(BLOCK, dim=1), range(0, w, BLOCK), strict=False):
        size = part.shape[1]
        torch.mm(rows[:, i : i + size + 2 * RADIUS], band[:size, : size + 2 * RADIUS].t(), out=part)
    return columns.view(-1, n, w - 2 * RADIUS)


@register("metric", "ssim")
class SSIM(Metric):
    """Structural similarity over R, G and B."""

    name = "ssim"
    title = "SSIM"
    low, high = -1.0, 1.0
    better = "higher"
    digits = 4
    fed = "8-bit sRGB, three channels; Gaussian window sigma 1.5, data range 1, border cropped"

    def score(self, pair: Pair) -> PerImage:
        return _means(pair.rgb_hat, pair.rgb, 1.0)[0].mean(dim=1)  # made from bytes: within [0, 1]

    def unavailable(self, size: int) -> str:
        return "" if size > 2 * RADIUS else f"SSIM's window needs {2 * RADIUS + 1} px, pictures have {size}"


@register("metric", "ssim_luma")
class LumaSSIM(Metric):
    """Structural similarity over L*: what remains of the true L after the gamut clip. It should be close to 1."""

    name = "ssim_luma"
    title = "SSIM (L*)"
    low, high = -1.0, 1.0
    better = "higher"
    digits = 4
    fed = "L*/100 of the 8-bit pictures; Gaussian window sigma 1.5, data range 1, border cropped"

    def score(self, pair: Pair) -> PerImage:
        return _means(pair.lab_hat[:, :1], pair.lab[:, :1], 100.0)[0].mean(dim=1)

    def unavailable(self, size: int) -> str:
        return "" if size > 2 * RADIUS else f"SSIM's window needs {2 * RADIUS + 1} px, pictures have {size}"


@register("metric", "ms_ssim")
class MSSSIM(Metric):
    """Multi-scale structural similarity over R, G and B."""

    name = "ms_ssim"
    title = "MS-SSIM"
    high = 1.0
    better = "higher"
    digits = 4
    fed = "8-bit sRGB, three channels, five scales; data range 1"

    def score(self, pair: Pair) -> PerImage:
        return ms_ssim(pair.rgb_hat, pair.rgb, data_range=1.0)

    def unavailable(self, size: int) -> str:
        return "" if size >= 161 else f"MS-SSIM's five scales need 161 px, pictures have {size}"
