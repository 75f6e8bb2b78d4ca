"""What a hook opens, it opens once, whichever of its threads comes first."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, TypeVar, overload

from airflow_channel_provider.hooks._forgetting import forgetting_values

__all__ = ["opened_once"]

T = TypeVar("T")


class opened_once(cached_property[T]):  # noqa: N801 - named like what it extends
    """
    A cached property that threads may ask for at the same time.

    The lock is only ever taken while nothing is there: from then on the value stands in the instance itself.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> opened_once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return the value, made by the first who asks."""
        if instance is None:
            return self
        lock: threading.RLock = instance._opening  # noqa: SLF001 - the other half of this
        with lock:
            if self.attrname in instance.__dict__:
                return instance.__dict__[self.attrname]
            with forgetting_values():
                return super().__get__(instance, owner)
