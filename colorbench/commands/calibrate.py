"""How sure a model may be of its colors: ``colorbench calibrate RUN [-o FOLDER]``

Colors validation pictures of the run's own data with --draws draws each and learns how often the mean of the draws is
right (within 10 CIEDE2000 of the truth) as a function of how far they lie apart; then says on test pictures whether
that holds. Writes certainty.json and certainty.png into FOLDER (default: beside the run's weights, where
``colorize --uncertainty`` looks for it; for a portable model, give its folder).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorbench.commands import command
from colorbench.errors import UserError


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser("calibrate", __doc__)
    parser.add_argument("run", help="a run folder")
    parser.add_argument("-o", "--output", type=Path, help="the folder to write to")
    parser.add_argument("--pictures", type=int, default=500, help="of each split (500)")
    parser.add_argument("--draws", type=int, default=8, help="of each picture (8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    command.add_checkpoint(parser)
    command.add_plugins(parser)
    options = parser.parse_args(argv)
    import numpy as np

    from colorbench.engine.precision import choose_device
    from colorbench.inference import certainty as work
    from colorbench.runs.run import open_run

    if not 2 <= options.draws <= 64 or options.pictures < 2:
        raise UserError("--draws: expected 2 to 64; --pictures: 2 or more")
    run, device = open_run(options.run), choose_device(options.device)
    family = run.family(device, options.checkpoint)
    if not family.stochastic:
        raise UserError(f"{run.name} gives one answer for each picture: nothing lies apart; choose a model that draws")
    data = run.data()
    chosen: dict[str, Any] = {"draws": options.draws, "seed": options.seed, "device": device}
    seen = list(work.pixels(family, data.val.take(options.pictures), **chosen))
    learned, base = work.learn(seen, options.draws)
    found = list(work.pixels(family, data.test.take(options.pictures), **chosen))
    shown = work.show(learned, base, found)
    folder = options.output or run.checkpoint(options.checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"model": run.name, "source": data.name, "validation_pictures": len(seen), "test_pictures": len(found)}
    file = work.write(learned, base, shown, folder, facts)
    title = f"{run.name}: {len(seen)} validation and {len(found)} test pictures of {data.name}, {options.draws} draws"
    work.plot(learned, shown, folder / "certainty.png", title)
    gain = shown.gain
    right = float(np.concatenate([pixels for _, pixels in found]).mean())
    print(f"right (error < {work.RIGHT:.0f} CIEDE2000): {base:.1%} of validation, {right:.1%} of test pixels")
    for said, share in zip(shown.said, shown.found, strict=True):
        print(f"  said {said:6.1%}   found {share:6.1%}")
    print(f"mean distance of said from found {shown.off:.1%}")
    print(f"Brier score {shown.brier.mean():.4f}, of the constant {shown.constant.mean():.4f}: ", end="")
    print(f"better by {gain.mean:.4f} [{gain.low:.4f}, {gain.high:.4f}]")
    print(file)
