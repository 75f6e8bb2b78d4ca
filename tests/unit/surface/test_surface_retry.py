from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import tenacity

from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.prepared_call import PreparedCall
from airflow_channel_provider.request_ids import RequestId
from airflow_channel_provider.retry import (
    CallPolicy,
    RetryWait,
    as_ambiguous,
    is_outcome_unclear,
    is_repeatable,
    retry_after_seconds,
)

NOW = 1_700_000_000.0


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, tz=timezone.utc)


ALWAYS = [
    ChannelNotSentError("no route"),
    ChannelRateLimitError("slow down", http_status=429),
    ChannelTokenQuotaError("quota", retry_at=at(5)),
]
NEVER = [
    ChannelConfigurationError("wrong"),
    ChannelAuthenticationError("bad token", http_status=401),
    ChannelPermissionError("not yours", http_status=403),
    ChannelRequestError("not found", http_status=404),
    ChannelRequestError("no status"),
    ChannelResponseError("redirect", http_status=302),
    ChannelResponseError("html page", http_status=404),
    ValueError("a bug"),
]
UNCLEAR = [
    ChannelAmbiguousResultError("timeout"),
    ChannelResponseError("half the JSON", http_status=200),
    ChannelResponseError("html", http_status=502),
    ChannelResponseError("garbled"),
    ChannelRequestError("upstream broke", http_status=500),
]
KINDS = [(retry_class, with_id) for retry_class in RetryClass for with_id in (False, True)]


def call_of(retry_class: RetryClass, with_id: bool = False, *, is_lasting: bool = True) -> PreparedCall:
    return PreparedCall("m", retry_class, request_id=RequestId("id", is_lasting) if with_id else None)


@pytest.mark.parametrize("error", ALWAYS, ids=repr)
@pytest.mark.parametrize(("retry_class", "with_id"), KINDS)
def test_what_had_no_effect_is_repeated_whatever_it_is(
    error: Exception, retry_class: RetryClass, with_id: bool
) -> None:
    assert is_repeatable(error, call_of(retry_class, with_id))
    assert not is_outcome_unclear(error)


@pytest.mark.parametrize("error", NEVER, ids=repr)
@pytest.mark.parametrize(("retry_class", "with_id"), KINDS)
def test_what_was_refused_is_never_repeated(error: Exception, retry_class: RetryClass, with_id: bool) -> None:
    assert not is_repeatable(error, call_of(retry_class, with_id))
    assert not is_outcome_unclear(error)


@pytest.mark.parametrize("error", UNCLEAR, ids=repr)
@pytest.mark.parametrize(
    ("retry_class", "with_id", "expected"),
    [
        (RetryClass.READ, False, True),
        (RetryClass.IDEMPOTENT, False, True),
        (RetryClass.REQUEST_ID, True, True),
        (RetryClass.REQUEST_ID, False, False),
        (RetryClass.UNSAFE, True, False),
        (RetryClass.UNSAFE, False, False),
    ],
)
def test_unclear_outcome_is_repeated_only_where_that_changes_nothing(
    error: Exception, retry_class: RetryClass, with_id: bool, expected: bool
) -> None:
    assert is_outcome_unclear(error)
    assert is_repeatable(error, call_of(retry_class, with_id)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ChannelRateLimitError("x", retry_at=at(12)), 12.0),
        (ChannelRateLimitError("x", retry_at=at(-3)), 0.0),
        (ChannelRateLimitError("x", retry_at=at(12), retry_after_seconds=4.5), 4.5),
        (ChannelNotSentError("x", retry_at=at(7)), 7.0),
        (ChannelRateLimitError("x"), None),
        (ChannelAmbiguousResultError("x"), None),
        (None, None),
    ],
)
def test_wait_that_an_error_tells(error: Exception | None, expected: float | None) -> None:
    assert retry_after_seconds(error, now=NOW) == expected


def state_after(error: Exception, attempt: int) -> tenacity.RetryCallState:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error), error, None))
    return state


@pytest.mark.parametrize(
    ("attempt", "random", "expected"),
    [(1, 1.0, 0.5), (1, 0.0, 0.25), (2, 1.0, 1.0), (4, 1.0, 4.0), (7, 1.0, 30.0), (500, 1.0, 30.0)],
)
def test_pauses_double_up_to_the_limit_with_jitter_below(
    attempt: int, random: float, expected: float
) -> None:
    wait = RetryWait(30.0, lambda: NOW, lambda: random)
    assert wait(state_after(ChannelNotSentError("x"), attempt)) == expected


@pytest.mark.parametrize(("random", "expected"), [(0.0, 20.0), (0.5, 20.5)])
def test_wait_that_an_error_asks_for_counts_whatever_the_limit_of_pauses(
    random: float, expected: float
) -> None:
    wait = RetryWait(1.0, lambda: NOW, lambda: random)
    assert wait(state_after(ChannelRateLimitError("x", retry_at=at(20)), 3)) == expected


class Script:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def policy(slept: list[float], *, attempts: int = 5, max_wait_seconds: float = 60.0) -> CallPolicy:
    return CallPolicy(
        attempts=attempts,
        max_wait_seconds=max_wait_seconds,
        wait_max_seconds=30.0,
        log=logging.getLogger("retry"),
        sleep=slept.append,
        now=lambda: NOW,
        random=lambda: 1.0,
    )


def run(script: Script, slept: list[float], kind: RetryClass, *, with_id: bool = False, **kwargs: Any) -> Any:
    return policy(slept, **kwargs).run(call_of(kind, with_id), script)


def test_read_is_repeated_with_growing_pauses_until_it_is_answered() -> None:
    slept: list[float] = []
    script = Script(*UNCLEAR[:3], "answer")
    assert run(script, slept, RetryClass.READ) == "answer"
    assert (script.calls, slept) == (4, [0.5, 1.0, 2.0])


def test_the_last_attempt_raises_what_it_met() -> None:
    slept: list[float] = []
    script = Script(ChannelResponseError("html", http_status=502))
    with pytest.raises(ChannelResponseError, match="html"):
        run(script, slept, RetryClass.IDEMPOTENT, attempts=3)
    assert (script.calls, slept) == (3, [0.5, 1.0])


@pytest.mark.parametrize("error", UNCLEAR, ids=repr)
def test_unsafe_call_is_sent_once_and_its_unclear_outcome_is_ambiguous(error: ChannelError) -> None:
    slept: list[float] = []
    script = Script(error)
    with pytest.raises(ChannelAmbiguousResultError, match=r"m was sent.*check at the service") as caught:
        run(script, slept, RetryClass.UNSAFE)
    assert (script.calls, slept) == (1, [])
    assert caught.value.__cause__ is error
    assert (caught.value.method, caught.value.http_status) == ("m", error.http_status)


@pytest.mark.parametrize(("with_id", "calls"), [(True, 2), (False, 1)])
def test_message_is_repeated_with_a_request_id_only(with_id: bool, calls: int) -> None:
    script = Script(ChannelAmbiguousResultError("timeout"))
    with pytest.raises(ChannelAmbiguousResultError) as caught:
        run(script, [], RetryClass.REQUEST_ID, with_id=with_id, attempts=2)
    assert script.calls == calls
    assert ("no second message" in str(caught.value)) is with_id


LATER = [
    ChannelNotSentError("The host refused the connection."),
    ChannelAuthenticationError("The token is refused.", http_status=401),
    ChannelPermissionError("The app is not installed.", http_status=403),
    ChannelResponseError("A page of a gateway.", http_status=403),
    ChannelRateLimitError("Too many calls."),
]


@pytest.mark.parametrize("last", LATER, ids=repr)
@pytest.mark.parametrize("is_lasting", [True, False])
def test_an_unclear_attempt_is_not_forgotten_when_a_later_one_is_clear(
    last: ChannelError, is_lasting: bool
) -> None:
    script = Script(ChannelAmbiguousResultError("The answer was lost."), last)
    with pytest.raises(
        ChannelAmbiguousResultError,
        match=f"m was sent, and whether.*The answer was lost. The last attempt: {last.message}",
    ) as caught:
        policy([], attempts=2).run(call_of(RetryClass.REQUEST_ID, True, is_lasting=is_lasting), script)
    assert script.calls == 2
    assert (caught.value.safe_to_repeat, caught.value.http_status) == (is_lasting, None)
    assert caught.value.__cause__ is last


@pytest.mark.parametrize(
    ("is_lasting", "expected"), [(True, ChannelRateLimitError), (False, ChannelAmbiguousResultError)]
)
def test_a_wait_behind_an_unclear_attempt_is_raised_where_the_next_try_sends_the_same_id(
    is_lasting: bool, expected: type[ChannelError]
) -> None:
    script = Script(ChannelAmbiguousResultError("lost"), ChannelRateLimitError("x", retry_at=at(600)))
    with pytest.raises(expected) as caught:
        policy([]).run(call_of(RetryClass.REQUEST_ID, True, is_lasting=is_lasting), script)
    assert type(caught.value) is expected


def test_a_call_that_the_service_refuses_when_it_is_repeated_was_not_carried_out_before() -> None:
    refused = ChannelRequestError("No such chat.", http_status=404)
    with pytest.raises(ChannelRequestError) as caught:
        run(Script(ChannelAmbiguousResultError("lost"), refused), [], RetryClass.REQUEST_ID, with_id=True)
    assert caught.value is refused


def test_a_harmless_call_raises_what_the_last_attempt_met() -> None:
    for kind in (RetryClass.READ, RetryClass.IDEMPOTENT):
        with pytest.raises(ChannelNotSentError):
            run(Script(UNCLEAR[0], ChannelNotSentError("x")), [], kind, attempts=2)


@pytest.mark.parametrize("kind", [RetryClass.READ, RetryClass.IDEMPOTENT, RetryClass.REQUEST_ID])
def test_an_answer_that_is_too_large_is_not_asked_for_again(kind: RetryClass) -> None:
    script = Script(ChannelResponseError("too large", http_status=200, too_large=True))
    with pytest.raises((ChannelResponseError, ChannelAmbiguousResultError), match="too large"):
        run(script, [], kind, with_id=True)
    assert script.calls == 1


@pytest.mark.parametrize(
    ("has_request_id", "is_lasting_id", "said", "safe"),
    [
        (True, True, "a retry of the task sends the same request id", True),
        (True, False, "its request id is used by this call only", False),
        (False, False, "it was not repeated", False),
    ],
)
def test_a_retry_is_called_harmless_only_where_it_sends_the_same_request_id(
    has_request_id: bool, is_lasting_id: bool, said: str, safe: bool
) -> None:
    with pytest.raises(ChannelAmbiguousResultError, match=said) as caught:
        policy([]).run(
            call_of(RetryClass.REQUEST_ID, has_request_id, is_lasting=is_lasting_id),
            Script(ChannelAmbiguousResultError("timeout")),
        )
    assert caught.value.safe_to_repeat is safe


def test_rate_limit_is_sat_out_for_as_long_as_it_says() -> None:
    slept: list[float] = []
    script = Script(ChannelRateLimitError("x", retry_at=at(60)), "answer")
    assert run(script, slept, RetryClass.UNSAFE) == "answer"
    assert slept == [61.0]


@pytest.mark.parametrize("error", [ChannelRateLimitError, ChannelTokenQuotaError])
def test_a_wait_beyond_the_limit_is_raised_at_once(error: type[ChannelRateLimitError]) -> None:
    slept: list[float] = []
    script = Script(error("x", retry_at=at(60.5)), "answer")
    with pytest.raises(error):
        run(script, slept, RetryClass.READ)
    assert (script.calls, slept) == (1, [])


def test_no_waiting_at_all_where_the_limit_is_zero() -> None:
    slept: list[float] = []
    script = Script(ChannelNotSentError("x"), "answer")
    with pytest.raises(ChannelNotSentError):
        run(script, slept, RetryClass.READ, max_wait_seconds=0.0)
    assert slept == []


def test_each_repetition_writes_one_line_with_reason_and_wait(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="retry")
    run(Script(ChannelNotSentError("no route to it"), "answer"), [], RetryClass.UNSAFE)
    assert [record.getMessage() for record in caplog.records] == [
        "m: attempt 1 of 5 failed, the next follows in 0.5 s (ChannelNotSentError: no route to it)"
    ]


def test_a_foreign_error_passes_untouched() -> None:
    script = Script(KeyError("bug"))
    with pytest.raises(KeyError):
        run(script, [], RetryClass.READ)
    assert script.calls == 1


def test_retry_at_is_compared_with_the_clock_of_this_host() -> None:
    soon = datetime.now(tz=timezone.utc) + timedelta(seconds=30)
    told = retry_after_seconds(
        ChannelRateLimitError("x", retry_at=soon), now=datetime.now(tz=timezone.utc).timestamp()
    )
    assert told is not None
    assert 29 < told <= 30


def test_ambiguity_keeps_the_words_of_its_cause() -> None:
    error = ChannelAmbiguousResultError("connection lost")
    assert "connection lost" in as_ambiguous(error, call_of(RetryClass.UNSAFE)).message
