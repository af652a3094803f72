"""Ask people which coloring looks real, two at a time: ``colorbench vote RUN...``

A page for this machine's browser shows two colorings of one photograph; a click or a key chooses. Names are hidden,
sides shuffled; the truth takes part; some questions come again and some show the truth beside gray, to see whether
somebody looks. Every answer is appended to --votes as it comes: stopped or killed, the same command goes on.

    colorbench vote outputs/photos --voter ada --votes ada.jsonl
    colorbench vote outputs/photos --results ada.jsonl ben.jsonl      strengths, ties with the truth, metrics' agreement
    colorbench vote --results ada.jsonl ben.jsonl                     without the runs: strengths only
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from colorbench.commands import command
from colorbench.errors import UserError


def _parser() -> argparse.ArgumentParser:
    p = command.parser("vote", __doc__)
    p.add_argument("roots", nargs="*", type=Path, metavar="RUN", help="runs, or folders that hold them")
    p.add_argument("--results", nargs="+", type=Path, metavar="FILE", help="say what these files of votes say")
    p.add_argument("-o", "--out", type=Path, default=Path("votes.png"), help="the figure of --results (votes.png)")
    p.add_argument("--votes", type=Path, default=Path("votes.jsonl"), help="where answers go (votes.jsonl)")
    p.add_argument("--voter", default="somebody", help="who votes: one name a person")
    p.add_argument("--questions", type=int, default=100, help="a fifth of them are checks (100)")
    p.add_argument(
        "--also", nargs="+", default=[], metavar="ROW", help="trivial rows that take part, such as neighbors"
    )
    p.add_argument("--protocol", help="only this protocol (its id or the start of it; default: most models)")
    p.add_argument("--resamples", type=int, default=1000, help="of the bootstrap (1000)")
    p.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines, a phone, in (127.0.0.1)")
    p.add_argument("--port", type=int, default=7861)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """The command line; returns when the page is closed down, or the results are said."""
    args = _parser().parse_args(argv)
    if args.results:
        _results(args)
        return
    if not args.roots:
        raise UserError("RUN: give the runs to vote on, or --results with files of votes")
    if args.questions < 1:
        raise UserError("--questions: expected 1 or more")
    from colorbench.api import results
    from colorbench.report.vote.ballot import GRAY, Ballot, Votes
    from colorbench.report.vote.poll import Poll, galleries

    sheet = results(*args.roots, protocol=args.protocol, resamples=args.resamples).sheet
    pictures = galleries(sheet.lines, args.also)
    systems = tuple(sorted(label for label in pictures if label != GRAY or GRAY in args.also))
    if len(systems) < 2:
        raise UserError(f"{', '.join(map(str, args.roots))}: no model to vote on")
    count = len(pictures[GRAY])
    votes = Votes(args.votes, Ballot(args.voter, sheet.protocol.id, systems, count, args.questions))
    try:
        poll = Poll(votes, pictures, host=args.host, port=args.port)
    except OSError as error:
        raise UserError(f"--host {args.host} --port {args.port}: {error.strerror}; choose another --port") from error
    print(
        f"{len(systems)} systems, {count} photographs: {poll.address} (Ctrl-C ends; answers: {args.votes})", flush=True
    )
    with poll:
        poll.serve_forever()


def _results(args: argparse.Namespace) -> None:
    from colorbench.api import results
    from colorbench.report.vote.ballot import merge
    from colorbench.report.vote.results import draw, text
    from colorbench.report.vote.strengths import people

    ballots, answers = merge(args.results)
    sheet = None
    if args.roots:
        sheet = results(*args.roots, columns=["all"], protocol=ballots[0].protocol, resamples=args.resamples).sheet
    try:
        said = people(answers, resamples=args.resamples)
    except ValueError as error:
        raise UserError(f"{', '.join(map(str, args.results))}: {error} yet") from error
    print(text(said, sheet), end="")
    print(f"figure: {draw(said, args.out, sheet)}")
