"""
What every test runs under.

Invariants: Airflow, where a test imports it, has a home of its own that is empty and goes away, and no setting of the
caller's; nothing is sent to another machine. The guard is an audit hook: it sees every socket of this process, whatever
library opened it.
"""

from __future__ import annotations

import atexit
import gc
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest

GUARDED = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
    }
)
HOMES_OF_MASKERS = (
    "airflow.sdk._shared.secrets_masker",
    "airflow._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",  # Airflow 3.0
    "airflow.utils.log.secrets_masker",  # Airflow 2
)
MOST_OF_AN_ID = 200
OWN_NAMES = frozenset({"localhost", socket.gethostname()})


class ForeignAddressError(AssertionError):
    """A test reached for another machine."""


def is_local(host: object) -> bool:
    """Tell whether an address or a name is this machine's loopback; names are not looked up."""
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name in OWN_NAMES


def refuse_foreign(event: str, arguments: tuple[Any, ...]) -> None:
    """
    Keep all sockets on this machine.

    A name below ``.invalid`` is answered as every resolver has to (RFC 6761): there is no such host.
    """
    if event not in GUARDED:
        return
    host = arguments[0]
    if isinstance(host, socket.socket):
        address = arguments[1]
        if host.family not in (socket.AF_INET, socket.AF_INET6) or address is None:
            return
        host = address[0]
    if is_local(host):
        return
    if str(host).endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    raise ForeignAddressError(f"{event}: tests stay on 127.0.0.1, and {host!r} is elsewhere")


def own_airflow_home() -> None:
    """Point Airflow to an empty home before anything imports it; TEST_DATABASE_URL names an empty database for it."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="airflow-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(
        {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
    )
    if url := os.environ.get("TEST_DATABASE_URL"):
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url


own_airflow_home()
sys.addaudithook(refuse_foreign)


@pytest.fixture
def errors_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Operators raise what they met, as they do where there are retry policies.

    Before Airflow 3.3 they put what is hopeless into an exception of Airflow's; see test_surface_retry_policy_older.
    """
    # Imported before: their default policy is that of the Airflow which is there.
    import_module("airflow_channel_provider.operators._base")
    monkeypatch.setattr("airflow_channel_provider.retry_policy.SUPPORTED", True)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """
    Forget the secrets that a test has made known: they would be masked in the texts of all others.

    Airflow's maskers try them in no order: of an earlier test's ``secret``, a later one's ``secret-of-a-client`` would
    be masked but in part, in some runs.
    """
    yield
    if (masking := sys.modules.get("airflow_channel_provider.masking")) is not None:
        masking._known.clear()
    for home in HOMES_OF_MASKERS:
        if home in sys.modules and (find := vars(sys.modules[home]).get("_secrets_masker")) is not None:
            with suppress(RuntimeError):  # Before Airflow 3 there is none until logging is set up.
                masker = find()
                masker.patterns, masker.replacer = set(), None


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the collector hundreds of thousands of objects that stay until the end: a tenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long text by its length: reports, and what workers tell their parent, hold the id of each test."""
    return f"{argname}-of-{len(val)}" if isinstance(val, (str, bytes)) and len(val) > MOST_OF_AN_ID else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """
    Forget what a test has written and logged once it has passed: workers would send it, and their parent keep it.

    What is left may hold half of a surrogate pair, which no process of pytest can tell another.
    """
    report = yield
    if report.passed:
        report.sections.clear()
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report
