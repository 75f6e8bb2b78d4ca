"""A local Channel Talk and Benlly, with the real limits, to develop and test against.

Run it with ``python -m airflow_channel_provider.emulator`` and look at its page, or take one into a test::

    with EmulatorThread(settings={"quota_limit": 3}) as emulator:
        ...                         # talk to emulator.url
        emulator.messages()         # what arrived

It knows nothing of Airflow, and of this package only the contract. The server needs ``aiohttp``; this module and
:class:`EmulatorControl` do not.
"""

from __future__ import annotations

from airflow_channel_provider.emulator.control import EmulatorControl
from airflow_channel_provider.emulator.runners import EmulatorProcess, EmulatorThread
from airflow_channel_provider.emulator.seed_data import DEMO_APP_ID, DEMO_SECRET, DEMO_SIGNING_KEY

__all__ = [
    "DEMO_APP_ID",
    "DEMO_SECRET",
    "DEMO_SIGNING_KEY",
    "EmulatorControl",
    "EmulatorProcess",
    "EmulatorThread",
]
