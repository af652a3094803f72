"""Against the usual code: pix2pix as its tutorials write it, at its own setting, and the time to a stated quality.

``make bench-usual``, or ``python benchmarks/usual.py [--quick] [--parts speed,quality] [--gain 0.5] [KEY=VALUE ...]``.
Everything is measured in processor seconds, ours and theirs in one run, in turn where both take steps:

    speed     a step of the usual loop (256 px, batch 4: generator of 8 halvings, 64 to 512 channels, batch norm,
              dropout; 70 x 70 PatchGAN; Adam 2e-4, 0.5; L1 x 100) and of ``model=pix2pix`` at that setting through the
              engine, in both memory formats; their arithmetic a second beside that of a matrix product
    quality   until the mean PSNR of validation pictures is ``--gain`` dB above gray's: a model of ours (KEY=VALUE;
              default a small decoder on the packaged trunk), then the usual loop on the same pictures. It may take
              ``--most`` times as long; where it is not there then, the ratio is a lower bound and is printed as one

``--quick``: pictures of 64 px, 6 halvings, two rounds. The pictures are the tiles that come with scikit-image, or those
of ``--pictures FOLDER``.
"""

import argparse
import copy
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from engine import hardware, pictures, race
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from colorbench import color, registry
from colorbench.batch import Batch
from colorbench.data.dataset import DataSet, open_data
from colorbench.engine.precision import choose_precision
from colorbench.family import Weights
from colorbench.noise import Noise
from colorbench.runs.config import compose

CPU = torch.device("cpu")
OURS = ["model=unet", "trunk=lite0"]


class Level(nn.Module):
    """Half the size, whatever is inside, back, beside what came in: the recursive block of the usual U-Net."""

    def __init__(self, outer: int, inner: int, inside: nn.Module | None, *, first: int = 0, drop: bool = False) -> None:
        super().__init__()
        outermost, innermost = bool(first), inside is None
        down: list[nn.Module] = [nn.Conv2d(first or outer, inner, 4, 2, 1, bias=False)]
        if not outermost:
            down.insert(0, nn.LeakyReLU(0.2))
        if not outermost and not innermost:
            down.append(nn.BatchNorm2d(inner))
        up = [nn.ReLU(), nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, 2, 1, bias=outermost)]
        up += [nn.Tanh()] if outermost else [nn.BatchNorm2d(outer), *([nn.Dropout(0.5)] if drop else [])]
        self.outermost, self.body = outermost, nn.Sequential(*down, *([inside] if inside else []), *up)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if self.outermost else torch.cat([x, self.body(x)], 1)


def generator(levels: int) -> nn.Module:
    """L [b 1 h w] to ab [b 2 h w]."""
    inside = Level(512, 512, None)
    for _ in range(levels - 5):
        inside = Level(512, 512, inside, drop=True)
    for outer in (256, 128, 64):
        inside = Level(outer, 2 * outer, inside)
    return Level(2, 64, inside, first=1)


def discriminator() -> nn.Module:
    """(L, ab) [b 3 h w] to logits of patches of 70 x 70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    for width, stride in ((64, 2), (128, 2), (256, 1)):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


class Usual:
    """The loop of the tutorials."""

    def __init__(self, levels: int) -> None:
        torch.manual_seed(0)
        self.G, self.D = generator(levels), discriminator()
        for module in (*self.G.modules(), *self.D.modules()):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
        self.optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (self.G, self.D)]

    def step(self, batch: Batch) -> None:
        """D, then G; each loss is read for the bar, as tutorials do."""
        for_G, for_D = self.optimizers
        fake = self.G(batch.L)
        self.D.requires_grad_(True)
        for_D.zero_grad()
        judged = self.D(torch.cat([batch.L, fake.detach()], 1)), self.D(torch.cat([batch.L, batch.ab], 1))
        loss = 0.5 * (_logits(judged[0], 0.0) + _logits(judged[1], 1.0))
        loss.backward()
        for_D.step()
        self.D.requires_grad_(False)
        for_G.zero_grad()
        total = _logits(self.D(torch.cat([batch.L, fake], 1)), 1.0) + 100.0 * F.l1_loss(fake, batch.ab)
        total.backward()
        for_G.step()
        loss.item(), total.item()


def _logits(x: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(x, torch.full_like(x, label))


def speed(quick: bool) -> None:
    """The table of steps."""
    size, levels = (64, 6) if quick else (256, 8)
    batches = pictures(4, size, CPU)
    config = compose(["model=pix2pix", f"model.generator.levels={levels}", f"data.size={size}"])
    precision = choose_precision("fp32", CPU)
    usual = Usual(levels)
    with FlopCounterMode(display=False) as counter:
        usual.step(batches[0])
    flops = counter.get_total_flops()
    print(f"| {size} px, batch 4, {precision} | usual, images/s | ours, images/s | ours is so many times as fast |")
    print("|---|---|---|---|")
    for channels_last in (False, True):
        torch.manual_seed(0)
        family = registry.build("family", config["model"], "model")
        with torch.no_grad():
            family.prepare(batches)
        rounds = 3 if quick else 6
        ours, theirs = race(
            family, usual.step, batches, config, CPU, precision, 0.0, channels_last=channels_last, rounds=rounds
        )
        name = "channels_last" if channels_last else "as auto has it on a CPU in fp32"
        print(f"| {name} | {4 / theirs:.2f} | {4 / ours:.2f} | {theirs / ours:.2f} |", flush=True)
        print(
            f"| of these {flops / 1e9:,.0f} GFLOP a step, a second | {_roof(flops, theirs)} | {_roof(flops, ours)} | |"
        )


def _roof(flops: float, seconds: float) -> str:
    """A step's arithmetic a second, beside that of a matrix product, which is all that this core can do."""
    a, b = torch.randn(2, 1024, 1024)
    times = []
    for _ in range(12):
        started = time.process_time()
        torch.mm(a, b)
        times.append(time.process_time() - started)
    most = 2 * 1024**3 / sorted(times)[len(times) // 2]
    return f"{flops / seconds / 1e9:.0f} GFLOP, {flops / seconds / most:.0%} of a matrix product's {most / 1e9:.0f}"


def psnr(colorize: Callable[[Batch], Tensor], batches: Iterable[Batch]) -> float:
    """Mean over pictures, of sRGB in 8 bits."""
    found = []
    for batch in batches:
        hat, true = (color.to_bytes(color.decode(batch.L, ab)).float() for ab in (colorize(batch), batch.ab))
        found.append(-10.0 * (((hat - true) / 255.0) ** 2).mean(dim=(1, 2, 3)).clamp_min(1e-10).log10())
    return float(torch.cat(found).mean())


def until(
    step: Callable[[Batch], object],
    reached: Callable[[], float],
    batches: Iterator[Batch],
    goal: float,
    *,
    every: int,
    most: float,
) -> tuple[float, int, float]:
    """(processor seconds of the steps, steps, the last PSNR), looked at after every so many steps, outside of the
    clock, until the goal or the most seconds."""
    spent, steps, seen = 0.0, 0, float("-inf")
    while seen < goal and spent < most:
        for batch in itertools.islice(batches, every):
            started = time.process_time()
            step(batch)
            spent += time.process_time() - started
            steps += 1
        seen = reached()
    return spent, steps, seen


class Ours:
    """The steps of a family without an engine, whose own cost ``benchmarks/engine.py`` measures."""

    def __init__(self, config: dict[str, Any], data: DataSet) -> None:
        torch.manual_seed(0)
        self.family = registry.build("family", config["model"], "model")
        with torch.no_grad():
            self.family.prepare(data.train.batches(16, CPU))
        optim = config["optim"]
        self.groups = {n: [p for p in m.parameters() if p.requires_grad] for n, m in self.family.trainable().items()}
        self.optimizers = {n: torch.optim.AdamW(p, lr=optim["lr"], fused=True) for n, p in self.groups.items()}
        self.average = {n: p.detach().clone() for n, p in self.family.named_parameters()}

    def step(self, batch: Batch) -> None:
        """As the engine's, with averaged weights."""
        self.family.train()
        noise = Noise.of(0, batch.ids, batch.visits)
        for objective in self.family.objectives(batch, noise, Weights(self.family.weights)):
            wanted = [p for name in objective.groups for p in self.groups[name]]
            for name in objective.groups:
                self.optimizers[name].zero_grad()
            objective.loss.mean().backward(inputs=wanted)
            for name in objective.groups:
                self.optimizers[name].step()
        with torch.no_grad():
            for name, p in self.family.named_parameters():
                self.average[name].lerp_(p, 0.1)

    def reached(self, val: Sequence[Batch]) -> float:
        """PSNR with the averaged weights."""
        averaged = copy.deepcopy(self.family).eval()
        with torch.no_grad():
            for name, p in averaged.named_parameters():
                p.copy_(self.average[name])
            return psnr(lambda batch: averaged.colorize(batch.L, Noise.of(0, batch.ids)), val)


def quality(quick: bool, gain: float, most: float, folder: str | None, words: list[str]) -> None:
    """The table of times."""
    size, levels = (64, 6) if quick else (256, 8)
    source = ["data=folder", f"data.root={folder}"] if folder else ["data=photos"]
    config = compose([*source, f"data.size={size}", *words])
    data = open_data(config["data"])
    val = list(data.val.take(32).batches(8, CPU))
    gray = psnr(lambda batch: torch.zeros_like(batch.ab), val)
    goal = gray + gain

    def feed(batch: int) -> Iterator[Batch]:
        return data.train_batches(batch_size=batch, seed=0, start=0, device=CPU)

    model = Ours(config, data)
    ours = until(model.step, lambda: model.reached(val), feed(16), goal, every=5, most=float("inf"))
    usual = Usual(levels)

    def theirs_reached() -> float:
        usual.G.eval()
        with torch.no_grad():
            found = psnr(lambda batch: usual.G(batch.L), val)
        usual.G.train()
        return found

    theirs = until(usual.step, theirs_reached, feed(4), goal, every=10, most=most * ours[0])
    bound = "" if theirs[2] >= goal else ">= "
    print(f"| {gain} dB above gray ({gray:.2f} dB), {size} px | processor s | steps | reached, dB |")
    print("|---|---|---|---|")
    print(f"| ours, {' '.join(words)}, batch 16 | {ours[0]:.1f} | {ours[1]} | {ours[2]:.2f} |")
    print(f"| the usual pix2pix, batch 4 | {bound}{theirs[0]:.1f} | {theirs[1]} | {theirs[2]:.2f} |")
    note = " (a lower bound: the usual code was not there yet)" if bound else ""
    print(f"| ours is so many times as fast | {bound}{theirs[0] / ours[0]:.1f}{note} | | |", flush=True)


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", default="speed,quality")
    parser.add_argument("--gain", type=float, default=0.5)
    parser.add_argument("--most", type=float, default=5.5, help="times our own seconds")
    parser.add_argument("--pictures", metavar="FOLDER")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{hardware(CPU)}\n`{' '.join(['python', *sys.argv])}`\n")
    if "speed" in arguments.parts:
        speed(arguments.quick)
        print()
    if "quality" in arguments.parts:
        quality(arguments.quick, arguments.gain, arguments.most, arguments.pictures, arguments.words or OURS)


if __name__ == "__main__":
    main()
