"""
The operator of Open API v5: one request, of any operation.

Whether a request is sent again after a lost answer is in the table of operations, ``contract/open_api.py``. Secrets
that an answer holds do not leave the task: an operation whose answer is a token is not called for an XCom, and the XCom
of a webhook is without its token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import required_id
from airflow_channel_provider.masking import mask_secret
from airflow_channel_provider.operators._base import OpenApiBaseOperator
from airflow_channel_provider.rendered import json_value

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import OpenApiArguments

__all__ = ["OpenApiOperator"]


class OpenApiOperator(OpenApiBaseOperator):
    """
    Sends one request to Open API v5 of Channel Talk and returns the answer.

    :param path: below ``/open/v5``, such as ``/user-chats/{userChatId}/messages``. (templated)
    :param verb: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``. (templated)
    :param path_params: the value for each name in braces of ``path``: a mapping, or a template that
        renders to JSON text of one. Any text is an id here, also one with a slash. (templated)
    :param query_params: parameters of the query, as for ``path_params``; a list is sent as one parameter an item.
        (templated)
    :param json_body: the body, as for ``path_params``. A message without a ``requestId`` gets one that is the same in
        each retry of this task instance. (templated)
    :param kwargs: the connection, waits and attempts: the fields of ``OpenApiArguments``. Also what every operator of
        Airflow takes.
    """

    template_fields: Sequence[str] = (
        "path",
        "verb",
        "path_params",
        "query_params",
        "json_body",
        *OpenApiBaseOperator.template_fields,
    )
    template_fields_renderers = {"path_params": "json", "query_params": "json", "json_body": "json"}

    def __init__(
        self,
        *,
        path: str,
        verb: str = "GET",
        path_params: Mapping[str, Any] | str | None = None,
        query_params: Mapping[str, Any] | str | None = None,
        json_body: Mapping[str, Any] | str | None = None,
        **kwargs: Unpack[OpenApiArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.verb = verb
        self.path_params = path_params
        self.query_params = query_params
        self.json_body = json_body

    def _describe(self) -> str:
        """Name the call for the log."""
        return f"{str(self.verb).upper()} {self.path}"

    def _call_service(self, context: Context) -> Any:
        """Send the request."""
        from airflow_channel_provider.contract.open_api import BASE_PATH, operation_of

        verb, path = (
            str(self.verb).upper(),
            _filled(self.path, _mapping("path_params", self.path_params) or {}),
        )
        self._only_reads = verb == "GET"
        operation = operation_of(verb, path.removeprefix(BASE_PATH).rstrip("/"))
        if operation.answers_token and self.do_xcom_push:
            raise ChannelConfigurationError(
                f"The answer of {verb} {operation.path} is a token, and XCom stores it unencrypted. Call it with the "
                "hook in the task that uses it, or set do_xcom_push=False.",
                method=f"{verb} {operation.path}",
            )
        answer = self.hook.request(
            verb,
            path,
            params=_mapping("query_params", self.query_params),
            json=_mapping("json_body", self.json_body),
        )
        return _without_tokens(answer) if operation.path.startswith("/webhooks") else answer


def _mapping(name: str, value: Any) -> dict[str, Any] | None:
    given = json_value(name, value)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ChannelConfigurationError(
            f"{name} must be a mapping of names to values, or JSON text of one, not {type(given).__name__}."
        )
    return dict(given)


def _filled(path: Any, values: Mapping[str, Any]) -> str:
    """Fill the names in braces of a path in; an id may hold any character."""
    from airflow_channel_provider.contract.open_api import fill_path, variables_of

    if not isinstance(path, str):
        raise ChannelConfigurationError(f"path must be a text, not {type(path).__name__}.")
    wanted = variables_of(path)
    if unknown := sorted(str(name) for name in values.keys() - set(wanted)):
        raise ChannelConfigurationError(
            f"path_params has {', '.join(unknown)}, and the path {path} has no such name in braces."
        )
    what = f"the id that the path {path} needs"
    return fill_path(
        path, {name: required_id(f"path_params[{name!r}]", values.get(name), what) for name in wanted}
    )


def _without_tokens(answer: Any) -> Any:
    """Return what is known of webhooks, without the tokens by which they are recognised."""
    if isinstance(answer, list):
        return [_without_tokens(one) for one in answer]
    if not isinstance(answer, Mapping):
        return answer
    if isinstance(token := answer.get("token"), str) and token:
        mask_secret(token)
    return {name: _without_tokens(value) for name, value in answer.items() if name != "token"}
