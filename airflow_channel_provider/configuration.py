"""The ``[channel_talk]`` options, declared once.

The declarations feed the provider info, and with it ``airflow config list``; the getters below read the same options
when they are called, never at import. Imports nothing of Airflow at its top.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

SECTION = "channel_talk"


@dataclass(frozen=True)
class Option:
    """
    One option.

    :param name: its key in the section.
    :param kind: type in Airflow's terms: string, integer, float or boolean.
    :param default: its text if it is not set.
    :param choices: the only texts that are valid.
    :param minimum: least valid number.
    :param description: what it does, with units.
    """

    name: str
    kind: str
    default: str
    description: str
    example: str | None = None
    minimum: float = 0.0
    choices: tuple[str, ...] = ()
    version_added: str = "0.1.0"

    def metadata(self) -> dict[str, object]:
        """Entry of ``config`` in the provider info."""
        return {
            "description": self.description,
            "version_added": self.version_added,
            "type": self.kind,
            "example": self.example,
            "default": self.default,
        }


STORE = Option(
    "store",
    "string",
    "",
    "Where the tasks of all workers share their token and the count of token requests. file:///DIRECTORY is a "
    "directory of one host, and redis://CONN_ID the server that an Airflow connection names. The page 'Which store' of "
    "the documentation has all kinds, and the line for each deployment. Empty: the directory channel_talk under "
    "AIRFLOW_HOME. Tokens are encrypted with a key derived from the App Secret, or from the login of a Benlly user.",
    example="redis://redis_default",
)
MAX_WAIT_SECONDS = Option(
    "max_wait_seconds",
    "float",
    "60",
    "Longest single wait, in seconds, during which a task keeps its worker slot: for a token that another task is "
    "fetching, or for the end of a rate limit. For a longer wait, operators defer or are rescheduled, and hooks raise "
    "an error. 0: never wait.",
)
MAX_TOTAL_WAIT_SECONDS = Option(
    "max_total_wait_seconds",
    "float",
    "21600",
    "Longest total time, in seconds, that one try of a task waits without a worker slot, deferred or rescheduled. "
    "After that it fails with the error that made it wait. 0: never wait without a slot.",
)
CALL_ATTEMPTS = Option(
    "call_attempts",
    "integer",
    "5",
    "Maximum number of attempts for one call, including the first. Only calls that provably had no effect, reads, and "
    "messages with a request id are repeated. A call whose token was refused is repeated once more with a renewed "
    "token. 1: never repeat.",
    minimum=1,
)
CALL_WAIT_MAX_SECONDS = Option(
    "call_wait_max_seconds",
    "float",
    "30",
    "Longest pause, in seconds, between two attempts if the service does not say how long to wait. Pauses start below "
    "one second and double.",
)
TIMEOUT_SECONDS = Option(
    "timeout_seconds",
    "float",
    "30",
    "How long to wait, in seconds, for an answer and for each further part of it. A timeout in the connection takes "
    "precedence. A whole call may take ten times as long.",
    minimum=0.1,
)
CONNECT_TIMEOUT_SECONDS = Option(
    "connect_timeout_seconds",
    "float",
    "5",
    "How long to wait, in seconds, until a connection to the service is established.",
    minimum=0.1,
)
CONTRACT = Option(
    "contract",
    "string",
    "strict",
    "What happens to a call that breaks a rule of the vendor's published contract. strict: the call is not sent if the "
    "vendor's schemas or protos check the rule; if only a type or prose states it, the call is sent and the task logs "
    "the rule. off: every call is sent; use it if the service has changed and the provider has not.",
    choices=("strict", "off"),
)
TOKEN_QUOTA = Option(
    "token_quota",
    "integer",
    "10",
    "Number of token requests, issueToken and refreshToken together, that the service grants an app in one window. The "
    "provider never sends more. Lower it if something outside Airflow uses the same app.",
    minimum=1,
)
TOKEN_QUOTA_WINDOW_SECONDS = Option(
    "token_quota_window_seconds",
    "float",
    "1800",
    "Length of that window, in seconds.",
    minimum=1,
)
PRELOAD = Option(
    "preload",
    "boolean",
    "True",
    "Whether a scheduler with LocalExecutor imports this provider's modules once, before it starts the processes that "
    "run tasks, so that no task imports them again. It does so only where the option store is set or its default "
    "directory exists, as it does after the first task. For the workers of CeleryExecutor, name "
    "airflow_channel_provider.preload in the imports of [celery] extra_celery_config instead.",
    choices=("true", "false"),
)

OPTIONS = (
    STORE,
    MAX_WAIT_SECONDS,
    MAX_TOTAL_WAIT_SECONDS,
    CALL_ATTEMPTS,
    CALL_WAIT_MAX_SECONDS,
    TIMEOUT_SECONDS,
    CONNECT_TIMEOUT_SECONDS,
    CONTRACT,
    TOKEN_QUOTA,
    TOKEN_QUOTA_WINDOW_SECONDS,
    PRELOAD,
)


def metadata() -> dict[str, object]:
    """Return the ``config`` entry of the provider info."""
    return {
        SECTION: {
            "description": "Channel Talk and Benlly: the shared token, waits and repeated calls.",
            "options": {option.name: option.metadata() for option in OPTIONS},
        }
    }


def check() -> list[str]:
    """
    Read all options.

    :return: what the section has beside them, such as a misspelt one.
    :raises ChannelConfigurationError: an option has a value that it can't have.
    """
    from airflow.providers.common.compat.sdk import conf

    for option in OPTIONS:
        if option.choices:
            _choice(option, None)
        elif option.kind != "string":
            _number(option)
    prefix = f"AIRFLOW__{SECTION.upper()}__"
    given = [name.removeprefix(prefix) for name in os.environ if name.startswith(prefix)]
    given += conf.getsection(SECTION) or ()  # of the environment, not each Airflow has what it does not know
    names = {name.lower().removesuffix("_cmd").removesuffix("_secret") for name in given}
    return sorted(names - {option.name for option in OPTIONS})


def store() -> str:
    """Return the address of the store; see :func:`default_store` for what empty means."""
    return _text(STORE) or default_store()


def default_store() -> str:
    """Return the address of the default store: the directory ``channel_talk`` under AIRFLOW_HOME."""
    home = os.path.expandvars(os.environ.get("AIRFLOW_HOME") or "~/airflow")
    return (Path(home).expanduser().absolute() / "channel_talk").as_uri()


def store_is_in_use() -> bool:
    """Return whether a store is configured, or a task has made the default one."""
    return bool(_text(STORE)) or Path(unquote(urlsplit(default_store()).path)).is_dir()


def preload() -> bool:
    """Return whether a scheduler may import the provider's modules for its tasks."""
    return _choice(PRELOAD, None) == "true"


def max_wait_seconds() -> float:
    """Return the longest wait, in seconds, during which a task keeps its worker slot."""
    return _number(MAX_WAIT_SECONDS)


def max_total_wait_seconds() -> float:
    """Return the longest total time, in seconds, that one try of a task waits without a worker slot."""
    return _number(MAX_TOTAL_WAIT_SECONDS)


def call_attempts() -> int:
    """Return the maximum number of attempts for one call, including the first."""
    return int(_number(CALL_ATTEMPTS))


def call_wait_max_seconds() -> float:
    """Return the longest pause between two attempts, in seconds, where the service names none."""
    return _number(CALL_WAIT_MAX_SECONDS)


def timeout_seconds() -> float:
    """Return how long to wait for an answer, in seconds."""
    return _number(TIMEOUT_SECONDS)


def connect_timeout_seconds() -> float:
    """Return how long to wait for a connection to be established, in seconds."""
    return _number(CONNECT_TIMEOUT_SECONDS)


def contract(given: str | None = None) -> str:
    """
    Return what happens to a call that breaks the vendor's contract: ``strict`` or ``off``.

    :param given: an argument that takes precedence over the option.
    """
    return _choice(CONTRACT, given)


def token_quota() -> int:
    """Return how many token requests the service grants in one window."""
    return int(_number(TOKEN_QUOTA))


def token_quota_window_seconds() -> float:
    """Return the length of that window, in seconds."""
    return _number(TOKEN_QUOTA_WINDOW_SECONDS)


def _text(option: Option) -> str:
    from airflow.providers.common.compat.sdk import conf

    return (conf.get(SECTION, option.name, fallback=option.default) or "").strip()


def _choice(option: Option, given: str | None) -> str:
    value = (_text(option).lower() or option.default.lower()) if given is None else given
    if value not in option.choices:
        from airflow_channel_provider.exceptions import ChannelConfigurationError

        wanted = " or ".join(option.choices)
        if given is not None:
            raise ChannelConfigurationError(f"The argument {option.name} must be {wanted}.")
        raise ChannelConfigurationError(
            f"The option [{SECTION}] {option.name} must be {wanted}. "
            f"Correct it in airflow.cfg or in AIRFLOW__{SECTION.upper()}__{option.name.upper()}."
        )
    return value


def _number(option: Option) -> float:
    text = _text(option) or option.default
    try:
        value = int(text) if option.kind == "integer" else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < option.minimum:
        from airflow_channel_provider.exceptions import ChannelConfigurationError

        wanted = "a whole number" if option.kind == "integer" else "a number"
        raise ChannelConfigurationError(
            f"The option [{SECTION}] {option.name} must be {wanted} of at least {option.minimum:g}. "
            f"Correct it in airflow.cfg or in AIRFLOW__{SECTION.upper()}__{option.name.upper()}."
        )
    return value
