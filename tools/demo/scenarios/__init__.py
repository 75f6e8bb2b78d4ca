"""What people do in Channel Talk and in Airflow while the demo runs. A scenario is played where its DAG is there."""

from __future__ import annotations

from tools.demo.scenarios.approval import Approval
from tools.demo.scenarios.base import Scenario
from tools.demo.scenarios.command import Command
from tools.demo.scenarios.extraction import Extraction, Warehouse
from tools.demo.scenarios.new_chat import NewChat
from tools.demo.scenarios.one_click import OneClick

__all__ = ["SCENARIOS", "Scenario"]

SCENARIOS: tuple[type[Scenario], ...] = (Approval, Command, OneClick, NewChat, Warehouse, Extraction)
