"""A whole command's processor time by what it was spent on, and as a flame graph: of any two checkouts side by side.

    python benchmarks/flame.py --record before.txt model=unet ...    (once in each checkout, PYTHONPATH=that checkout)
    python benchmarks/flame.py --of before=before.txt,after=after.txt --to benchmarks

Recording interrupts ``colorbench WORDS`` at every hundredth processor second (ITIMER_PROF) and books what was spent
since the last time to the stack that it finds; so a crowded machine changes nothing, and a long call into C counts in
full, for the line that made it. A file has a line for each stack, outermost first: ``function file;... seconds``.
"""

import argparse
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

PARTS = (
    ("import", ("_find_and_load <",)),
    ("curves", ("draw_curves ",)),
    ("saving", (" colorbench/engine/checkpoint.py", "_save colorbench/engine/engine.py")),
    ("validation", ("_validate colorbench/engine/engine.py",)),
    ("scenes", (" colorbench/data/scenes/", "prepare ")),
    ("backward", ("backward torch/",)),
    ("optimizer", (" torch/optim/", " colorbench/engine/optimizers.py")),
    ("averaging", (" colorbench/engine/ema.py",)),
    ("logging", ("_log colorbench/engine/engine.py",)),
    ("data", (" colorbench/data/",)),
    ("forward", (" colorbench/families/", " torch/nn/")),
    ("configuration", (" omegaconf/", "compose ", "_load_configuration ", "check colorbench/")),
)
"""(part, words of a stack that make it that part's): the first that fits. What fits none is ``other``."""


def record(file: Path, words: list[str]) -> None:
    """Run the command; write what it spent."""
    spent: Counter[str] = Counter()
    last = 0.0

    def sample(_: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.process_time()
        spent[";".join(_stack(frame))] += now - last  # type: ignore[assignment]
        last = now

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
    sys.argv = ["colorbench", *words]
    try:
        runpy.run_module("colorbench", run_name="__main__", alter_sys=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        file.write_text("".join(f"{stack} {seconds:.4f}\n" for stack, seconds in spent.items()))


def _stack(frame: FrameType | None) -> list[str]:
    """``function file`` of every frame, outermost first; files from their package on."""
    found = []
    while frame is not None:
        name = frame.f_code.co_filename
        for mark in ("/site-packages/", "/lib/python"):
            name = name.rpartition(mark)[2]
        at = name.find("colorbench/")
        found.append(f"{frame.f_code.co_name} {name[at:] if at >= 0 else name}".replace(";", ","))
        frame = frame.f_back
    return found[::-1]


def read(file: Path) -> dict[str, float]:
    """{stack: processor seconds}."""
    lines = (line.rpartition(" ") for line in file.read_text().splitlines())
    return {stack: float(seconds) for stack, _, seconds in lines}


def parts(spent: dict[str, float]) -> Counter[str]:
    """{part: processor seconds}."""
    found: Counter[str] = Counter()
    for stack, seconds in spent.items():
        fits = (name for name, marks in PARTS if any(mark in stack for mark in marks))
        found[next(fits, "other")] += seconds  # type: ignore[assignment]
    return found


def table(runs: dict[str, dict[str, float]]) -> Iterable[str]:
    """Markdown: seconds and share of every part, a column for each run."""
    found = {name: parts(spent) for name, spent in runs.items()}
    yield "| processor seconds | " + " | ".join(runs) + " |"
    yield "|---" * (1 + len(runs)) + "|"
    for part in [name for name, _ in PARTS] + ["other"]:
        cells = (f"{run[part]:.2f} ({run[part] / run.total():.1%})" for run in found.values())
        yield f"| {part} | " + " | ".join(cells) + " |"
    yield "| all | " + " | ".join(f"{run.total():.1f}" for run in found.values()) + " |"


SKIPPED = ("benchmarks/flame.py", "<frozen", "hydra/", "runpy", "contextlib.py", "<string>", "_contextlib.py")


def draw(runs: dict[str, dict[str, float]], file: Path) -> None:
    """Flame graphs on one scale of seconds; frames of import, Hydra and decorators are left out."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    colors = {name: colormaps["tab20"](i) for i, (name, _) in enumerate(PARTS)}
    figure = Figure(figsize=(14, 4.2 * len(runs)), layout="constrained")
    panels: Any = figure.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, spent) in zip(panels, runs.items(), strict=True):
        boxes: Counter[tuple[str, ...]] = Counter()
        for stack, seconds in spent.items():
            frames = [frame for frame in stack.split(";") if not any(word in frame for word in SKIPPED)]
            start = next((i for i, frame in enumerate(frames) if frame.startswith("_train ")), 0)
            frames = frames[start:][:14]
            kind = next((part for part, marks in PARTS if any(mark in stack for mark in marks)), "other")
            for depth in range(len(frames) + 1):
                boxes[kind, *frames[:depth]] += seconds  # type: ignore[assignment]
        at: dict[tuple[str, ...], float] = {(): 0.0}
        for box, wide in sorted(boxes.items(), key=lambda item: (len(item[0]), -item[1])):
            above = box[:-1]
            left = at[above]
            at[above], at[box] = left + wide, left
            if wide < 0.002 * sum(spent.values()):
                continue
            row, look = len(box) - 1, {"color": colors.get(box[0], "0.7"), "edgecolor": "white", "lw": 0.4}
            axes.barh(row, wide, left=left, height=1.0, align="edge", alpha=0.75, **look)
            said = box[-1].split(" ")[0]
            if len(said) * 0.0062 * max(sum(run.values()) for run in runs.values()) < wide:
                axes.text(left + wide / 2, row + 0.5, said, ha="center", va="center", fontsize=6)
        axes.set(title=f"{name}: {sum(spent.values()):.0f} processor seconds", yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
    panels[-1].set_xlabel("processor seconds; the lowest row is the part, above it who called whom")
    figure.savefig(file, dpi=80)


def main() -> None:
    """Record, or the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path)
    parser.add_argument("--of", default="", help="NAME=FILE,... of what was recorded")
    parser.add_argument("--to", type=Path, default=Path("benchmarks"))
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments.record, arguments.words)
        return
    pairs = (word.split("=", 1) for word in arguments.of.split(","))
    runs = {name: read(Path(file)) for name, file in pairs}
    print("\n".join(table(runs)))
    draw(runs, arguments.to / "flame.png")


if __name__ == "__main__":
    main()
