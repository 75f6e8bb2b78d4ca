"""
Imports what the provider's tasks need, so that task processes forked from this one share it and import nothing.

The import of this module is what does it: the scheduler of LocalExecutor imports it by itself (option ``preload``), and
a worker of CeleryExecutor does where ``[celery] extra_celery_config`` names it::

    [celery]
    extra_celery_config = {"imports": ["airflow_channel_provider.preload"]}

Invariant: safe before a fork. Nothing but modules and algorithms is loaded: no file, store or connection is opened and
no thread started.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from airflow_channel_provider import configuration
from airflow_channel_provider.hooks._stores import kind_of

_PACKAGE = "airflow_channel_provider"
_ROOMS = (
    "api",
    "bulk",
    "contract",
    "hooks",
    "messages",
    "notifications",
    "operators",
    "sensors",
    "tokens",
    "triggers",
)
# What these import when they are first used.
_LATER = (
    "airflow.sdk.definitions.connection",
    "airflow.sdk.execution_time.cache",
    "airflow.sdk.observability.stats",
    "encodings.idna",
    "netrc",
)


def modules() -> Iterator[str]:
    """
    Yield the names of the modules that are imported. Of stores, they are the configured one's.

    What its client needs is large, so it is among them only where this process has the client for other reasons, as
    Celery has that of its broker.
    """
    kind = kind_of(configuration.store())
    scheme = kind.scheme if kind else ""
    for room in _ROOMS:
        folder = importlib.import_module(f"{_PACKAGE}.{room}")
        for module in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
            *_, parent, name = module.name.split(".")
            # The other stores need packages of which this process has no use.
            if parent != "stores" or name.partition("_")[0] in (scheme, "base", "document"):
                yield module.name
    yield from _LATER
    for client, *others in kind.extras.values() if kind else ():
        if client in sys.modules:
            yield from (client, *others)


for _name in modules():
    # An older Airflow has not all of them, and an extra may be missing: then the task says so.
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)

# OpenSSL looks for its algorithms when the first cipher is made, which costs each task three milliseconds otherwise.
AESGCM(bytes(32))
