"""What a folder of runs holds, and what became of each: ``colorbench sweeps status outputs``

There is no sweep file: every cell is a run folder named by its configuration's hash, with a status of its own. Typing
the same multirun line again skips what is finished, resumes what was cut and retries what failed. This verb only looks
(``status``, ``failed``) and tidies (``clean`` deletes the folders of runs that never reached a checkpoint).
"""

from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 1 when a run failed."""
    parser = command.parser("sweeps", __doc__)
    parser.add_argument("verb", choices=("status", "failed", "clean"))
    parser.add_argument(
        "root",
        nargs="?",
        type=Path,
        default=Path("outputs"),
        metavar="FOLDER",
        help="a run, or a folder that holds some (default: outputs)",
    )
    args = parser.parse_args(argv)
    from colorbench.runs.ledger import cells, clean, failed, status

    found = cells(args.root)
    print({"status": status, "failed": failed, "clean": clean}[args.verb](found))
    return int(args.verb != "clean" and any(cell.state == "failed" for cell in found))
