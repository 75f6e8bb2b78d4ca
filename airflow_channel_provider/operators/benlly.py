"""Operators for Benlly.

No token leaves the task: the argument ``token`` is masked as soon as it is rendered, before Airflow stores the rendered
fields, and the XCom does not contain the ``device_token`` of the answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.masking import mask_secret
from airflow_channel_provider.operators._answers import as_xcom, check_mapped_tasks
from airflow_channel_provider.retry_policy import fail_at_once
from airflow_channel_provider.tasks import DEFAULT_RETRY_POLICY, policy_argument
from airflow_channel_provider.templates import TemplatesOfTheFile

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import RetryPolicy
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import AirflowArguments
    from airflow_channel_provider.hooks.benlly import BenllyHook

__all__ = ["ChannelAuthorizeOperator", "ChannelDeauthorizeOperator"]


class _ChannelOperator(TemplatesOfTheFile, BaseOperator):
    """Sends one request about a channel of Benlly."""

    operation: str
    ui_color = "#e1f3ea"

    def __init__(
        self,
        *,
        channel_id: int | str,
        benlly_conn_id: str = "benlly_default",
        retry_policy: RetryPolicy | None = DEFAULT_RETRY_POLICY,
        **kwargs: Unpack[AirflowArguments],
    ) -> None:
        super().__init__(**policy_argument(retry_policy), **kwargs)
        self.channel_id = channel_id
        self.benlly_conn_id = benlly_conn_id

    def _act(self, hook: BenllyHook) -> dict[str, Any]:
        """Send the request and return the answer."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, Any]:
        """Send the request and return the answer, without what is secret in it."""
        from airflow_channel_provider.hooks.benlly import BenllyHook

        self.log.info("%s: calling, Benlly channel %s", self.operation, self.channel_id)
        started = time.monotonic()
        try:
            check_mapped_tasks(self, context)
            with BenllyHook(self.benlly_conn_id) as hook:
                data = self._act(hook)
        except ChannelError as error:
            fail_at_once(error)
            raise
        self.log.info(
            "%s: done in %.2f s, Benlly channel %s%s",
            self.operation,
            time.monotonic() - started,
            self.channel_id,
            f", expired: {data['expired']}" if "expired" in data else "",
        )
        public = {name: value for name, value in data.items() if name != "device_token"}
        fit: dict[str, Any] = as_xcom(self, public, context)
        return fit


class ChannelAuthorizeOperator(_ChannelOperator):
    """
    Authorizes a channel of Benlly and returns the answer, without its ``device_token``.

    :param channel_id: id of the channel, a whole number. (templated)
    :param token: access token of the push service, for a channel whose ``auth_type`` is ``push_notification``. Use a
        template of a connection or a variable, ``{{ conn.push_service.password }}`` or ``{{ var.value.push_token }}``:
        Airflow stores the text of a DAG file and each XCom unencrypted. (templated)
    :param benlly_conn_id: connection of the type ``benlly``: one user on one device. (templated)
    :param retry_policy: decides after an error whether the task is tried again; Airflow 3.3 or newer. Default:
        :class:`.ChannelRetryPolicy`. None: only ``retries`` and ``retry_delay`` decide.
    :param kwargs: what every operator of Airflow takes.
    """

    # The name of the field "token" is one that Airflow redacts in the rendered fields whatever its value.
    template_fields: Sequence[str] = ("channel_id", "token", "benlly_conn_id")
    operation = "authorize"

    def __init__(
        self,
        *,
        channel_id: int | str,
        token: str | None = None,
        benlly_conn_id: str = "benlly_default",
        retry_policy: RetryPolicy | None = DEFAULT_RETRY_POLICY,
        **kwargs: Unpack[AirflowArguments],
    ) -> None:
        super().__init__(
            channel_id=channel_id, benlly_conn_id=benlly_conn_id, retry_policy=retry_policy, **kwargs
        )
        self.token = token

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        if isinstance(self.token, str) and self.token:
            mask_secret(self.token)

    def _act(self, hook: BenllyHook) -> dict[str, Any]:
        """Authorize the channel."""
        return hook.authorize_channel(self.channel_id, token=self.token)


class ChannelDeauthorizeOperator(_ChannelOperator):
    """
    Revokes the authorization of a channel of Benlly and returns the answer.

    :param channel_id: id of the channel, a whole number. (templated)
    :param benlly_conn_id: connection of the type ``benlly``: one user on one device. (templated)
    :param retry_policy: decides after an error whether the task is tried again; Airflow 3.3 or newer. Default:
        :class:`.ChannelRetryPolicy`. None: only ``retries`` and ``retry_delay`` decide.
    :param kwargs: what every operator of Airflow takes.
    """

    template_fields: Sequence[str] = ("channel_id", "benlly_conn_id")
    operation = "deauthorize"

    def _act(self, hook: BenllyHook) -> dict[str, Any]:
        """Revoke the authorization."""
        return hook.deauthorize_channel(self.channel_id)
