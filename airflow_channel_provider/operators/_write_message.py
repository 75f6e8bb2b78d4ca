"""Base of the operators that write a message; its arguments are checked when the task runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.links import OpenChatLink
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.rendered import CONTENT_FIELDS, content_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import CallArguments


class WriteMessageBaseOperator(ChannelTalkBaseOperator):
    """Base of the operators that write a message."""

    template_fields: Sequence[str] = (*CONTENT_FIELDS, *ChannelTalkBaseOperator.template_fields)
    template_fields_renderers = {"markdown": "md", "blocks": "json", "buttons": "json", "files": "json"}
    operator_extra_links = (OpenChatLink(),)

    chat_url: str | None = None
    """Of the chat in Channel Desk, once the task runs; see :class:`.OpenChatLink`."""

    def __init__(
        self,
        *,
        text: str | None = None,
        markdown: str | None = None,
        blocks: Sequence[Mapping[str, Any]] | str | None = None,
        bot_name: str | None = "Airflow",
        buttons: Sequence[Mapping[str, Any]] | str | None = None,
        files: Sequence[Mapping[str, Any] | str] | str | None = None,
        options: Sequence[str] | str | None = None,
        private: bool = False,
        silent: bool | str = False,
        web_page: Mapping[str, Any] | str | None = None,
        form: Mapping[str, Any] | str | None = None,
        deduplicate: bool = True,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.markdown = markdown
        self.blocks = blocks
        self.bot_name = bot_name
        self.buttons = buttons
        self.files = files
        self.options = options
        self.private = private
        self.silent = silent
        self.web_page = web_page
        self.form = form
        self.deduplicate = deduplicate

    def _note_chat(self, address_of: Callable[[str, str], str], chat_id: str) -> None:
        """
        Note where the chat can be opened.

        :param address_of: takes the connection's Desk address and the id.
        """
        desk_url = self.hook.settings.desk_url
        self.chat_url = address_of(desk_url, chat_id) if desk_url else None

    def _write(self, method: str, target: Mapping[str, Any], context: Context) -> str | None:
        """
        Write the message and return its id.

        :param method: the native function.
        :param target: its other parameters: where the message goes.
        """
        from airflow_channel_provider.messages.dto import message_dto, message_id

        call = self.hook.prepare(
            method,
            {**target, "dto": message_dto(**content_of(self))},
            channel_id=self.channel_id,
            request_id=self._request_id(context) if self.deduplicate else None,
        )
        found = message_id(self.hook.send(call))
        if found is None:
            self.log.warning("%s was accepted, but its answer holds no message id", method)
        return found
