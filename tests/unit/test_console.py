"""What the terminal client makes of events, of a person's words, and of what others wrote."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import ServerSentEvent

from console.answering import answer
from console.backoff import LONGEST_SECONDS, delay
from console.deciding import Misspoken, choices, decision
from console.doctor import Finding, clock, python_version, report, without_secrets
from console.follow import known_event
from console.legible import brief, compact, consumption, line, visible
from console.policy import explain
from console.tail import event_line
from console.transcript import Transcript, awaited, card, write
from domain.approval import Approval, CallRequest, Decision, Vote
from domain.content import Actor, Usage
from domain.events import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalVoted,
    Event,
    GenerationFinished,
    ReasoningDelta,
    TextDelta,
    ToolCallStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)
from domain.facts import CallJudgement
from domain.ids import ApprovalId, CallId
from domain.policy import ALL_DECISIONS, OWNER, Approvers, Expiry
from domain.question import Answer, Option, Question
from tests.builders import WHICH, WHY
from tests.event_builders import NOON, finished, started, text, turn

CALL = CallRequest(
    call_id=CallId("call_1"),
    name="send_mail",
    arguments={"to": "ada"},
    reason="Mail cannot be taken back.",
    allowed_decisions=ALL_DECISIONS,
    digest="d",
)


def shown(events: Sequence[Event]) -> str:
    """What the terminal shows of the events."""
    sofar, said = Transcript(), ""
    for event in events:
        sofar, pieces = write(sofar, event, NOON)
        said += "".join(piece.text for piece in pieces)
    return said


def thought(said: str) -> ReasoningDelta:
    return ReasoningDelta(turn=1, attempt=1, part=0, text=said)


def test_fragments_become_the_text_with_reasoning_on_lines_of_its_own() -> None:
    said = shown([started(), turn(), thought("Let me"), thought(" see."), text("Hel", part=1), text("lo.", part=1)])
    assert said == "Let me see.\nHello."


def test_reasoning_is_dimmed_and_text_is_not() -> None:
    sofar, reasoning = write(Transcript(), thought("Hm."), NOON)
    _, words = write(sofar, text("Yes."), NOON)
    assert [piece.style for piece in (*reasoning, *words)] == ["dim", "", ""]


def test_a_new_attempt_says_that_the_words_before_it_do_not_count() -> None:
    said = shown([turn(), text("Hel"), turn(attempt=2), text("Hello.", attempt=2)])
    assert said == "Hel\n↻ The model call broke off; this is attempt 2. Its last words count no more.\nHello."


def test_a_call_is_a_line_when_it_starts_and_one_when_it_has_returned() -> None:
    call = CallId("call_1")
    said = shown(
        [
            turn(),
            ToolCallStarted(turn=1, attempt=1, part=0, call_id=call, name="clock"),
            ToolStarted(turn=1, call_id=call, name="clock", arguments={"timezone": "UTC"}, attempt=1),
            ToolCompleted(
                turn=1, call_id=call, status="completed", output="It is\nnoon.", is_error=False, duration_ms=1234
            ),
        ]
    )
    assert said == '⚙ clock  timezone: "UTC"\n✓ clock  It is noon. (1.2 s)\n'


def test_a_denied_call_says_why_it_did_not_run() -> None:
    denied = ToolCompleted(turn=1, call_id=CallId("call_1"), status="denied", output="Not here.", is_error=True)
    assert shown([denied]) == "✗ call_1  denied: Not here.\n"


def test_a_refused_call_is_told_once() -> None:
    call, by = CallId("call_1"), Actor(id="ada", name="Ada")
    said = shown(
        [
            ToolCallStarted(turn=1, attempt=1, part=0, call_id=call, name="send_mail"),
            ApprovalDecided(
                approval_id=ApprovalId("apr_1"), call_id=call, decision="reject", by=by, at=NOON, reason="no"
            ),
            ToolCompleted(turn=1, call_id=call, status="rejected", output="Ada refused this call.", is_error=True),
        ]
    )
    assert said == "✗ rejected send_mail (by Ada): no\n"


def test_the_end_closes_the_line_and_says_what_was_used() -> None:
    assert shown([text("Bye."), finished()]) == "Bye.\n0 tokens in · 0 out\n"


def test_a_stopped_answer_says_so() -> None:
    assert shown([text("By"), GenerationFinished(outcome="aborted", finished_at=NOON)]) == "By\n■ stopped\n"


def test_a_cut_reply_says_so() -> None:
    cut = TurnCompleted(turn=1, attempt=1, finish_reason="length", usage=Usage())
    assert shown([text("And then"), cut]) == "And then\n(cut: the model may say no more in one turn)\n"


def test_an_approval_shows_all_that_a_decision_needs() -> None:
    approval = Approval(
        id=ApprovalId("apr_1"), turn=1, calls=(CALL,), created_at=NOON, expires_at=NOON + timedelta(hours=1)
    )
    assert "".join(piece.text for piece in card(approval, NOON)) == (
        "⏸ apr_1 waits for a decision until 13:00\n"
        "  send_mail\n"
        "  Mail cannot be taken back.\n"
        '    {\n      "to": "ada"\n    }\n'
    )


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    assert visible("\x1b[2J\x9b1mé\tß\n\u202eevil\u2066") == "\\u001b[2J\\u009b1mé\tß\n\\u202eevil\\u2066"


def test_spelling_out_leaves_json_the_same_json() -> None:
    data = {"text": "\x9b31m\u202e\x7f"}
    assert json.loads(compact(data)) == data


def test_streamed_escapes_do_not_reach_the_terminal_even_in_halves() -> None:
    assert "\x1b" not in shown([text("\x1b"), text("]0;owned\x07")])


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("a", Decision(call_id=CALL.call_id, decision="approve")),
        ("Approve", Decision(call_id=CALL.call_id, decision="approve")),
        ("r", Decision(call_id=CALL.call_id, decision="reject")),
        ("r too risky", Decision(call_id=CALL.call_id, decision="reject", reason="too risky")),
        ('e {"to": "bob"}', Decision(call_id=CALL.call_id, decision="edit", arguments={"to": "bob"})),
        ("t it was sent already", Decision(call_id=CALL.call_id, decision="respond", text="it was sent already")),
    ],
)
def test_a_line_is_a_decision(said: str, wanted: Decision) -> None:
    assert decision(CALL, said) == wanted


@pytest.mark.parametrize("said", ["", "yes", "e", "e [1]", "e {", "t", "all of it"])
def test_what_is_no_decision_decides_nothing(said: str) -> None:
    with pytest.raises(Misspoken):
        decision(CALL, said)


def test_only_allowed_decisions_are_offered_and_taken() -> None:
    narrow = CALL.model_copy(update={"allowed_decisions": ("approve", "reject")})
    assert choices(narrow) == "[a]pprove · [r]eject REASON"
    with pytest.raises(Misspoken):
        decision(narrow, 'e {"to": "bob"}')


BOTH = WHICH.model_copy(update={"multi_select": True})
NUMBERS = WHICH.model_copy(update={"options": (Option(label="2", value="2"), Option(label="3", value="3"))})


@pytest.mark.parametrize(
    ("question", "said", "wanted"),
    [
        (WHICH, "2", ("green",)),
        (WHICH, " GREEN ", ("green",)),
        (WHICH, "none of them", "none of them"),
        (WHICH, "red, green", "red, green"),
        (BOTH, "green, 1", ("green", "red")),
        (BOTH, "green, purple", "green, purple"),
        (NUMBERS, "2", ("2",)),
        (WHY, "1", "1"),
    ],
)
def test_a_line_is_an_answer(question: Question, said: str, wanted: Answer) -> None:
    assert answer(question, said) == wanted


@pytest.mark.parametrize(("question", "said"), [(WHY, " "), (WHICH, ""), (WHICH, "3"), (BOTH, "1, 3")])
def test_what_is_no_answer_answers_nothing(question: Question, said: str) -> None:
    with pytest.raises(Misspoken):
        answer(question, said)


def test_questions_are_shown_with_their_options_and_answers_with_who_gave_them() -> None:
    asked = Approval(
        id=ApprovalId("apr_1"),
        kind="question",
        turn=1,
        calls=(CALL,),
        questions=(WHICH, WHY),
        created_at=NOON,
        expires_at=NOON + timedelta(hours=1),
    )
    waits = "⏸ apr_1 waits for an answer until 13:00\n  Which one?\n    1. Red\n    2. Green\n  Why?\n"
    assert "".join(piece.text for piece in card(asked, NOON)) == waits
    given = ApprovalDecided(
        approval_id=asked.id,
        call_id=CALL.call_id,
        decision="answer",
        by=Actor(id="ann", name="Ann"),
        at=NOON,
        answers={WHICH.id: ("red",), WHY.id: "It is\nwarm."},
    )
    told = ToolCompleted(turn=1, call_id=CALL.call_id, status="completed", output="{}", is_error=False)
    assert shown([given, told]) == "✓ answered: red; It is warm. (by Ann)\n"


def test_an_event_of_a_newer_server_is_skipped() -> None:
    assert known_event(ServerSentEvent(event="moon.risen", data='{"type":"moon.risen"}', id="7")) is None


def test_an_event_with_a_field_of_a_newer_server_is_known() -> None:
    data = '{"type":"text.delta","turn":1,"attempt":1,"part":0,"text":"hi","tone":"warm"}'
    assert known_event(ServerSentEvent(data=data)) == TextDelta(turn=1, attempt=1, part=0, text="hi")


def test_a_line_of_tail_has_number_type_and_data() -> None:
    frame = ServerSentEvent(event="turn.started", data='{"type":"turn.started", "turn": 1, "attempt": 1}', id="12")
    assert event_line(frame) == '   12 turn.started {"turn":1,"attempt":1}'


def test_a_gap_has_no_number() -> None:
    frame = ServerSentEvent(event="gap", data='{"type":"gap","requested":3,"first_kept":9}', id="3")
    assert event_line(frame) == '      gap {"requested":3,"first_kept":9}'


def test_waiting_times_double_up_to_a_bound() -> None:
    for failures, longest in enumerate((0.5, 1.0, 2.0, 4.0, LONGEST_SECONDS, LONGEST_SECONDS)):
        assert longest / 2 <= delay(failures) <= longest


def test_arguments_fit_on_a_line() -> None:
    assert brief({"city": "Oslo", "days": 3}) == 'city: "Oslo", days: 3'
    assert line("a\nb  c", 5) == "a b c"
    assert line("abcdef", 5) == "abcd…"


def test_an_unknown_price_is_left_out_and_a_guess_is_marked() -> None:
    assert consumption(Usage(input_tokens=1204, output_tokens=88), 0.0031) == "1,204 tokens in · 88 out · $0.0031"
    assert consumption(Usage(input_tokens=7, estimated=True), None) == "≈ 7 tokens in · ≈ 0 out"


def test_clocks_more_than_a_second_apart_are_doubtful() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock(now, now - timedelta(seconds=0.9), "Redis").level == "good"
    assert clock(now, now + timedelta(seconds=1.1), "Redis").level == "doubtful"


def test_an_old_python_is_bad() -> None:
    assert [python_version(version).level for version in ((3, 10, 14), (3, 11, 0), (4, 0, 0))] == [
        "bad",
        "good",
        "good",
    ]


def test_a_report_says_what_to_do() -> None:
    finding = Finding("bad", "redis", "no answer", "Start it.")
    assert report(finding) == "✗ redis           no answer\n                  → Start it."


def test_a_report_shows_no_password() -> None:
    assert without_secrets("redis://user:secret@host:6379/0") == "redis://host:6379/0"


# Who decides.
def test_a_card_says_whom_it_waits_for_and_how_many_have_approved() -> None:
    asked = Approval(id=ApprovalId("apr_1"), turn=1, calls=(CALL,), created_at=NOON, expires_at=NOON)
    assert awaited(asked) == "a decision"
    asked = asked.model_copy(update={"approver": "boss", "approvers": ("boss",)})
    assert awaited(asked) == "a decision by boss"
    vote = Vote(call_id=CALL.call_id, by=Actor(id="bob", name="Bob"), at=NOON)
    assert awaited(asked.model_copy(update={"quorum": 2, "votes": (vote,)})) == "a decision by boss (1 of 2)"


def test_a_vote_and_an_escalation_are_told() -> None:
    by = Actor(id="bob", name="Bob")
    voted = ApprovalVoted(approval_id=ApprovalId("apr_1"), call_id=CALL.call_id, by=by, at=NOON, needed=1)
    passed_on = ApprovalExpired(approval_id=ApprovalId("apr_1"), then="escalate")
    said = shown([ToolCallStarted(turn=1, attempt=1, part=0, call_id=CALL.call_id, name="pay"), voted, passed_on])
    assert said == "✓ approved pay (by Bob); 1 more must\n⌛ Nobody decided in time; others are asked.\n"


def test_the_explanation_of_a_verdict_names_who_decides_and_who_does_later() -> None:
    judgement = CallJudgement(
        call_id=CALL.call_id,
        verdict="ask",
        because="ask rule 1 of the endpoint: pay",
        allowed_decisions=("approve", "reject"),
        approvers=Approvers(roles=("boss", "board"), quorum=2, requester_may_approve=False),
        expiry=Expiry(after=timedelta(hours=2), then="escalate", to=("director",)),
    )
    assert list(explain(judgement, None))[2:] == [
        "  approvers  boss or board; 2 people must approve; not who asked for it",
        "  decisions  approve, reject",
        "  expires    after 2h; then director is asked, for as long; then the answer ends",
    ]
    own = judgement.model_copy(update={"approvers": OWNER, "expiry": Expiry()})
    assert "  approvers  the owner of the conversation" in explain(own, None)
