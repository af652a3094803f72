"""Does everything that an experiment needs work here: ``colorbench doctor``, one line for each check

Devices, number formats, packages, pretrained weights, a writable cache, Weights & Biases; then the smallest training
there is, through the same engine as every model: a convolutional net learns the mean intensity of pictures, is stopped
half-way, resumed from its checkpoint, and its curve is drawn. A scalar is so easy to learn that a failure is never the
model's: it is the plumbing's. Lines say ok, note (something optional is absent) or FAIL; the exit code is 1 if one says
FAIL. Nothing is downloaded, and no setting is needed; ``device=cuda`` and ``precision=fp32`` choose what is tried.
"""

import time
from collections.abc import Sequence

from colorbench.commands import command
from colorbench.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Run every check; 1 if one failed."""
    parser = command.parser("doctor", __doc__)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="device=..., precision=... (auto)")
    options = _options(parser.parse_args(argv).words)
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


def _options(argv: Sequence[str]) -> dict[str, str]:
    from colorbench.registry import suggest

    options = {"device": "auto", "precision": "auto"}
    for word in argv:
        key, _, value = word.partition("=")
        if key not in options or not value:
            raise UserError(f"{word!r}: expected device=... or precision=...{suggest(key, list(options))}")
        options[key] = value
    return options
