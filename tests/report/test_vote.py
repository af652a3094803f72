"""A voter of known strengths comes out inside his intervals; the page hides names, counts once, and forgets nothing."""

import http.client
import json
import threading

import numpy as np
import pytest
from browser import PROGRAM, Browser

from colorbench.commands.vote import main
from colorbench.errors import UserError
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.report.statistics import Estimate
from colorbench.report.vote.ballot import GRAY, TRUTH, Answer, Ballot, Votes, merge, read_votes
from colorbench.report.vote.poll import Poll, galleries
from colorbench.report.vote.strengths import agreement, pairs_needed, people, strengths

KNOWN = {TRUTH: 1.2, "flow": 0.5, "energy": 0.4, "unet": -0.6, "bins": -1.5}


def ballot(voter="ada", total=500, pictures=48):
    return Ballot(voter, "p0", tuple(sorted(KNOWN)), pictures, total)


def chooses(question, rng, known):
    p = 1 / (1 + np.exp(known[question.right] - known[question.left]))
    return question.left if rng.random() < p else question.right


def simulated(seed, *, voter="ada", total=500, known=KNOWN, attentive=True):
    """Answers of somebody whose choices follow ``known``; 500 questions hold 400 votes."""
    rng = np.random.default_rng(seed)
    found = []
    for q in ballot(voter, total).questions():
        chosen = (TRUTH if attentive else GRAY) if q.kind == "check" else chooses(q, rng, known)
        found.append(Answer(voter, q, chosen, 1.0))
    return found


def test_a_simulated_voter_of_400_pairs_comes_out_inside_his_intervals():
    found = people(simulated(1))
    assert int(found.wins.sum()) == 400
    mean = np.mean(list(KNOWN.values()))
    for name, strength in KNOWN.items():
        i = found.strengths[name].interval
        assert i.low <= strength - mean <= i.high, name
    assert found.systems[0] == TRUTH
    assert found.systems[-1] == "bins"
    assert not found.tied(TRUTH, "unet")


def test_differences_of_strengths_are_covered_as_often_as_promised():
    pairs = [(TRUTH, "flow"), ("flow", "energy"), ("energy", "unet"), ("unet", "bins"), (TRUTH, "bins")]
    covered = []
    for seed in range(30):
        found = people(simulated(100 + seed, total=250), resamples=200, seed=seed).strengths
        for one, other in pairs:
            i = (found[one] - found[other]).interval
            covered.append(i.low <= KNOWN[one] - KNOWN[other] <= i.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_two_systems_have_the_strengths_of_their_odds():
    wins = np.zeros((1, 2, 2))
    wins[0, 0, 1], wins[0, 1, 0] = 3000, 1000
    s = strengths(wins)[0]
    assert s[0] - s[1] == pytest.approx(np.log(3), abs=2e-3)


def test_a_system_that_never_lost_has_a_finite_strength():
    wins = np.zeros((1, 3, 3))
    wins[0, 0, 1:] = 10
    wins[0, 1, 2] = wins[0, 2, 1] = 5
    s = strengths(wins)[0]
    assert np.isfinite(s).all()
    assert s[0] > s[1] + 1
    assert s.sum() == pytest.approx(0, abs=1e-9)


def test_equal_systems_tie_with_the_truth():
    found = people(simulated(3, known=dict.fromkeys(KNOWN, 0.0)))
    assert len(found.like_truth) >= 3


def test_the_votes_that_a_difference_needs_find_it_as_often_as_said():
    n = pairs_needed(0.7)
    rng = np.random.default_rng(0)
    chosen = rng.binomial(n, 0.7, size=4000)
    assert np.mean(np.abs(chosen - n / 2) > 1.96 * np.sqrt(n) / 2) == pytest.approx(0.8, abs=0.05)
    assert pairs_needed(0.55) > 4 * pairs_needed(0.6) / 1.1


def test_a_metric_of_the_peoples_order_correlates_wholly_and_one_of_the_other_order_not_at_all():
    found = people(simulated(5))
    same = {name: Estimate(-v, np.full(1000, -v)) for name, v in KNOWN.items()}  # an error: lower is better
    agreed = agreement(found, same, "lower")
    assert agreed.center == pytest.approx(1, abs=0.21)  # flow and energy may have changed places
    assert agreement(found, same, "higher").center == pytest.approx(-agreed.center)
    assert agreement(found, {k: same[k] for k in ("flow", "bins")}, "lower") is None


def test_every_pair_comes_equally_often_and_a_repeat_exchanges_the_sides():
    asked = ballot().questions()
    assert asked == ballot().questions()
    assert asked != ballot("ben").questions()
    counts = {}
    for q in asked:
        if q.kind == "pair":
            counts[frozenset((q.left, q.right))] = counts.get(frozenset((q.left, q.right)), 0) + 1
    assert set(counts.values()) == {40}
    fresh = {(q.left, q.right, q.picture) for q in asked if q.kind == "pair"}
    again = [q for q in asked if q.kind == "again"]
    assert len(again) == sum(q.kind == "check" for q in asked) == 50
    assert all((q.right, q.left, q.picture) in fresh for q in again)
    shown_left = np.mean([q.left == TRUTH for q in asked if q.kind == "check"])
    assert 0.3 < shown_left < 0.7


def test_who_takes_gray_for_the_truth_is_left_out_and_said_to_be():
    careful, careless = simulated(1), simulated(2, voter="bot", known=dict.fromkeys(KNOWN, 0.0), attentive=False)
    both, alone = people(careful + careless), people(careful)
    assert [v.attentive for v in both.voters] == [True, False]
    assert {k: e.center for k, e in both.strengths.items()} == {k: e.center for k, e in alone.strengths.items()}


def test_votes_survive_a_kill_and_an_undone_one_does_not_count(tmp_path):
    file, asked = tmp_path / "v.jsonl", ballot(total=20)
    votes = Votes(file, asked)
    votes.answer(0, "left", 1.0)
    votes.answer(0, "right", 1.0)  # a second click on the question before
    votes.answer(1, "right", 1.0)
    votes.undo()
    votes.answer(1, "left", 1.0)
    file.write_bytes(file.read_bytes() + b'{"number": 2, "cho')  # killed while it wrote
    after = Votes(file, asked)
    assert [a.chosen for a in after.answers] == [q.left for q in asked.questions()[:2]]
    after.answer(2, "right", 1.0)
    assert len(read_votes(file)[1]) == 3
    with pytest.raises(UserError, match="not these; choose another --votes"):
        Votes(file, ballot("ben", total=20))


def test_files_merge_once_each_and_damaged_ones_are_named(tmp_path):
    for voter in ("ada", "ben"):
        Votes(tmp_path / voter, ballot(voter)).answer(0, "left", 1.0)
    ballots, answers = merge([tmp_path / "ada", tmp_path / "ben"])
    assert [b.voter for b in ballots] == [a.voter for a in answers] == ["ada", "ben"]
    with pytest.raises(UserError, match="twice"):
        merge([tmp_path / "ada", tmp_path / "ada"])
    (tmp_path / "odd").write_text('{"ballot": 3}\n')
    with pytest.raises(UserError, match="odd: not a file of votes"):
        merge([tmp_path / "odd"])


@pytest.fixture(scope="module")
def outputs(judge, make_plan, data, cpu, tmp_path_factory):
    output = tmp_path_factory.mktemp("outputs")
    evaluate_baselines(data, make_plan(), output=output, device=cpu, names=("gray", "mean", "truth"))
    for name, factor in (("vivid", 0.95), ("middle", 0.6), ("dull", 0.3)):
        judge(output, name, factor)
    return output


@pytest.fixture
def poll(outputs, tmp_path):
    """The page of a ballot of 20 questions, served."""
    from colorbench.report.sheet import gather, lines_of

    found = gather([outputs])
    pictures = galleries(lines_of(found))
    systems = tuple(sorted(name for name in pictures if name != GRAY))
    votes = Votes(tmp_path / "votes.jsonl", Ballot("ada", found[0].protocol.id, systems, len(pictures[GRAY]), 20))
    with Poll(votes, pictures) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def asks(poll, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(*poll.server_address, timeout=20)
    words = {"Content-Type": "application/json", **headers} if body is not None else headers
    connection.request(method, path, body, words)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, text


def test_the_page_tells_no_name_and_only_this_machine(poll):
    _, page = asks(poll, "GET", "/")
    _, state = asks(poll, "GET", "/state")
    for name in ("vivid", "middle", "dull"):
        assert name.encode() not in page + state
    assert json.loads(state) == {"answered": 0, "total": 20, "done": False}
    question = poll.votes.asked[0]
    assert asks(poll, "GET", "/picture/0/left")[1] == poll.pictures[question.left][question.picture].read_bytes()
    assert asks(poll, "GET", "/picture/99/left")[0] == 404
    assert asks(poll, "GET", "/picture/0/../../votes.jsonl")[0] == 404
    assert asks(poll, "GET", "/", Host="evil.example:80")[0] == 403
    assert poll.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("body", ["", "3", '{"number": 0, "side": "both", "seconds": 1}', '{"number": 0}', "x" * 2000])
def test_what_is_no_answer_changes_nothing(poll, body):
    assert asks(poll, "POST", "/answer", body)[0] == 400
    assert not poll.votes.answers
    answer = '{"number": 0, "side": "left", "seconds": 1}'
    assert asks(poll, "POST", "/answer", answer, **{"Content-Type": "text/plain"})[0] == 400
    assert asks(poll, "POST", "/answer", answer)[0] == 200
    assert len(read_votes(poll.votes.file)[1]) == 1


def test_the_results_name_strengths_checks_and_the_metrics_that_agree(outputs, poll, tmp_path, capsys):
    known = {TRUTH: 3.0, "vivid": 1.0, "middle": -1.0, "dull": -3.0, GRAY: -9.0}
    rng = np.random.default_rng(0)
    for number, question in enumerate(poll.votes.asked):
        side = "left" if chooses(question, rng, known) == question.left else "right"
        assert asks(poll, "POST", "/answer", json.dumps({"number": number, "side": side, "seconds": 1}))[0] == 200
    figure = tmp_path / "f.png"
    main([str(outputs), "--results", str(poll.votes.file), "-o", str(figure), "--resamples", "200"])
    said = capsys.readouterr().out
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")]
    assert rows[:5] == ["system", TRUTH, "vivid", "middle", "dull"]
    assert "| PSNR | +1.00 [" in said
    assert "truth chosen over gray 2 of 2 times" in said
    assert figure.stat().st_size > 5000
    with pytest.raises(UserError, match="no row 'nearest'"):
        main([str(outputs), "--also", "nearest", "--votes", str(tmp_path / "other")])


@pytest.mark.skipif(not PROGRAM, reason="needs Chromium")
def test_somebody_votes_with_keys_in_a_browser_as_wide_as_a_phone(poll, tmp_path):
    page = Browser(tmp_path, size="500,900")
    try:
        page.resize(390, 844)
        page.open(poll.address)
        shown = "[...document.images].every(i => i.complete && i.naturalWidth)"
        loaded = shown + " && typeof state === 'object' && state && state.answered === {}"
        page.until(loaded.format(0))
        assert page.value("document.documentElement.scrollWidth <= innerWidth")
        assert page.value("document.documentElement.scrollHeight <= innerHeight + 200")
        page.press("ArrowLeft")
        page.until(loaded.format(1))
        page.press("2")
        page.until(loaded.format(2))
        page.press("u")
        page.until(loaded.format(1))
        page.value("document.getElementById('left').click()")
        page.until(loaded.format(2))
        page.picture(tmp_path / "phone.png")
        for number in range(2, 20):
            page.press("ArrowRight")
            page.until(f"state.answered === {number + 1}")
        page.until("!document.getElementById('done').hidden")
        assert not page.said
        assert all(address.startswith((poll.address, "data:")) for address in page.asked if "chrome" not in address)
    finally:
        page.close()
    chosen = [a.chosen for a in read_votes(poll.votes.file)[1]]
    sides = ["left", "left"] + ["right"] * 18
    assert chosen == [getattr(q, side) for q, side in zip(poll.votes.asked, sides, strict=True)]
