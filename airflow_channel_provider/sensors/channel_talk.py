"""
Sensors for Channel Talk: the state of a user chat, and whatever a function answers.

Nothing is checked or looked up when a DAG is parsed, since any argument may be a template or mapped; ``execute`` checks
before the first poll.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import required_id
from airflow_channel_provider.rendered import json_value, names, params_mapping
from airflow_channel_provider.sensors._base import ChannelTalkBaseSensor
from airflow_channel_provider.tasks import check_shows_no_token, function_params_of
from airflow_channel_provider.triggers import conditions
from airflow_channel_provider.triggers.polling import Poll

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import SensorArguments

__all__ = ["NativeFunctionSensor", "UserChatStateSensor"]


class UserChatStateSensor(ChannelTalkBaseSensor):
    """
    Waits until a user chat is in a state, and returns that state.

    :param user_chat_id: the user chat. (templated)
    :param state: ``opened``, ``closed``, ``snoozed``, ``initial``, ``queued``, ``missed``, or ``assigned``, which means
        that a manager is assigned to it; in any case, with or without the service's prefix ``USER_CHAT_STATE_``. A
        list, or JSON text of one, accepts any of its states. (templated)
    :param kwargs: the connection and channel, and how the sensor waits: the fields of ``SensorArguments``. Also what
        every sensor of Airflow takes.
    """

    template_fields: Sequence[str] = ("user_chat_id", "state", *ChannelTalkBaseSensor.template_fields)

    def __init__(
        self, *, user_chat_id: str, state: str | Sequence[str], **kwargs: Unpack[SensorArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.user_chat_id = user_chat_id
        self.state = state

    def new_poll(self) -> Poll:
        """Return the read and its condition."""
        from airflow_channel_provider.contract.parts import USER_CHAT_STATE

        user_chat_id = required_id("user_chat_id", self.user_chat_id, "the id of the user chat")
        given = names("state", self.state)
        states = [USER_CHAT_STATE.plain(state) for state in given if isinstance(state, str)]
        known = conditions.states_of_user_chats()
        if not states or len(states) < len(given) or not set(states) <= set(known):
            raise ChannelConfigurationError(f"state must be one or more of {', '.join(known)}.")
        is_in = conditions.Condition(
            predicate=conditions.user_chat_state, predicate_kwargs={"states": states}
        )
        return Poll("getUserChat", is_in, {"userChatId": user_chat_id}, self.channel_id)


class NativeFunctionSensor(ChannelTalkBaseSensor):
    """
    Waits until the answer of a native function that reads meets a condition, and returns what it found.

    The condition is one of two:

    - ``expect={"userChat.state": "closed"}``: expected values by dotted paths into the answer. A list accepts any of
      its values, None means that the value is absent. Enums match with or without their prefix, such as
      ``USER_CHAT_STATE_``, a ``state`` matches in any case, a whole number also as text, and an absent value also
      as empty, zero or false. The sensor returns the paths with the values found.
    - ``predicate``: a function that gets the answer and returns what it found, such as an id, or something false. The
      sensor returns what the function returns.

    :param method: name of the native function, such as ``getUserChat``. (templated)
    :param function_params: the function's parameters, as for :class:`.NativeFunctionOperator`. (templated)
    :param expect: the expected values, or JSON text of them. (templated)
    :param predicate: a function, or its dotted path. A deferrable sensor needs one that the triggerer can import.
    :param predicate_kwargs: further arguments of that function, or JSON text of them. (templated)
    :param repeatable: whether the function may be called again and again although it is not known to only read.
    :param kwargs: the connection and channel, and how the sensor waits: the fields of ``SensorArguments``. Also what
        every sensor of Airflow takes.
    """

    template_fields: Sequence[str] = (
        "method",
        "function_params",
        "expect",
        "predicate_kwargs",
        *ChannelTalkBaseSensor.template_fields,
    )
    template_fields_renderers = {"function_params": "json", "expect": "json", "predicate_kwargs": "json"}

    def __init__(
        self,
        *,
        method: str,
        function_params: Mapping[str, Any] | str | None = None,
        expect: Mapping[str, Any] | str | None = None,
        predicate: Callable[..., Any] | str | None = None,
        predicate_kwargs: Mapping[str, Any] | str | None = None,
        repeatable: bool = False,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.function_params = function_params_of(self, function_params)
        self.expect = expect
        self.predicate = predicate
        self.predicate_kwargs = predicate_kwargs
        self.repeatable = repeatable

    def new_poll(self) -> Poll:
        """Return the read and its condition."""
        check_shows_no_token(self.method)
        return Poll(
            self.method,
            conditions.Condition(
                json_value("expect", self.expect), self.predicate, _kwargs(self.predicate_kwargs)
            ),
            params_mapping(self.function_params),
            self.channel_id,
            self.repeatable,
        )


def _kwargs(value: Any) -> Mapping[str, Any]:
    kwargs = json_value("predicate_kwargs", value) or {}
    if not isinstance(kwargs, Mapping):
        raise ChannelConfigurationError(f"predicate_kwargs must be a mapping, not {type(kwargs).__name__}.")
    return kwargs
