"""Airflow's Variables, as the token store wants them.

Reading works wherever Airflow runs code of ours, but for a connection test in a worker. Writing is for a running task
alone: elsewhere Airflow hangs for ever (callbacks in an executor) or has no way to do it (api-server), so it is refused
before it is tried. Nor can they be listed there: who looks on from the api-server or the command line reads the
metadata database instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["AirflowVariables", "StoredVariables"]


class AirflowVariables:
    """See :class:`~airflow_channel_provider.tokens.stores.variable.Variables`."""

    def get(self, name: str) -> str | None:
        """
        Read one. An API server that does not answer looks like a Variable that is not there.

        :raises ChannelConfigurationError: Airflow shows this process no Variables at all.
        """
        if _process_context() == "client":  # a connection test in a worker, since Airflow 3.3
            raise ChannelConfigurationError(
                "Airflow shows no Variables to a connection test that runs in a worker, and the tokens are kept there. "
                "Use the Test button, which runs in the api-server, or 'airflow channel check'. No token request was "
                "sent."
            )
        try:
            return cast("str | None", _variable().get(name))
        except KeyError:  # Airflow 2
            return None
        except ImportError:  # Airflow 3.0 where no task is running: its api-server and its command line
            return _read_from_the_database(name)
        except Exception as error:
            if _is_not_found(error):
                return None
            raise

    def set(self, name: str, value: str, about: str) -> None:
        """
        Write one.

        :raises ChannelConfigurationError: no task is running.
        """
        _running_task()
        _variable().set(name, value, description=about)

    def names(self, prefix: str) -> Collection[str] | None:
        """List those that exist; None before Airflow 3.3. An API server that does not answer raises."""
        keys = getattr(_variable(), "keys", None)
        return None if keys is None else list(keys(prefix=prefix))

    def writer(self) -> str:
        """Name the DAG of the running task."""
        return f"DAG {_running_task()['ti'].dag_id!r}"


class StoredVariables(AirflowVariables):
    """The same where Airflow lets code of ours into its metadata database; nothing is written there."""

    def get(self, name: str) -> str | None:
        """Read one."""
        return _read_from_the_database(name)

    def names(self, prefix: str) -> Collection[str]:
        """List those that exist."""
        from airflow.models import Variable
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            named = Variable.key.startswith(prefix, autoescape=True)
            return list(session.scalars(select(Variable.key).where(named)))


def _read_from_the_database(name: str) -> str | None:
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalar(select(Variable).where(Variable.key == name))
        return None if found is None else cast("str | None", found.get_val())


def _variable() -> Any:
    from airflow.providers.common.compat.sdk import Variable

    return Variable


def _process_context() -> str:
    """Tell what Airflow 3 takes this process for where no task runs in it: ``server``, ``client``, or neither."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    has_supervisor = getattr(runner, "SUPERVISOR_COMMS", None) is not None
    return "" if has_supervisor else os.environ.get("_AIRFLOW_PROCESS_CONTEXT", "")


def _is_not_found(error: Exception) -> bool:
    kind = getattr(getattr(error, "error", None), "error", None)
    return getattr(kind, "value", None) == "VARIABLE_NOT_FOUND"


def _running_task() -> Context:
    from airflow.providers.common.compat.sdk import AirflowException, get_current_context

    try:
        return get_current_context()
    except (RuntimeError, AirflowException):
        raise ChannelConfigurationError(
            "Tokens in Airflow Variables are renewed by a task with KeepTokensOperator and nowhere else. No token "
            "request was sent."
        ) from None
