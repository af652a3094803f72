"""A page for each model: what it is, its equation, its yaml, its keys, its cost, its measured rows, its pictures."""

import inspect
import json
import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from colorbench.registry import lookup
from colorbench.runs.config import COMPONENT_GROUPS, conf_dir, described
from written import comments, cost, text
from written.keys import composed, keys_table
from written.measured import Measured
from written.schema import of_node

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
KINDS = {
    "photographs": "the twelve photographs that every model is shown on ([whose they are](../photographs.md))",
    "scenes": "twelve test scenes; their law is known, so a draw can be plausible or wrong",
}


def pages(pictures: Set[str], rows: Mapping[str, list[Measured]]) -> dict[str, str]:
    """{address: Markdown}. pictures: what lies in docs/pictures. rows: {model: its tables}."""
    costs = {name: cost.of(name) for name in described("model")}
    made = {f"models/{name}.md": _page(name, costs[name], pictures, rows.get(name, [])) for name in costs}
    return {"models/index.md": _index(costs, pictures, rows), **made}


def menu() -> list[Any]:
    """The part of the menu that leads to them."""
    return ["models/index.md", *({name: f"models/{name}.md"} for name in described("model"))]


def _index(costs: Mapping[str, cost.Cost], pictures: Set[str], rows: Mapping[str, list[Measured]]) -> str:
    lines = []
    for name in described("model"):
        c, line = costs[name], _summary(name)
        lines.append(
            [
                f"[{name}]({name}.md)",
                _sentence(line),
                "draws" if c.stochastic else "one answer",
                f"{c.trained / 1e6:.1f}" if c.trained else "0",
                _giga(c.training),
                _giga(c.coloring),
                "yes" if name in rows else "",
                "yes" if any(f"pictures/{name}-{kind}.jpg" in pictures for kind in KINDS) else "",
            ]
        )
    heads = [
        "model",
        "what",
        "answers",
        "trained, M",
        "GFLOP a picture seen",
        "GFLOP a coloring",
        "measured",
        "pictures",
    ]
    return (
        "---\nhide: [toc]\n---\n\n"
        "# Models\n\nEvery option of `model=`, with its default yaml. Operations are counted on one picture of "
        f"{cost.SIZE} px: a multiplication and an addition are two; a coloring is one draw, with all passes of its "
        "sampler. Measured: committed rows exist; a page without them says which command makes some.\n\n"
        + text.table(heads, lines)
    )


def _page(name: str, spent: cost.Cost, pictures: Set[str], rows: list[Measured]) -> str:
    file = conf_dir() / "model" / f"{name}.yaml"
    node = composed(f"model={name}")["model"]
    family = lookup("family", node["family"])
    parts = [
        f"---\nhide: [toc]\n---\n\n# {name}\n",
        f"{_summary(name)}\n",
        f"```bash\ncolorbench model={name}\n```\n",
        _facts(spent, str(node["family"])),
        f"## Family `{node['family']}`\n",
        text.prose(_document(name)) + "\n",
        f"**`{family.__name__}`**: {text.prose(inspect.getdoc(family))}\n",
        "## Pictures\n",
        *(_pictures(name, kind, pictures) for kind in KINDS),
        "## Measured\n",
        *(_measured(row) for row in rows),
        "" if rows else _unmeasured(name),
        "## Its yaml\n",
        f'```yaml title="conf/model/{name}.yaml"\n{file.read_text(encoding="utf-8").strip()}\n```\n',
        "## Its keys\n",
        _groups(node),
        keys_table(list(of_node(node, "model")), file, "model"),
    ]
    return "\n".join(parts)


def _summary(name: str) -> str:
    """What a model is, by the comment of its yaml; of one that only points at its family, by the family."""
    said, points, _ = comments.of_file(conf_dir() / "model" / f"{name}.yaml").partition(": see ")
    family = text.prose(_document(name)).splitlines()[0]
    return text.prose(f"{family} {said}." if points and "trivial" in said else said or family)


def _sentence(words: str) -> str:
    """The first of some sentences."""
    return re.split(r"(?<=[.:]) (?=[A-Z])", words)[0].rstrip(":")


def _document(name: str) -> str:
    """The docstring of the module that a model's family lies in: the theory, with its equation and source."""
    family = lookup("family", composed(f"model={name}")["model"]["family"])
    return inspect.getmodule(family).__doc__ or ""  # type: ignore[union-attr]


def _facts(spent: cost.Cost, family: str) -> str:
    passes = f"{spent.passes} pass{'es' if spent.passes > 1 else ''} of the network"
    coloring = f"{_giga(spent.coloring)} GFLOP, {passes}" if spent.coloring is not None else "looked up"
    rows = [
        ["answers", "draws: colorings of one picture differ" if spent.stochastic else "one coloring for a picture"],
        ["parameters", f"{spent.trained:,} trained, {spent.parameters:,} in all"],
        [f"a picture seen in training, {cost.SIZE} px", f"{_giga(spent.training)} GFLOP, forward and backward"],
        [f"a coloring, {cost.SIZE} px", coloring],
    ]
    return text.table(["cost", ""], rows)


def _groups(node: Any) -> str:
    taken = [group for group in COMPONENT_GROUPS if f"${{{group}}}" in _raw(node)]
    links = ", ".join(f"[`{group}=`](../reference/keys/{group}.md)" for group in taken)
    return f"Its parts that are chosen by a group: {links}.\n" if taken else ""


def _raw(node: Any) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(node, resolve=False)


def _pictures(name: str, kind: str, pictures: Set[str]) -> str:
    if f"pictures/{name}-{kind}.jpg" in pictures:
        made = json.loads((PICTURES / f"{name}-{kind}.json").read_text())
        rows = ", ".join(made["rows"])
        words = f"On {KINDS[kind]}. Rows, from the top: {rows}. {made['said']}."
        return f"![{name} on {kind}: {rows}](../pictures/{name}-{kind}.jpg)\n\n*{words}*\n"
    data = "data=folder data.root=PHOTOS " if kind == "photographs" else ""
    return (
        f"On {kind}: **not made yet**, no run of this model on {kind} is at hand. Train one and draw it:\n\n"
        f"```bash\ncolorbench model={name} {data}study=pages\n"
        f"python docs/strips.py outputs/pages/{name}-* --photos FOLDER_OF_THE_PHOTOGRAPHS\n```\n"
    )


def _measured(row: Measured) -> str:
    return f"### {row.title}\n\nFrom the committed rows of `experiments/{row.experiment}`.\n\n{row.text}"


def _unmeasured(name: str) -> str:
    return (
        "**No committed row yet.** `colorbench model="
        f"{name}` prints one between the rows that learned nothing; the README of `experiments/01_families` has an "
        "older table of twelve models from scratch, whose rows were not kept.\n"
    )


def _giga(operations: float | None) -> str:
    return "" if operations is None else "0" if not operations else f"{max(operations / 1e9, 0.001):.3g}"
