"""An example DAG, triggered with the mouse on connections that were typed into the form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from ui.deployment import UiAirflow
    from ui.person import Person
    from ui.typed import Typed

TASKS = ("register_commands", "get_user_chat", "tell_support", "tell_user", "summarize")


def test_an_example_dag_that_is_triggered_turns_green(
    airflow: UiAirflow, admin: Person, typed: list[Typed]
) -> None:
    airflow.start_over()
    admin.trigger("example_channel_talk_message")
    for task in TASKS:
        row = admin.page.get_by_role("row").filter(has=admin.page.get_by_role("cell", name=task, exact=True))
        expect(row.get_by_role("cell", name="Success")).to_be_visible(timeout=90_000)
    expect(admin.page.get_by_text("Success", exact=True).first).to_be_visible()
    assert len(airflow.emulator.messages()) == 2
