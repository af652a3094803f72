"""The page: one self-contained HTML file that needs no network.

Its own script draws it from the numbers embedded in it (the payload); the pictures are small WebP images, shrunk as far
as the size limit asks.
"""

import base64
import io
import json
import re
from html import escape
from pathlib import Path
from typing import Any

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.evaluation import kept
from colorbench.report.payload import collect
from colorbench.report.sheet import Line, Sheet

_STEPS = ((160, 82), (128, 80), (112, 72), (96, 66), (80, 60), (64, 55))
"""(px, WebP quality), from the finest that fits the limit."""


def write_report(sheet: Sheet, path: Path, *, title: str = "colorbench report", limit_mb: float = 20.0) -> Path:
    """Write the page of one sheet (made with ``metrics=["all"]``); below ``limit_mb``. Returns ``path``."""
    page = Path(__file__).parent
    text = (page / "report.html").read_text(encoding="utf-8")
    inserts = {kind: (page / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")}
    inserts["title"] = escape(title)
    payload = collect(sheet)
    numbers = sum(map(len, [text, json.dumps(payload), *inserts.values()]))
    payload["gallery"] = embed(sheet, int(limit_mb * 1e6) - numbers - 4096)
    inserts["data"] = atomic.json_text(payload, separators=(",", ":")).replace("<", "\\u003c")
    text = re.sub(r"\{\{(\w+)\}\}", lambda place: inserts[place[1]], text)  # once: what was inserted is no template
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text)
    return path


def embed(sheet: Sheet, budget: int) -> dict[str, Any]:
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


def _kept(line: Line) -> int:
    return kept.count(line.evaluations[0])


def _uris(line: Line, i: int, size: int, quality: int) -> list[str]:
    from PIL import Image

    rows, uris = line.evaluations[0], []
    for k in range(kept.draws(rows, i)):
        out = io.BytesIO()
        try:
            picture = Image.fromarray(kept.picture(rows, i, k))
        except UserError:  # damaged: an empty place on a page that stands
            continue
        small = picture if picture.width <= size else picture.resize((size, size), Image.Resampling.LANCZOS)
        small.save(out, "WEBP", quality=quality, method=4)
        uris.append("data:image/webp;base64," + base64.b64encode(out.getvalue()).decode())
    return uris
