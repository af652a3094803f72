"""A ballot: which two colorings of which photograph a voter is shown, and the file that the answers go to.

Every pair of systems comes equally often, each time with another photograph, in an order of the voter's own; sides are
shuffled. Every tenth question asks
an earlier one again with the sides exchanged (does the voter agree with himself?), every other tenth shows the truth
beside gray (does he look?). Both are checks of attention and count toward no strength.

The file is a journal of JSON lines: first the ballot, from which its questions follow, then an answer a line as it
comes, and ``{"undo": true}``, which takes the last one back. A killed vote goes on where the file ends.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from colorbench import atomic
from colorbench.errors import UserError
from colorbench.noise import stable_id

Kind = Literal["pair", "again", "check"]
TRUTH, GRAY = "truth", "gray"
_TENTH = 10


@dataclass(frozen=True)
class Question:
    """left, right: systems. picture: its place in the gallery. kind: again repeats an earlier one, check is truth
    against gray."""

    kind: Kind
    left: str
    right: str
    picture: int


@dataclass(frozen=True)
class Answer:
    """Of a voter: the system that he chose. seconds: how long he looked."""

    voter: str
    question: Question
    chosen: str
    seconds: float

    @property
    def other(self) -> str:
        """What he did not choose."""
        return self.question.left if self.chosen == self.question.right else self.question.right


@dataclass(frozen=True)
class Ballot:
    """systems: labels of rows, the truth among them. pictures: how many there are. total: questions."""

    voter: str
    protocol: str
    systems: tuple[str, ...]
    pictures: int
    total: int

    def questions(self) -> list[Question]:
        """The same ballot asks the same questions, in any process."""
        rng = np.random.default_rng(stable_id(json.dumps([self.voter, self.protocol, *self.systems])))
        pairs = list(combinations(self.systems, 2))
        asked: list[Question] = []
        fresh: list[Question] = []
        waiting: list[tuple[tuple[str, str], int]] = []
        starts, rounds = rng.integers(self.pictures, size=len(pairs)), 0
        while len(asked) < self.total:
            place = len(asked) % _TENTH
            if place == _TENTH - 1 and fresh:
                old = fresh[int(rng.integers(max(1, len(fresh) - 3)))]  # not what was seen just now
                asked.append(Question("again", old.right, old.left, old.picture))
                continue
            if place == _TENTH // 2 - 1:
                left, right = _shuffled(rng, TRUTH, GRAY)
                asked.append(Question("check", left, right, int(rng.integers(self.pictures))))
                continue
            if not waiting:
                waiting = [(pairs[i], int(starts[i] + rounds) % self.pictures) for i in rng.permutation(len(pairs))]
                rounds += 1
            (one, other), picture = waiting.pop()
            left, right = _shuffled(rng, one, other)
            fresh.append(Question("pair", left, right, picture))
            asked.append(fresh[-1])
        return asked


def _shuffled(rng: np.random.Generator, one: str, other: str) -> tuple[str, str]:
    return (one, other) if rng.random() < 0.5 else (other, one)


class Votes:
    """The journal of one ballot: opened, it holds what was answered before."""

    def __init__(self, file: Path, ballot: Ballot) -> None:
        """UserError where the file belongs to another ballot."""
        self.file, self.ballot, self.asked = file, ballot, ballot.questions()
        self.answers: list[Answer] = []
        if file.is_file() and file.stat().st_size:
            before, self.answers = read_votes(file)
            if before != ballot:
                raise UserError(
                    f"{file}: holds votes of {before.voter} on {', '.join(before.systems)} "
                    f"({before.total} questions, protocol {before.protocol}), not these; choose another --votes"
                )
            text = file.read_bytes()
            if not text.endswith(b"\n"):  # a line that a kill cut: what it says is not known
                atomic.write_text(file, text[: text.rfind(b"\n") + 1].decode("utf-8"))
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._write({"ballot": asdict(ballot)})

    @property
    def current(self) -> Question | None:
        """What is asked now; None when all is answered."""
        return self.asked[len(self.answers)] if len(self.answers) < len(self.asked) else None

    def answer(self, number: int, side: str, seconds: float) -> None:
        """Of question ``number``; one that is not asked now (a second click) changes nothing."""
        question = self.current
        if question is None or number != len(self.answers):
            return
        chosen = question.left if side == "left" else question.right
        self._write({"number": number, "chosen": chosen, "seconds": round(seconds, 2)})
        self.answers.append(Answer(self.ballot.voter, question, chosen, seconds))

    def undo(self) -> None:
        """Take the last answer back."""
        if self.answers:
            self._write({"undo": True})
            self.answers.pop()

    def _write(self, line: dict[str, Any]) -> None:
        atomic.append(self.file, json.dumps(line) + "\n")
        atomic.sync(self.file)


def read_votes(file: Path) -> tuple[Ballot, list[Answer]]:
    """The ballot of a file and what stands of its answers; a last line that was cut is left out. UserError for a file
    that holds something else."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        said = json.loads(lines[0])["ballot"]
        ballot = Ballot(**{**said, "systems": tuple(said["systems"])})
        asked = ballot.questions()
        answers: list[Answer] = []
        for line in map(json.loads, lines[1:]):
            if line.get("undo"):
                answers.pop()
                continue
            question = asked[line["number"]]
            if line["number"] != len(answers) or line["chosen"] not in (question.left, question.right):
                raise ValueError(f"answer {line['number']} does not belong to the question asked")
            answers.append(Answer(ballot.voter, question, line["chosen"], float(line["seconds"])))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{file}: not a file of votes, or damaged ({error})") from error
    return ballot, answers


def merge(files: Sequence[Path]) -> tuple[list[Ballot], list[Answer]]:
    """Several voters' files. UserError where they judged unlike pictures, or a ballot comes twice."""
    ballots: list[Ballot] = []
    answers: list[Answer] = []
    for file in files:
        ballot, found = read_votes(file)
        if ballots and ballot.protocol != ballots[0].protocol:
            raise UserError(f"{file}: votes on protocol {ballot.protocol}, the others on {ballots[0].protocol}")
        if ballot in ballots:
            raise UserError(f"{file}: the ballot of voter {ballot.voter!r} is there twice; give each file once")
        ballots.append(ballot)
        answers += found
    return ballots, answers
