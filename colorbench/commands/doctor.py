"""Does everything that an experiment needs work here: ``colorbench doctor``, one line for each check

Devices, number formats, packages, pretrained weights, a writable cache, Weights & Biases; then the smallest training
there is, through the same engine as every model: a convolutional net learns the mean intensity of pictures, is stopped
half-way, resumed from its checkpoint, and its curve is drawn. A scalar is so easy to learn that a failure is never the
model's: it is the plumbing's. Lines say ok, note (something optional is absent) or FAIL; the exit code is 1 if one says
FAIL. Nothing is downloaded, and no setting is needed; ``device=cuda`` and ``precision=fp32`` choose what is tried.

``--profile [model=unet,ddpm] [KEY=VALUE ...]`` prints instead where a run's time goes: of every model that learns, or
of those named, the share of the wall time in data, forward and backward pass, optimizer, averaging, checks, logging,
validation, saving and curves. A short run of the configuration is measured and scaled to its budget.
"""

import time
from collections.abc import Sequence

from colorbench.commands import command
from colorbench.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Run every check; 1 if one failed."""
    parser = command.parser("doctor", __doc__)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="device=..., precision=... (auto)")
    parser.add_argument("--profile", action="store_true", help="the share of each part of a training, by model")
    parser.add_argument("--steps", type=int, default=10, help="of training that the profile measures (10)")
    arguments = parser.parse_args(argv)
    if arguments.profile:
        return _profile(arguments.words, arguments.steps)
    options = _options(arguments.words)
    from colorbench.training.doctor import (
        Absent,
        Check,
        check_cache,
        check_device,
        check_disk,
        check_models,
        check_packages,
        check_precision,
        check_python,
        check_training,
        check_wandb,
        check_weights,
    )

    checks: dict[str, Check] = {
        "python": check_python,
        "packages": check_packages,
        "device": lambda: check_device(options["device"]),
        "precision": lambda: check_precision(options["device"], options["precision"]),
        "models": check_models,
        "weights": check_weights,
        "cache": check_cache,
        "disk": check_disk,
        "wandb": check_wandb,
        "training": lambda: check_training(options["device"], options["precision"]),
    }
    failed = 0
    for name, check in checks.items():
        started = time.perf_counter()
        try:
            verdict, text = "ok", check()
        except Absent as absence:
            verdict, text = "note", str(absence)
        except Exception as error:  # a doctor reports whatever happens
            verdict, text = "FAIL", str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            failed += 1
        print(f"{verdict:4}  {name:9}  {' '.join(text.split())}  ({time.perf_counter() - started:.1f} s)", flush=True)
    print("everything that an experiment needs works" if not failed else f"{failed} check(s) failed")
    return 1 if failed else 0


def _profile(words: Sequence[str], steps: int) -> int:
    from colorbench.runs import config
    from colorbench.training.profile import shares, table

    if steps < 5:
        raise UserError(f"--steps: expected 5 or more, got {steps}")
    named = [word.partition("=")[2] for word in words if word.startswith("model=")]
    others = [word for word in words if not word.startswith("model=")]
    models = named[-1].split(",") if named else [name for name in config.options("model") if _learns(name)]
    for model in models:
        rows = {model: shares(config.compose([f"model={model}", *others]), model, steps)}
        print("\n".join(table(rows).splitlines()[0 if model == models[0] else 2 :]), flush=True)
    return 0


def _learns(model: str) -> bool:
    """Has it something to train?"""
    from colorbench.registry import names
    from colorbench.runs import config
    from colorbench.training.schema import on_paper

    names("family")  # imports them all: on paper, what a module makes as it is imported would have no content
    return bool(on_paper(config.compose([f"model={model}"])["model"]).trainable())


def _options(argv: Sequence[str]) -> dict[str, str]:
    from colorbench.registry import suggest

    options = {"device": "auto", "precision": "auto"}
    for word in argv:
        key, _, value = word.partition("=")
        if key not in options or not value:
            raise UserError(f"{word!r}: expected device=... or precision=...{suggest(key, list(options))}")
        options[key] = value
    return options
