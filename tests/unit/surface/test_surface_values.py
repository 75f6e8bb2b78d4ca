"""The values behave as the named tuples that they stand for."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from airflow_channel_provider.values import Values


class Lease(Values):
    owner: str
    until: float = 0.0
    scopes: tuple[str, ...] = ("app",)

    @property
    def is_over(self) -> bool:
        return self.until < 1.0


@pytest.mark.parametrize(
    "made",
    [
        Lease("me", 2.0, ("app",)),
        Lease("me", 2.0),
        Lease("me", until=2.0),
        Lease(until=2.0, owner="me"),
        Lease("me")._replace(until=2.0),
        copy.deepcopy(Lease("me", 2.0)),
        pickle.loads(pickle.dumps(Lease("me", 2.0))),
    ],
)
def test_a_value_has_its_fields_however_it_is_made(made: Lease) -> None:
    assert (made.owner, made.until, made.scopes, made.is_over) == ("me", 2.0, ("app",), False)
    assert made == Lease("me", 2.0)
    assert hash(made) == hash(Lease("me", 2.0))
    assert tuple(made) == ("me", 2.0, ("app",))
    assert made._asdict() == {"owner": "me", "until": 2.0, "scopes": ("app",)}
    assert repr(made) == "Lease(owner='me', until=2.0, scopes=('app',))"
    assert isinstance(made, Lease)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), {}),
        ((), {"until": 1.0}),
        (("me", 1.0, (), "more"), {}),
        (("me",), {"owner": "you"}),
        (("me",), {"since": 1.0}),
        (("me", 1.0, ()), {"since": 1.0}),
        (("me", 1.0, (), "more"), {"since": 1.0}),
    ],
)
def test_wrong_fields_are_refused(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Lease takes owner, until, scopes"):
        Lease(*given, **named)
    with pytest.raises(TypeError):
        Lease("me")._replace(since=1.0)


def test_no_field_can_be_set() -> None:
    with pytest.raises(AttributeError):
        Lease("me").owner = "you"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del Lease("me").until


def test_without_arguments_there_are_defaults() -> None:
    class Options(Values):
        seconds: float = 1.0

    assert Options() == Options(1.0) == (1.0,)


def test_names_and_patterns_are_those_of_the_fields() -> None:
    match Lease("me", 3.0):
        case Lease(owner, until):
            assert (owner, until) == ("me", 3.0)
