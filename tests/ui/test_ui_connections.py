"""Connections, typed into the form of Airflow's UI by the labels that stand there, and tried with the Test button."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from ui.gallery import take_pictures
from ui.person import MASK, STANDARD
from ui.typed import BENLLY, CHANNEL_TALK

if TYPE_CHECKING:
    from ui.deployment import UiAirflow
    from ui.person import Person
    from ui.typed import Typed

WRONG = "ThisIsNotIt"
# What Test says of a right secret, and of a wrong one.
APP_RIGHT = (
    r"Channel Talk accepted the App Secret: app demo-app on channel ch-1 \(Cafe Morning\) at http://127\.0\.0\.1:\d+, "
    r"token \d+ s old, valid for another \d+ s, 9 token requests left in the present 30 minutes\."
)
APP_WRONG = (
    r"Channel Talk refused the App Secret \(.+\); copy the one that the app's settings page shows now, since "
    r"reissuing a secret invalidates the old one\."
)
USER_RIGHT = (
    r"The fields are complete, and http://127\.0\.0\.1:\d+ accepts the access token: a read that changes nothing was "
    r"answered with HTTP 200\."
)
USER_WRONG = (
    r"The access token was refused \(HTTP 401\).+; check the user's access token \(the password of the connection, "
    r"where it has one\)\."
)


def test_an_edited_form_shows_what_was_typed_and_saving_it_again_changes_nothing(
    airflow: UiAirflow, admin: Person, typed: list[Typed]
) -> None:
    admin.open_connections()
    for connection in typed:
        first = airflow.rest.connection(connection.conn_id)
        form = admin.edit_connection(connection.conn_id)
        shown = {section: form.values(section, values) for section, values in connection.fields.items()}
        masked = {**connection.fields[STANDARD], connection.secret_label: MASK}
        assert shown == {**connection.fields, STANDARD: masked}
        form.save()
        assert airflow.rest.connection(connection.conn_id) == first
        assert MASK not in json.loads(first["extra"] or "{}").values()


def test_a_hook_reads_what_was_typed_after_it_was_saved_again(airflow: UiAirflow, typed: list[Typed]) -> None:
    read = airflow.read_back(*(connection.conn_id for connection in typed))
    for connection in typed:
        settings = {name: read[connection.conn_id][name] for name in connection.settings}
        assert settings == connection.settings, connection.conn_id


@pytest.mark.parametrize(
    ("conn_type", "right", "wrong"),
    [(CHANNEL_TALK, APP_RIGHT, APP_WRONG), (BENLLY, USER_RIGHT, USER_WRONG)],
    ids=[CHANNEL_TALK, BENLLY],
)
def test_the_test_button_tells_a_right_secret_from_a_wrong_one(
    airflow: UiAirflow, admin: Person, typed: list[Typed], conn_type: str, right: str, wrong: str
) -> None:
    airflow.start_over()
    connection = next(connection for connection in typed if connection.conn_type == conn_type)
    secret = connection.fields[STANDARD][connection.secret_label]
    admin.open_connections()
    notice = admin.test_connection(connection.conn_id)
    expect(notice).to_have_text(re.compile(f"^Test Connection Successful{right}$"))
    take_pictures(admin.page, f"test {conn_type} right".lower().replace(" ", "-"))
    _save_secret(admin, connection, f"{secret}{WRONG}")
    try:
        notice = admin.test_connection(connection.conn_id)
        expect(notice).to_have_text(re.compile(f"^Test Connection Failed{wrong}$"))
        take_pictures(admin.page, f"test {conn_type} wrong".lower().replace(" ", "-"))
        assert WRONG not in notice.inner_text()
    finally:
        _save_secret(admin, connection, secret)


def _save_secret(person: Person, connection: Typed, secret: str) -> None:
    form = person.edit_connection(connection.conn_id)
    form.fill(STANDARD, {connection.secret_label: secret})
    form.save()
