"""The report: one HTML page that holds everything, for people who want to look. ``python -m colorbench.report outputs``

Table, plots, training curves and a gallery of gray | truth | every model, in one self-contained file without any
network access. The page's own script draws it from the numbers embedded in it; the pictures are small WebP images,
shrunk as far as the size limit asks. ``--figures DIR`` writes the same as PNG and PDF for papers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorbench import atomic, command
from colorbench.errors import UserError

if TYPE_CHECKING:
    from colorbench.sheet import Line, Sheet

_STEPS = ((160, 82), (128, 80), (112, 72), (96, 66), (80, 60), (64, 55))
"""(px, WebP quality), from the finest that fits the limit."""
_MOST_VALUES, _MOST_POINTS = 1500, 300


def write_report(sheet: "Sheet", path: Path, *, title: str = "colorbench report", limit_mb: float = 20.0) -> Path:
    """Write the page of one sheet (made with ``metrics=["all"]``); below ``limit_mb``. Returns ``path``."""
    import json
    from html import escape

    page = Path(__file__).parent / "page"
    text = (page / "report.html").read_text(encoding="utf-8").replace("{{title}}", escape(title))
    inserts = {kind: (page / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")}
    payload = collect(sheet)
    numbers = sum(map(len, [text, json.dumps(payload), *inserts.values()]))
    payload["gallery"] = embed(sheet, int(limit_mb * 1e6) - numbers - 4096)
    inserts["data"] = json.dumps(payload, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    for key, insert in inserts.items():
        head, _, tail = text.partition(f"{{{{{key}}}}}")
        text = head + insert + tail
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text)
    return path


def collect(sheet: "Sheet") -> dict[str, Any]:
    """Everything on the page but its pictures, as JSON-able values."""
    from colorbench.sheet import HEADLINE
    from colorbench.table import COSTS, costs_of

    costs = costs_of(sheet)
    p = sheet.protocol
    facts = {str(m["name"]): m for m in p.metrics}
    count = sum(line.kind != "trivial" for line in sheet.lines)
    return {
        "lead": f"{count} systems on {p.images:,} {p.split} pictures at {p.size} px, protocol {p.id} ({p.name}).",
        "caption": sheet.caption,
        "notes": sheet.notes,
        "lines": [
            {
                "label": line.label,
                "trivial": line.kind == "trivial",
                "seeds": line.seeds,
                "costs": {k: v for k in costs if line.kind == "model" and (v := line.cost(k)) is not None},
            }
            for line in sheet.lines
        ],
        "costs": {key: COSTS[key] for key in costs},
        "columns": [
            {
                "name": name, "title": c.title, "arrow": c.arrow, "better": c.better, "digits": c.digits,
                "unit": c.unit, "note": c.note,
                "headline": (name in HEADLINE or name.startswith(("lpips", "kid", "fid"))) and _measured(sheet, name),
                "fed": facts.get(name, {}).get("fed", ""), "weights": facts.get(name, {}).get("weights", ""),
            }
            for name, c in sheet.columns.items()
        ],
        "cells": {label: {name: _cell(cell) for name, cell in row.items()} for label, row in sheet.cells.items()},
        "values": _values(sheet),
        "curves": {line.label: curve for line in sheet.lines if (curve := _curves(line))},
        "hue": _hues(sheet),
        "hueColors": _hue_colors(),
        "calibration": {line.label: c for line in sheet.lines if (c := calibration(line))},
        "configs": {line.label: config for line in sheet.lines if (config := _config(line))},
    }  # fmt: skip


def _measured(sheet: "Sheet", name: str) -> bool:
    return any(row[name].interval is not None or row[name].plain is not None for row in sheet.cells.values())


def _cell(cell: Any) -> dict[str, Any]:
    if cell.interval is not None:
        i = cell.interval
        found: dict[str, Any] = {"m": i.mean, "l": i.low, "h": i.high}
        return found | ({"r": cell.rank} if cell.rank else {}) | ({"g": cell.gray} if cell.gray else {})
    return {"m": cell.plain[0]} if cell.plain is not None else {"why": cell.reason}


def _values(sheet: "Sheet") -> dict[str, dict[str, list[float]]]:
    """{metric: {label: one number for each picture}}, means over seeds; the first pictures are the gallery's."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in sheet.columns:
        for line in sheet.lines:
            table = line.table(name)
            if table is not None:
                shortened = [float(f"{v:.4g}") for v in table.mean(0)[:_MOST_VALUES]]
                found.setdefault(name, {})[line.label] = shortened
    return found


def _run(line: "Line") -> Path | None:
    folder = line.evaluations[0].folder
    return folder.parents[1] if folder is not None and (folder.parents[1] / "config.yaml").is_file() else None


def _curves(line: "Line") -> dict[str, list[list[float]]]:
    """{key: [[images seen, value], ...]} of the first seed, thinned."""
    import json
    import math

    run = _run(line)
    if run is None or not (run / "metrics.jsonl").is_file():
        return {}
    curves: dict[str, list[list[float]]] = {}
    for text in (run / "metrics.jsonl").read_text().splitlines():
        try:
            row = json.loads(text)
        except ValueError:
            continue  # the last line of a run that was cut
        for key, value in row.items():
            if key != "images_seen" and isinstance(value, int | float) and math.isfinite(value):
                curves.setdefault(key, []).append([row.get("images_seen", 0), float(f"{value:.5g}")])
    kept = {key: points for key, points in curves.items() if len(points) > 1}
    return {key: points[:: max(1, -(-len(points) // _MOST_POINTS))] for key, points in kept.items()}


def _config(line: "Line") -> dict[str, Any]:
    import yaml

    from colorbench.config import flatten

    run = _run(line)
    return dict(flatten(yaml.safe_load((run / "config.yaml").read_text()))) if run is not None else {}


def _hues(sheet: "Sheet") -> dict[str, list[float]]:
    found = {line.label: h["hat"] for line in sheet.lines if (h := line.evaluations[0].sets.get("hue"))}
    truth = next((h["true"] for line in sheet.lines if (h := line.evaluations[0].sets.get("hue"))), None)
    return found | ({"truth": truth} if truth else {})


def _hue_colors() -> list[str]:
    import math

    import torch

    from colorbench import color
    from colorbench.metrics.hue import BINS

    angles = [2 * math.pi * i / BINS for i in range(BINS)]
    lab = torch.tensor([[68.0, 44 * math.cos(t), 44 * math.sin(t)] for t in angles])[:, :, None, None]
    return ["#{:02x}{:02x}{:02x}".format(*c) for c in color.to_bytes(color.lab_to_rgb(lab))[:, :, 0, 0].tolist()]


def calibration(line: "Line") -> dict[str, Any]:
    """Coverage, rank histogram and best-of-k curves of a model that draws; {} for one that does not."""
    import numpy as np

    from colorbench.metrics.draws import best_of, coverage

    first = line.evaluations[0]
    names = sorted((n for n in first.draws if n.startswith("rank_")), key=lambda n: int(n[5:]))
    if not names:
        return {}
    shares = np.stack([np.mean([e.draws[n].mean() for e in line.evaluations]) for n in names])
    nominal, actual = coverage(shares)
    best = {}
    for name, better in (("ciede2000", "lower"), ("psnr", "higher")):
        if name in first.scores:
            best[name] = np.mean([best_of(e.scores[name], better).mean(0) for e in line.evaluations], axis=0).tolist()
    return {"nominal": nominal.tolist(), "actual": actual.tolist(), "ranks": shares.tolist(), "best": best}


def embed(sheet: "Sheet", budget: int) -> dict[str, Any]:
    """The gallery as data URIs, as fine as ``budget`` bytes allow; fewer pictures if even the smallest do not fit."""
    count = min((_kept(line) for line in sheet.lines), default=0)
    lines = [line for line in sheet.lines if _kept(line)]
    size, quality, images = 0, 0, {}
    while count:
        for side, quality in _STEPS:
            size = min(side, sheet.protocol.size)
            probe = range(0, count, max(1, count // 6))
            cost = sum(len(uri) for i in probe for line in lines for uri in _uris(line, i, size, quality)) / len(probe)
            if cost * count * 1.08 < budget:
                images = {line.label: [_uris(line, i, size, quality) for i in range(count)] for line in lines}
                if sum(len(u) for per in images.values() for uris in per for u in uris) < budget:
                    return {"names": sheet.lines[0].evaluations[0].names[:count], "size": size, "images": images}
        count //= 2
    return {"names": [], "size": 0, "images": {}}


def _kept(line: "Line") -> int:
    folder = line.evaluations[0].folder
    return len(list((folder / "gallery").glob("*-0.png"))) if folder is not None else 0


def _uris(line: "Line", i: int, size: int, quality: int) -> list[str]:
    import base64
    import io

    from PIL import Image

    folder = line.evaluations[0].folder
    assert folder is not None
    uris = []
    for file in sorted((folder / "gallery").glob(f"{i:05d}-*.png")):
        with Image.open(file) as picture:
            small = picture if picture.width <= size else picture.resize((size, size), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            small.save(out, "WEBP", quality=quality, method=4)
        uris.append("data:image/webp;base64," + base64.b64encode(out.getvalue()).decode())
    return uris


def _parser() -> argparse.ArgumentParser:
    p = command.parser("report", __doc__)
    p.add_argument("roots", nargs="*", type=Path, default=[Path("outputs")], metavar="FOLDER",
                   help="runs, or folders that hold them (default: outputs)")  # fmt: skip
    p.add_argument("-o", "--out", type=Path, default=Path("report.html"), help="the page (default: report.html)")
    p.add_argument("--title", default="colorbench report")
    p.add_argument("--protocol", help="only this protocol (its id or the start of it; default: most models)")
    p.add_argument("--limit-mb", type=float, default=20.0, help="size limit of the page; pictures shrink to fit")
    p.add_argument("--figures", type=Path, metavar="DIR", help="also write PNG and PDF figures for papers")
    p.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (default: 2000)")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    from colorbench.sheet import sheets

    found = sheets(args.roots, metrics=["all"], resamples=args.resamples, protocol=args.protocol)
    if not found:
        where = ", ".join(map(str, args.roots))
        raise UserError(f"{where}: no evaluated runs; train one with python -m colorbench")
    print(write_report(found[0], args.out, title=args.title, limit_mb=args.limit_mb))
    if len(found) > 1:
        others = ", ".join(sheet.protocol.id for sheet in found[1:])
        print(f"other protocols were left out: {others} (choose with --protocol ID)", file=sys.stderr)
    if args.figures:
        from colorbench.figures import write_figures

        for path in write_figures(found[0], args.figures):
            print(path)


if __name__ == "__main__":
    command.run("report", main)
