"""The page of the command line: every verb's own help, as it prints it."""

import contextlib
import io
import os

from colorbench.commands.overview import help_text, open_verb, verbs


def pages() -> dict[str, str]:
    """{address: Markdown}."""
    parts = [
        "# Commands\n\n`colorbench KEY=VALUE ...` trains; every other verb is below, as its `--help` prints it.\n",
        f"## colorbench --help\n\n```console\n{help_text()}\n```\n",
    ]
    parts += [f"## {verb}\n\n{line}.\n\n```console\n{helped(verb)}\n```\n" for verb, line in verbs().items()]
    return {"reference/commands.md": "\n".join(parts)}


def helped(verb: str) -> str:
    """What ``colorbench VERB --help`` prints, 100 columns wide."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            open_verb(verb)(["--help"])
        return out.getvalue().rstrip()
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
