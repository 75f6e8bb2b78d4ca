"""One look at the service: what is read, and what is awaited of it. The same on a worker and in the triggerer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.triggers._conditions import Condition
from airflow_channel_provider.xcom import fit_for_xcom

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

__all__ = ["Watch"]


@dataclass(frozen=True)
class Watch:
    """
    What is read again and again, and what is awaited.

    :param method: name of the native function.
    :param condition: what its answer has to say.
    :param params: its parameters.
    :param channel_id: the channel to act in; None: the connection's.
    :param repeatable: the caller's word that the function may be called again and again, though nothing says so.
    """

    method: str
    condition: Condition
    params: Mapping[str, Any] = field(default_factory=dict)
    channel_id: str | None = None
    repeatable: bool = False

    def check(self) -> None:
        """
        Make sure that looking changes nothing, and that there is something to await.

        :raises ChannelConfigurationError: the function is not known to change nothing, or the condition is none.
        """
        from airflow_channel_provider.contract.functions import lookup
        from airflow_channel_provider.contract.model import RetryClass

        if lookup(self.method).retry is not RetryClass.READ and not self.repeatable:
            raise ChannelConfigurationError(
                f"{self.method} is not known to change nothing, and a sensor calls it again and again. Use a function "
                "that reads, or set repeatable=True if it may be repeated at will.",
                method=self.method,
            )
        self.condition.check()

    def look(self, hook: ChannelTalkHook) -> Any:
        """
        Read once; return what was found, fit for XCom; None where that is not what is awaited.

        :raises ChannelError: the read failed.
        """
        from airflow_channel_provider.contract.model import RetryClass

        call = hook.prepare(self.method, self.params, channel_id=self.channel_id)
        # That it only reads is the catalogue's word, or the caller's.
        result = hook.send(replace(call, retry_class=RetryClass.READ))
        return fit_for_xcom(self.condition.found_in(result))

    def portable(self) -> dict[str, Any]:
        """Return it as plain values, see :meth:`of`."""
        return {
            "method": self.method,
            "params": dict(self.params),
            "channel_id": self.channel_id,
            "repeatable": self.repeatable,
            **self.condition.portable(),
        }

    @classmethod
    def of(
        cls,
        *,
        expect: Mapping[str, Any] | None = None,
        predicate: str | None = None,
        predicate_kwargs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Watch:
        """Make it again from what :meth:`portable` returned."""
        return cls(condition=Condition(expect, predicate, predicate_kwargs or {}), **more)
