"""Terms: the named parts of a family's loss, their coefficients, and what they say about colors.

A family's loss is sum_k weight_k term_k. The names are the family's; the coefficients come from the model's yaml and a
training phase may change them. A name that the family does not know is an error: a misspelt coefficient must never
silently train another loss.
"""

from collections.abc import Mapping

from torch import Tensor

from colorbench.arrays import Chroma
from colorbench.color import mean_chroma
from colorbench.errors import UserError
from colorbench.family import Weights
from colorbench.registry import suggest


def coefficients(weights: Mapping[str, float], *names: str) -> Weights:
    """The coefficients, if they are exactly those of ``names``; a UserError otherwise."""
    for name in weights:
        if name not in names:
            raise UserError(f"weights.{name}: this model has no such term{suggest(name, list(names))}")
    for name in names:
        if name not in weights:
            raise UserError(f"weights.{name}: missing; write 0 to turn the term off")
    if not any(weights.values()):
        raise UserError(f"weights: all are 0, so that nothing would be learned; raise one of {', '.join(names)}")
    return Weights({name: float(weights[name]) for name in names})


def chroma_ratio(ab_hat: Chroma, ab: Chroma) -> Tensor:
    """Scalar: mean chroma sqrt(a^2 + b^2) of the prediction over that of the truth. 0 is gray, 1 is as colorful."""
    return mean_chroma(ab_hat).mean() / mean_chroma(ab).mean().clamp_min(1e-6)
