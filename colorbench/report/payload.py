"""The payload of the page and of the figures: everything that a sheet says, as JSON-able values."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorbench import color
from colorbench.errors import UserError
from colorbench.metrics.draws import best_of, coverage, rank_columns
from colorbench.metrics.hue import BINS
from colorbench.report.race import of_lines, told
from colorbench.report.sheet import HEADLINE, LEGEND, Line, Sheet, word
from colorbench.report.table import COSTS, costs_of
from colorbench.runs.config import flatten
from colorbench.runs.curves import titled
from colorbench.runs.record import read_jsonl
from colorbench.runs.run import read_config

_MOST_VALUES, _MOST_POINTS = 1500, 300


def collect(sheet: Sheet) -> dict[str, Any]:
    """Everything on the page but its pictures, as JSON-able values."""
    costs = costs_of(sheet)
    p = sheet.protocol
    curves = {line.label: curve for line in sheet.lines if (curve := _curves(line))}
    facts = {str(m["name"]): m for m in p.metrics}
    count = sum(line.kind != "trivial" for line in sheet.lines)
    return {
        "lead": f"{count} systems on {p.images:,} {p.split} pictures at {p.size} px, protocol {p.id} ({p.name}).",
        "caption": sheet.caption,
        "notes": [*(note for note in sheet.notes if note != LEGEND), *told(of_lines(sheet.lines))],
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
                "name": name,
                "title": c.title,
                "arrow": c.arrow,
                "better": c.better,
                "digits": c.digits,
                "unit": c.unit,
                "note": c.note,
                "headline": word(name, c) in HEADLINE and _measured(sheet, name),
                "fed": facts.get(name, {}).get("fed", ""),
                "weights": facts.get(name, {}).get("weights", ""),
            }
            for name, c in sheet.columns.items()
        ],
        "cells": {label: {name: _cell(cell) for name, cell in row.items()} for label, row in sheet.cells.items()},
        "values": _values(sheet),
        "curves": curves,
        "curveTitles": {key: titled(key) for curve in curves.values() for key in curve},
        "hue": _hues(sheet),
        "hueColors": _hue_colors(),
        "calibration": {line.label: c for line in sheet.lines if (c := calibration(line))},
        "configs": {line.label: config for line in sheet.lines if (config := _config(line))},
    }


def _measured(sheet: Sheet, name: str) -> bool:
    return any(row[name].interval is not None or row[name].plain is not None for row in sheet.cells.values())


def _cell(cell: Any) -> dict[str, Any]:
    if cell.interval is not None:
        i = cell.interval
        found: dict[str, Any] = {"m": i.mean, "l": i.low, "h": i.high}
        return (
            found
            | ({"r": cell.rank} if cell.rank else {})
            | ({"g": cell.verdict, "a": cell.against} if cell.verdict else {})
        )
    return {"m": cell.plain[0]} if cell.plain is not None else {"why": cell.reason}


def _values(sheet: Sheet) -> dict[str, dict[str, list[float]]]:
    """{metric: {label: one number for each picture}}, means over seeds; the first pictures are the gallery's."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in sheet.columns:
        for line in sheet.lines:
            table = line.table(name)
            if table is not None:
                shortened = [float(f"{v:.4g}") for v in table.mean(0)[:_MOST_VALUES]]
                found.setdefault(name, {})[line.label] = shortened
    return found


def _run(line: Line) -> Path | None:
    folder = line.evaluations[0].folder
    return folder.parents[1] if folder is not None and (folder.parents[1] / "config.yaml").is_file() else None


def _curves(line: Line) -> dict[str, list[list[float]]]:
    """{key: [[images seen, value], ...]} of the first seed, thinned."""
    run = _run(line)
    curves: dict[str, list[list[float]]] = {}
    for row in read_jsonl(run / "metrics.jsonl") if run is not None else ():
        for key, value in row.items():
            if key != "images_seen" and math.isfinite(value):
                curves.setdefault(key, []).append([row["images_seen"], float(f"{value:.5g}")])
    kept = {key: points for key, points in curves.items() if len(points) > 1}
    return {key: points[:: max(1, -(-len(points) // _MOST_POINTS))] for key, points in kept.items()}


def _config(line: Line) -> dict[str, Any]:
    run = _run(line)
    try:
        return dict(flatten(read_config(run / "config.yaml"))) if run is not None else {}
    except UserError:  # its numbers stand without it
        return {}


def _hues(sheet: Sheet) -> dict[str, list[float]]:
    found = {line.label: h["hat"] for line in sheet.lines if (h := line.evaluations[0].sets.get("hue"))}
    truth = next((h["true"] for line in sheet.lines if (h := line.evaluations[0].sets.get("hue"))), None)
    return found | ({"truth": truth} if truth else {})


def _hue_colors() -> list[str]:
    angles = [2 * math.pi * i / BINS for i in range(BINS)]
    lab = torch.tensor([[68.0, 44 * math.cos(t), 44 * math.sin(t)] for t in angles])[:, :, None, None]
    return ["#{:02x}{:02x}{:02x}".format(*c) for c in color.to_bytes(color.lab_to_rgb(lab))[:, :, 0, 0].tolist()]


def calibration(line: Line) -> dict[str, Any]:
    """Coverage, rank histogram and best-of-k curves of a model that draws; {} for one that does not."""
    first = line.evaluations[0]
    names = rank_columns(first.draws)
    if not names:
        return {}
    shares = np.stack([np.mean([e.draws[n].mean() for e in line.evaluations]) for n in names])
    nominal, actual = coverage(shares)
    best = {}
    for name, better in (("ciede2000", "lower"), ("psnr", "higher")):
        if name in first.scores:
            best[name] = np.mean([best_of(e.scores[name], better).mean(0) for e in line.evaluations], axis=0).tolist()
    return {"nominal": nominal.tolist(), "actual": actual.tolist(), "ranks": shares.tolist(), "best": best}
