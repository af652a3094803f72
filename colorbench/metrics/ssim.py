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
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(x_hat: Tensor, x: Tensor, *, data_range: float) -> PerImage:
    """[b] in [-1, 1], of pictures [b c h w] with values in [0, data_range]; h and w at least 11."""
    full, _ = _ssim_maps(x_hat, x, data_range)
    return full.mean(dim=(1, 2, 3))


def ms_ssim(x_hat: Tensor, x: Tensor, *, data_range: float) -> PerImage:
    """[b] in [0, 1], five scales (mean pooling by 2); sides of at least 161 px. Negative contrast terms count as 0."""
    if min(x.shape[-2:]) < 161:
        raise ValueError(f"MS-SSIM needs sides of at least 161 px, got {list(x.shape[-2:])}")
    terms = []
    for scale in range(len(_SCALES)):
        full, contrast = _ssim_maps(x_hat, x, data_range)
        terms.append((full if scale == len(_SCALES) - 1 else contrast).mean(dim=(2, 3)).clamp_min(0.0))
        if scale < len(_SCALES) - 1:
            x_hat, x = F.avg_pool2d(x_hat, 2), F.avg_pool2d(x, 2)
    stacked = torch.stack(terms, dim=-1)
    return (stacked ** stacked.new_tensor(_SCALES)).prod(dim=-1).mean(dim=1)


def _ssim_maps(x_hat: Tensor, x: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """The SSIM map and its contrast-structure factor, over the windows that lie within the picture."""
    for values in (x_hat, x):
        require_range(values, 0.0, data_range, "ssim")
    if min(x.shape[-2:]) < 2 * RADIUS + 1:
        raise ValueError(f"SSIM's window needs sides of at least {2 * RADIUS + 1} px, got {list(x.shape[-2:])}")
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    second, cross = x_hat * x_hat + x * x, x_hat * x  # only the sum of the variances is needed
    m_hat, m, second, cross = (_blur(moment) for moment in (x_hat, x, second, cross))
    squares, product = m_hat * m_hat + m * m, m_hat * m
    contrast = (2 * (cross - product) + c2) / (second - squares + c2)
    full = (2 * product + c1) / (squares + c1) * contrast
    fits = x.shape[-1] - 2 * RADIUS
    return full[..., :fits], contrast[..., :fits]


def _blur(x: Tensor) -> Tensor:
    """Gaussian window, separable: [b c h w] -> [b c h-10 w]. The last 10 columns are no windows and mean nothing: both
    passes run along the flattened picture, which is contiguous, and reach around its right border."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    window = torch.exp(-0.5 * (offsets / 1.5) ** 2)
    taps = (window / window.sum()).tolist()
    b, c, h, w = x.shape
    flat = x.reshape(b * c, h * w)
    length = (h - 2 * RADIUS) * w
    rows = flat[:, :length] * taps[0]
    for i in range(1, len(taps)):
        rows.add_(flat[:, i * w : i * w + length], alpha=taps[i])
    columns = torch.zeros_like(rows)
    inner = columns[:, : length - 2 * RADIUS]
    for i, tap in enumerate(taps):
        inner.add_(rows[:, i : i + length - 2 * RADIUS], alpha=tap)
    return columns.view(b, c, h - 2 * RADIUS, w)


@register("metric", "ssim")
class SSIM(Metric):
    """Structural similarity over R, G and B."""

    name = "ssim"
    low, high = -1.0, 1.0
    better = "higher"
    digits = 4
    fed = "8-bit sRGB, three channels; Gaussian window sigma 1.5, data range 1, border cropped"

    def score(self, pair: Pair) -> PerImage:
        """[b]; see the module."""
        channels = zip(pair.rgb_hat.split(1, dim=1), pair.rgb.split(1, dim=1), strict=True)
        return torch.stack([ssim(hat, true, data_range=1.0) for hat, true in channels]).mean(0)

    def unavailable(self, size: int) -> str:
        """Why not, or empty."""
        return "" if size > 2 * RADIUS else f"SSIM's window needs {2 * RADIUS + 1} px, pictures have {size}"


@register("metric", "ssim_luma")
class LumaSSIM(Metric):
    """Structural similarity over L*: what remains of the true L after the gamut clip. It should be close to 1."""

    name = "ssim_luma"
    low, high = -1.0, 1.0
    better = "higher"
    digits = 4
    fed = "L*/100 of the 8-bit pictures; Gaussian window sigma 1.5, data range 1, border cropped"

    def score(self, pair: Pair) -> PerImage:
        """[b]; see the module."""
        return ssim(pair.lab_hat[:, :1] / 100.0, pair.lab[:, :1] / 100.0, data_range=1.0)

    def unavailable(self, size: int) -> str:
        """Why not, or empty."""
        return "" if size > 2 * RADIUS else f"SSIM's window needs {2 * RADIUS + 1} px, pictures have {size}"


@register("metric", "ms_ssim")
class MSSSIM(Metric):
    """Multi-scale structural similarity over R, G and B."""

    name = "ms_ssim"
    high = 1.0
    better = "higher"
    digits = 4
    fed = "8-bit sRGB, three channels, five scales; data range 1"

    def score(self, pair: Pair) -> PerImage:
        """[b]; see the module."""
        return ms_ssim(pair.rgb_hat, pair.rgb, data_range=1.0)

    def unavailable(self, size: int) -> str:
        """Why not, or empty."""
        return "" if size >= 161 else f"MS-SSIM's five scales need 161 px, pictures have {size}"
