"""Optimizers: one for each group of a family's parameters, with its own rate and clipping."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from colorbench.engine.schedules import Constant, Decay
from colorbench.errors import UserError
from colorbench.registry import build, register


class Group:
    """The parameters that one key of ``Family.trainable()`` names, and how they are stepped."""

    def __init__(self, name: str, module: nn.Module, make: Any, lr: float, clip: float | None, decay: Decay):
        self.name, self.lr, self.clip, self.decay = name, lr, clip, decay
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer: Optimizer = make(self.parameters, lr)

    def gradients(self) -> list[Tensor]:
        """Of the parameters that have one."""
        return [p.grad for p in self.parameters if p.grad is not None]

    def norm(self) -> Tensor:
        """Total gradient norm, clipped in place to ``clip`` if that is set; returns the norm before clipping."""
        if self.clip is None:
            return nn.utils.get_total_norm(self.gradients())
        return nn.utils.clip_grad_norm_(self.parameters, self.clip)

    def set_rate(self, factor: float) -> None:
        """The rate of the next step."""
        for options in self.optimizer.param_groups:
            options["lr"] = self.lr * factor


class Optimizers:
    """``optim`` of the config: an optimizer for every group, built from the same options or the group's own.

    config: {optimizer, lr, betas..., clip, ema, decay: {decay: ...}, groups: {NAME: {lr: ...}}}.
    """

    def __init__(self, config: Mapping[str, Any], trainable: Mapping[str, nn.Module]):
        shared = {k: v for k, v in config.items() if k not in ("groups", "clip", "ema", "decay", "lr")}
        own = config["groups"] or {}
        for name in own:
            if name not in trainable:
                raise UserError(
                    f"optim.groups.{name}: the model has no such group; it has {', '.join(trainable) or 'none'}"
                )
        decay = build("decay", config["decay"], "optim.decay") if config["decay"] else Constant()
        self.groups = {}
        for name, module in trainable.items():
            options = {**shared, "lr": config["lr"], "clip": config["clip"], **own.get(name, {})}
            lr, clip = options.pop("lr"), options.pop("clip")
            self.groups[name] = Group(name, module, build("optimizer", options, "optim"), lr, clip, decay)
        seen: dict[int, str] = {}
        for name, group in self.groups.items():
            for p in group.parameters:
                if seen.setdefault(id(p), name) != name:
                    raise ValueError(f"groups {seen[id(p)]!r} and {name!r} share a parameter; they must be disjoint")

    def state_dict(self) -> dict[str, Any]:
        """Of every optimizer."""
        return {name: group.optimizer.state_dict() for name, group in self.groups.items()}

    def load(self, states: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        for name, group in self.groups.items():
            group.optimizer.load_state_dict(states[name])


@register("optimizer", "adam")
def adam(*, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0, eps: float = 1e-8) -> Any:
    """Adam (Kingma & Ba 2015), fused: one pass over the memory of parameters, gradients and moments."""
    return lambda parameters, lr: Adam(parameters, lr=lr, betas=betas, weight_decay=weight_decay, eps=eps, fused=True)


@register("optimizer", "adamw")
def adamw(*, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.01, eps: float = 1e-8) -> Any:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), fused like :func:`adam`."""
    return lambda parameters, lr: AdamW(parameters, lr=lr, betas=betas, weight_decay=weight_decay, eps=eps, fused=True)


@register("optimizer", "sgd")
def sgd(*, momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0) -> Any:
    """Stochastic gradient descent with momentum."""
    return lambda parameters, lr: SGD(
        parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=True
    )


def restore_generator(seed: int, images: int) -> None:
    """Networks with ordinary dropout draw from torch's generator: give every step its own, so that resume is exact."""
    torch.manual_seed((seed * 1_000_003 + images) % (2**63))
