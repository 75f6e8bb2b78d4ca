"""
Operators for Channel Talk: any native function or app function, messages, and the commands of an app.

Arguments are checked when the task runs, because any of them may be a template or mapped; parsing a DAG looks nothing
up. A message carries a request id made of the task instance's key, so that a retry does not write it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import optional_id, required_id
from airflow_channel_provider.links import group_url, user_chat_url
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.operators._write_message import WriteMessageBaseOperator
from airflow_channel_provider.rendered import json_value, params_mapping
from airflow_channel_provider.tasks import check_shows_no_token, function_params_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import CallArguments, MessageArguments
    from airflow_channel_provider.operators.commands import Command

__all__ = [
    "AppFunctionOperator",
    "NativeFunctionOperator",
    "RegisterCommandsOperator",
    "WriteGroupMessageOperator",
    "WriteUserChatMessageOperator",
]


class NativeFunctionOperator(ChannelTalkBaseOperator):
    """
    Calls a native function of Channel Talk and returns its result.

    :param method: name of the native function, such as ``getUserChat``. (templated)
    :param function_params: the function's parameters: a mapping, or a template that renders to JSON text of one.
        ``channelId`` and ``appId`` are filled in where the function needs them. A mapping may be given as ``params``
        as well; ``{{ params.x }}`` in a template means the DAG's params all the same. (templated)
    :param deduplicate: whether a message gets a request id that is the same in each retry of this task instance, so
        that the service writes it once.
    :param kwargs: the connection and channel, waits and attempts: the fields of ``CallArguments``. Also what every
        operator of Airflow takes.
    """

    template_fields: Sequence[str] = ("method", "function_params", *ChannelTalkBaseOperator.template_fields)
    template_fields_renderers = {"function_params": "json"}

    def __init__(
        self,
        *,
        method: str,
        function_params: Mapping[str, Any] | str | None = None,
        deduplicate: bool = True,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.function_params = function_params_of(self, function_params)
        self.deduplicate = deduplicate

    def _describe(self) -> str:
        """Name the call for the log."""
        return self.method

    def _call_service(self, context: Context) -> Any:
        """Call the function."""
        if self.do_xcom_push:
            check_shows_no_token(self.method)
        call = self.hook.prepare(
            self.method,
            params_mapping(self.function_params),
            channel_id=self.channel_id,
            request_id=self._request_id(context) if self.deduplicate else None,
        )
        return self.hook.send(call)


class AppFunctionOperator(ChannelTalkBaseOperator):
    """
    Calls a function that an app offers through the App Store and returns its result.

    :param app_id: the app whose function it is. (templated)
    :param method: name of the function. (templated)
    :param function_params: the function's parameters, as for :class:`NativeFunctionOperator`. (templated)
    :param function_context: the ``context`` of the call: on whose behalf the function acts. Default: the channel, if
        there is one. (templated)
    :param system_version: version of the function, such as ``v1``. Default: the service's. (templated)
    :param kwargs: the connection and channel, waits and attempts: the fields of ``CallArguments``. Also what every
        operator of Airflow takes.
    """

    template_fields: Sequence[str] = (
        "app_id",
        "method",
        "function_params",
        "function_context",
        "system_version",
        *ChannelTalkBaseOperator.template_fields,
    )
    template_fields_renderers = {"function_params": "json", "function_context": "json"}

    def __init__(
        self,
        *,
        app_id: str,
        method: str,
        function_params: Mapping[str, Any] | str | None = None,
        function_context: Mapping[str, Any] | str | None = None,
        system_version: str | None = None,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.method = method
        self.function_params = function_params_of(self, function_params)
        self.function_context = function_context
        self.system_version = system_version

    def _describe(self) -> str:
        """Name the call for the log."""
        return f"{self.app_id}/{self.method}"

    def _call_service(self, context: Context) -> Any:
        """Call the function."""
        return self.hook.call_app_function(
            self.app_id,
            self.method,
            params_mapping(self.function_params),
            context=json_value("function_context", self.function_context),
            channel_id=self.channel_id,
            system_version=self.system_version,
        )


class RegisterCommandsOperator(ChannelTalkBaseOperator):
    """
    Declares the commands of an app and returns their names.

    The list must be complete: the service removes each command that is not in it.

    The service recommends ``registerExtension`` with the extension ``command`` instead: it then asks the app's own
    endpoint for the commands. This operator is for apps without an endpoint.

    :param commands: at most 30 commands, see :class:`.commands.Command`: mappings whose texts may be templates, or a
        template that renders to JSON text of such a list. (templated)
    :param app_id: App ID; default: the connection's. (templated)
    :param kwargs: the connection, waits and attempts: the fields of ``CallArguments``, of which ``channel_id`` has no
        effect, since the commands are those of the app. Also what every operator of Airflow takes.
    """

    template_fields: Sequence[str] = ("commands", "app_id", *ChannelTalkBaseOperator.template_fields)
    template_fields_renderers = {"commands": "json"}

    def __init__(
        self,
        *,
        commands: Sequence[Command | Mapping[str, Any]] | str,
        app_id: str | None = None,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.commands = commands
        self.app_id = app_id

    def _describe(self) -> str:
        """Name the call for the log."""
        return "registerCommands"

    def _describe_place(self) -> str:
        return "all channels of the app"

    def _call_service(self, context: Context) -> list[str]:
        """Declare the commands and return their names."""
        commands = _commands(json_value("commands", self.commands))
        params: dict[str, Any] = {"commands": commands}
        if app_id := optional_id("app_id", self.app_id):
            params["appId"] = app_id
        self.hook.call("registerCommands", params)
        names = [str(command["name"]) for command in commands]
        self.log.warning(
            "Declared %d commands; the service removed all others of the app: %s", len(names), names
        )
        return names


class WriteUserChatMessageOperator(WriteMessageBaseOperator):
    """
    Writes one message to a user chat and returns its id.

    :param user_chat_id: the user chat. (templated)
    :param kwargs: the content (``text``, ``markdown``, ``blocks``, ``buttons``, ``files`` and others), the connection
        and channel, waits and attempts: the fields of ``MessageArguments``. Also what every operator of Airflow takes.
    """

    template_fields: Sequence[str] = ("user_chat_id", *WriteMessageBaseOperator.template_fields)

    def __init__(self, *, user_chat_id: str, **kwargs: Unpack[MessageArguments]) -> None:
        super().__init__(**kwargs)
        self.user_chat_id = user_chat_id

    def _describe(self) -> str:
        """Name the call for the log."""
        return "writeUserChatMessage"

    def _call_service(self, context: Context) -> str | None:
        """Write the message."""
        user_chat_id = required_id("user_chat_id", self.user_chat_id, "the id of the user chat")
        self._note_chat(user_chat_url, user_chat_id)
        return self._write("writeUserChatMessage", {"userChatId": user_chat_id}, context)


class WriteGroupMessageOperator(WriteMessageBaseOperator):
    """
    Writes one message to a group (a team chat) and returns its id.

    :param group_id: the group. (templated)
    :param group_name: title or name of the group, instead of ``group_id``; needs one more call. (templated)
    :param root_message_id: the message that starts the thread. Default: no thread. (templated)
    :param broadcast: whether a message in a thread is also shown in the group.
    :param kwargs: the content (``text``, ``markdown``, ``blocks``, ``buttons``, ``files`` and others), the connection
        and channel, waits and attempts: the fields of ``MessageArguments``. Also what every operator of Airflow takes.
    """

    template_fields: Sequence[str] = (
        "group_id",
        "group_name",
        "root_message_id",
        *WriteMessageBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group_name: str | None = None,
        root_message_id: str | None = None,
        broadcast: bool | None = None,
        **kwargs: Unpack[MessageArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.group_id = group_id
        self.group_name = group_name
        self.root_message_id = root_message_id
        self.broadcast = broadcast

    def _describe(self) -> str:
        """Name the call for the log."""
        return "writeGroupMessage"

    def _call_service(self, context: Context) -> str | None:
        """Find the group and write the message."""
        group_id = optional_id("group_id", self.group_id)
        if bool(group_id) == bool(self.group_name):
            raise ChannelConfigurationError("Give either group_id or group_name.")
        group_id = group_id or self._look_up(str(self.group_name))
        self._note_chat(group_url, group_id)
        target: dict[str, Any] = {"groupId": group_id}
        if root_message_id := optional_id("root_message_id", self.root_message_id):
            target["rootMessageId"] = root_message_id
        if self.broadcast is not None:
            target["broadcast"] = self.broadcast
        return self._write("writeGroupMessage", target, context)

    def _look_up(self, name: str) -> str:
        from airflow_channel_provider.hooks.groups import group_id_of

        return group_id_of(self.hook, name, channel_id=self.channel_id)


def _commands(given: Any) -> list[dict[str, Any]]:
    """Return the commands; the hook checks each against the contract."""
    if isinstance(given, (Mapping, str)) or not isinstance(given, Sequence):
        raise ChannelConfigurationError(f"commands must be a list, not {type(given).__name__}.")
    for number, command in enumerate(given, start=1):
        if not isinstance(command, Mapping):
            raise ChannelConfigurationError(
                f"Command {number} must be a mapping, not {type(command).__name__}."
            )
    return [{"alfMode": "disable", **command} for command in given]
