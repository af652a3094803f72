"""Optimizers: one for each group of a family's parameters, with its own rate and clipping.

A module that says ``pace`` learns, with all that is in it, at this share of its group's rate.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from colorbench.engine.muon import Muon
from colorbench.engine.schedules import Decay
from colorbench.errors import UserError
from colorbench.ranges import Memory, NotNegative, Positive, within
from colorbench.registry import build, check, check_options, register
from colorbench.uncompiled import without_compiler


class Group:
    """The parameters that one key of ``Family.trainable()`` names, and how they are stepped."""

    def __init__(self, name: str, module: nn.Module, make: Any, lr: float, clip: float | None, decay: Decay):
        self.name, self.lr, self.clip, self.decay = name, lr, clip, decay
        paces = {p: pace for p, pace in _paces(module) if p.requires_grad}
        self.parameters = list(paces)
        slices = [[p for p in paces if paces[p] == pace] for pace in dict.fromkeys(paces.values())]
        self.optimizer: Optimizer = make([{"params": some, "pace": paces[some[0]]} for some in slices], lr)

    def gradients(self) -> list[Tensor]:
        """Of the parameters that have one."""
        return [p.grad for p in self.parameters if p.grad is not None]

    def norm(self) -> Tensor:
        """Total norm of the gradients."""
        return nn.utils.get_total_norm(self.gradients())

    def step(self, norm: Tensor, bad: Tensor) -> None:
        """One step of the optimizer, as if ``norm``, that of the gradients, were at most ``clip``; it changes nothing
        where ``bad`` (bool []).

        The fused optimizers divide gradients while they read them and take the flag on the device, under the names that
        :class:`torch.amp.GradScaler` made for both: no pass over the gradients to clip them, and no step waits.
        Another optimizer waits for the flag here.
        """
        if getattr(self.optimizer, "_step_supports_amp_scaling", False):
            flag = bad.float()
            self.optimizer.found_inf = flag  # type: ignore[attr-defined]
            if self.clip is not None:  # in single precision, whatever the gradients are: their kernels know no other
                self.optimizer.grad_scale = (norm / self.clip).clamp(min=1.0).to(flag)  # type: ignore[attr-defined]
            with torch.no_grad():
                inspect.unwrap(type(self.optimizer).step)(self.optimizer)  # torch's wrapper imports its compiler
        elif not bad:
            if self.clip is not None:
                nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)
            self.optimizer.step()

    def set_rate(self, factor: float) -> None:
        """The rate of the next step."""
        for options in self.optimizer.param_groups:
            options["lr"] = self.lr * factor * options["pace"]


Rate = Annotated[float, within("a number above 0, at most 100", lambda x: 0 < x <= 100)]


def shared(*, decay: Decay, ema: Memory, groups: Mapping[str, Mapping[str, Any]]) -> None:
    """What all groups share (the signature is the schema of these keys of ``optim``)."""


def pace(*, lr: Rate, clip: Positive | None) -> None:
    """How fast a group learns (the signature is the schema of these keys of ``optim`` and of ``optim.groups.NAME``)."""


def check_optim(config: Mapping[str, Any], groups: Sequence[str]) -> None:
    """Raise UserError for a key, type or range that is wrong, or a group that the model has not."""
    common = inspect.signature(shared).parameters
    for key in common:
        if key not in config:
            raise UserError(f"optim: needs the option {key!r}")
    check_options(shared, "optim", "optim", {key: config[key] for key in common})
    for name in config["groups"]:
        if name not in groups:
            raise UserError(f"optim.groups.{name}: the model has no such group; it has {', '.join(groups) or 'none'}")
    for name in groups or ("",):  # a model that learns nothing has no group, and its options are looked at all the same
        where = f"optim.groups.{name}" if name in config["groups"] else "optim"
        own, options = _of_group(config, name)
        check_options(pace, "optim", where, own)
        check("optimizer", options, where)


def _of_group(config: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A group's pace, and its optimizer's name and own options."""
    keys = inspect.signature(pace).parameters
    merged = {**{k: v for k, v in config.items() if k not in inspect.signature(shared).parameters}}
    merged |= config["groups"].get(name, {})
    return {k: merged[k] for k in keys if k in merged}, {k: v for k, v in merged.items() if k not in keys}


class Optimizers:
    """``optim`` of the config: an optimizer for every group, built from the same options or the group's own.

    config: {optimizer, lr, betas..., clip, ema, decay: {decay: ...}, groups: {NAME: {lr: ...}}}.
    """

    def __init__(self, config: Mapping[str, Any], trainable: Mapping[str, nn.Module]):
        check_optim(config, list(trainable))
        decay = build("decay", config["decay"], "optim.decay")
        self.groups = {}
        for name, module in trainable.items():
            pace, options = _of_group(config, name)
            self.groups[name] = Group(name, module, build("optimizer", options, "optim"), **pace, decay=decay)
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
def adam(*, betas: tuple[Memory, Memory], weight_decay: NotNegative, eps: Positive) -> Any:
    """Adam (Kingma & Ba 2015), fused: one pass over the memory of parameters, gradients and moments."""
    return lambda parameters, lr: Adam(parameters, lr=lr, betas=betas, weight_decay=weight_decay, eps=eps, fused=True)


@register("optimizer", "adamw")
def adamw(*, betas: tuple[Memory, Memory], weight_decay: NotNegative, eps: Positive) -> Any:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), fused like :func:`adam`."""
    return lambda parameters, lr: AdamW(parameters, lr=lr, betas=betas, weight_decay=weight_decay, eps=eps, fused=True)


@register("optimizer", "muon")
def muon(*, momentum: Memory, betas: tuple[Memory, Memory], weight_decay: NotNegative, eps: Positive) -> Any:
    """Muon for matrices, AdamW for the rest: see muon.py."""
    return lambda parameters, lr: Muon(
        parameters, lr=lr, momentum=momentum, betas=betas, eps=eps, weight_decay=weight_decay
    )


@register("optimizer", "sgd")
def sgd(*, momentum: Memory, nesterov: bool, weight_decay: NotNegative) -> Any:
    """Stochastic gradient descent with momentum (which begins as 0: a first step that is bad leaves it there)."""

    def make(parameters: Any, lr: float) -> SGD:
        optimizer = SGD(parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=True)
        for p in (p for options in optimizer.param_groups for p in options["params"] if momentum):
            optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
        return optimizer

    return make


def _paces(module: nn.Module, pace: float = 1.0) -> Iterator[tuple[nn.Parameter, float]]:
    """Every parameter with its share of the rate."""
    pace *= getattr(module, "pace", 1.0)
    for p in module.parameters(recurse=False):
        yield p, pace
    for child in module.children():
        yield from _paces(child, pace)


def restore_generator(seed: int, images: int) -> None:
    """Networks with ordinary dropout draw from torch's generator: give every step its own, so that resume is exact.

    Without an accelerator the processor's generator alone: ``torch.manual_seed`` would write down where it was called
    from, at every step, for GPUs to come.
    """
    number = (seed * 1_000_003 + images) % (2**63)
    if torch.accelerator.is_available():
        torch.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)


without_compiler(Optimizer.add_param_group, Optimizer.zero_grad, Optimizer.state_dict, Optimizer.load_state_dict)
