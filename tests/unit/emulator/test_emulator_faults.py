from __future__ import annotations

from typing import Any

import pytest

from airflow_channel_provider.emulator.faults import OPTIONS, FaultQueue


def test_a_fault_strikes_as_often_as_it_was_asked_for() -> None:
    queue = FaultQueue()
    queue.inject("http_500", count=2)
    struck = [queue.take("getUser", "/p") for _ in range(3)]
    assert [fault.name if fault else None for fault in struck] == ["http_500", "http_500", None]
    assert not queue


def test_faults_are_applied_in_the_order_they_were_given() -> None:
    queue = FaultQueue()
    queue.inject("empty")
    queue.inject("html")
    names = [fault.name for fault in (queue.take("a", "/p"), queue.take("a", "/p")) if fault]
    assert names == ["empty", "html"]


@pytest.mark.parametrize("method", ["writeGroupMessage", "/general/v1/native/functions"])
def test_a_fault_for_a_method_or_path_waits_for_it(method: str) -> None:
    queue = FaultQueue()
    queue.inject("close_after", method=method)
    assert queue.take("getUser", "/other") is None
    assert queue.take("writeGroupMessage", "/general/v1/native/functions") is not None


@pytest.mark.parametrize(
    ("fault", "token_request", "other_call"),
    [
        ("token_quota", True, False),
        ("rate_limit", False, True),
        ("unauthorized", False, True),
        ("close_before", True, True),
        ("slow", True, True),
    ],
)
def test_a_fault_without_method_strikes_what_it_can_befall(
    fault: str, token_request: bool, other_call: bool
) -> None:
    for method, needs_token, wanted in (("issueToken", False, token_request), ("getUser", True, other_call)):
        queue = FaultQueue()
        queue.inject(fault)
        assert (queue.take(method, "/p", needs_token=needs_token) is not None) is wanted


def test_the_first_choice_is_the_default_of_an_option() -> None:
    queue = FaultQueue()
    fault = queue.inject("rate_limit", options={"reset_after_seconds": 3})
    assert fault.options == {"shape": "body_epoch", "reset_after_seconds": 3, "second_document": False}
    waiting = {"fault": "rate_limit", "remaining": 1, "method": None, "share": 1.0}
    waiting["options"] = fault.options
    assert queue.listing() == [waiting]
    queue.clear()
    assert queue.listing() == []


def test_a_fault_with_a_share_strikes_so_many_and_the_same_in_each_run() -> None:
    struck = []
    for _ in range(2):
        queue = FaultQueue()
        queue.inject("empty", count=10_000, share=0.02)
        struck.append([number for number in range(5_000) if queue.take("getUser", "/p")])
    assert struck[0] == struck[1]
    assert 70 < len(struck[0]) < 130


@pytest.mark.parametrize("share", [0, -0.1, 1.1, True, "half"])
def test_a_share_is_a_share(share: Any) -> None:
    with pytest.raises(ValueError, match="share must be"):
        FaultQueue().inject("empty", share=share)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("nonsense", {}, "no fault 'nonsense'"),
        ("empty", {"count": 0}, "count must be"),
        ("empty", {"count": True}, "count must be"),
        ("empty", {"method": 3}, "method must be"),
        ("empty", {"options": {"shape": "x"}}, "no option 'shape'; it has none"),
        ("rate_limit", {"options": {"shape": "x"}}, "shape must be one of body_epoch"),
        ("rate_limit", {"options": {"second_document": 1}}, "second_document must be true or false"),
        ("slow", {"options": {"seconds": "1"}}, "seconds must be a number from 0 to 3600"),
        ("html", {"options": {"status": 200}}, "status must be a number from 300 to 599"),
        ("huge", {"options": {"megabytes": -1}}, "megabytes must be a number from 0 to 512"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_would_be_right(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    queue = FaultQueue()
    with pytest.raises(ValueError, match=message):
        queue.inject(name, **arguments)
    assert not queue


def test_every_fault_of_the_interface_exists() -> None:
    wanted = "close_before close_after http_500 http_500_after rate_limit slow truncated html empty"
    assert set(OPTIONS) == {*wanted.split(), "unauthorized", "token_quota", "first_page", "huge"}
