"""Request ids, by which the service recognises a message that it has seen before.

The same task instance that sends the same content for the nth time always gets the same id, over retries and restarts.
Another map index, another content or another occurrence gets another id. Outside of a task each call gets a new id.

The ids depend on nothing of the deployment, so that a move to another one keeps them. Two deployments that run the same
DAG under the same run ids against one channel therefore use the same ids, and the service drops the second message.
Give such DAGs ids of their own, or give each message a ``requestId`` of its own.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Fixed for ever: another namespace would make the retry of a message a second message.
NAMESPACE = uuid.UUID("6d0f5b5e-8a2f-5c1c-9c55-3f0f1c0a6a51")


class RequestId(Values):
    """
    The request id of one message.

    :param value: as the service gets it.
    :param is_lasting: whether the next try of the task sends the same id.
    """

    value: str
    is_lasting: bool = True


class TaskKey(Values):
    """Identifies a task instance over all of its tries."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int


def task_key(context: Context | Mapping[str, object]) -> TaskKey:
    """Return the key of the task instance that a context belongs to."""
    ti = context["ti"]
    map_index = getattr(ti, "map_index", None)
    return TaskKey(ti.dag_id, ti.task_id, ti.run_id, -1 if map_index is None else map_index)  # type: ignore[attr-defined]


def for_task(key: TaskKey, *parts: object) -> str:
    """
    Return the id of a message of a task instance, the same in each of its tries.

    :param parts: distinguish several messages of the same task instance, such as the key of an item.
    """
    return str(uuid.uuid5(NAMESPACE, json.dumps([*key, *map(str, parts)])))


def for_event(*parts: object) -> str:
    """
    Return the id of the one message about an event.

    :param parts: distinguish this event from all others.
    """
    return str(uuid.uuid5(NAMESPACE, json.dumps(["event", *map(str, parts)])))


def for_call(method: str, params: Mapping[str, object]) -> RequestId:
    """
    Return the id of a message that a hook is about to send.

    Inside a task it is derived from the task instance, the content and how often this process has sent that content
    before, so that it lasts. Outside of a task it is random.

    :param params: must be what JSON can hold.
    """
    current = current_task()
    if current is None:
        return RequestId(str(uuid.uuid4()), is_lasting=False)
    key, try_number = current
    content = hashlib.sha256(json.dumps([method, params], sort_keys=True, default=str).encode()).hexdigest()
    return RequestId(for_task(key, method, content, _occurrences.next((key, try_number), content)))


class _Occurrences:
    """Counts how often the present try of the present task has sent each content; starts anew when either changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: object = None
        self._counts: Counter[str] = Counter()

    def next(self, owner: object, content: str) -> int:
        with self._lock:
            if owner != self._owner:
                self._owner, self._counts = owner, Counter()
            self._counts[content] += 1
            return self._counts[content]


_occurrences = _Occurrences()


def current_task() -> tuple[TaskKey, int] | None:
    """Return the task instance that this process runs, and the number of its try; None outside of a task."""
    from airflow.providers.common.compat.sdk import AirflowException, get_current_context

    try:
        context = get_current_context()
        return task_key(context), int(getattr(context["ti"], "try_number", None) or 0)
    except (RuntimeError, AirflowException, KeyError, AttributeError):
        return None
