"""The fields of every connection type, declared once.

The metadata that Airflow >= 3.2 reads and the shapes that older versions ask the hook for are built from the same
declarations, so they cannot drift apart. Imports nothing of Airflow.

A field holds a secret if, and only if, its name contains a word that Airflow takes for one (``token``, ``secret``,
``password``, ...): by that name Airflow masks it. Such a field has no default, since Airflow would replace that by
``***`` and save it.
"""

from __future__ import annotations

from dataclasses import dataclass

DEVICES = ("ios", "android", "web", "infoboard", "windows")
BODY_ENCODINGS = ("form", "json")
TIMEOUT_MAX_SECONDS = 86_400


@dataclass(frozen=True)
class FormField:
    """
    One field of a connection's extra.

    :param name: its key in the extra.
    :param label: what the form shows.
    :param description: help text below the field.
    :param kind: JSON type of a set value; a field that is not required may be null as well.
    :param required: whether the form insists on a value.
    :param choices: the only values that are valid.
    :param default: what the form starts with.
    :param minimum: least valid number.
    :param maximum: greatest valid number.
    :param pattern: regular expression that a text must match.
    :param secret: whether the form hides what is typed.
    """

    name: str
    label: str
    description: str
    kind: str = "string"
    required: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    secret: bool = False

    def schema(self) -> dict[str, object]:
        """JSON schema of the value, as the connection form of Airflow >= 3.2 wants it."""
        schema: dict[str, object] = {"type": self.kind if self.required else [self.kind, "null"]}
        if self.choices:
            schema["enum"] = list(self.choices) if self.required else [*self.choices, None]
        if self.default is not None:
            schema["default"] = self.default
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.maximum is not None:
            schema["maximum"] = self.maximum
        if self.pattern is not None:
            schema["pattern"] = self.pattern
        if self.secret:
            schema["format"] = "password"
        return schema


@dataclass(frozen=True)
class ConnectionForm:
    """
    One connection type: what the form shows, renames and hides.

    :param hook_class: dotted path of the hook that reads the connection.
    :param hidden: standard fields that mean nothing here.
    :param relabeling: standard field -> label.
    :param placeholders: field -> text shown while it is empty.
    """

    conn_type: str
    hook_name: str
    hook_class: str
    fields: tuple[FormField, ...]
    hidden: tuple[str, ...]
    relabeling: dict[str, str]
    placeholders: dict[str, str]

    def metadata(self) -> dict[str, object]:
        """Item of ``connection-types`` in the provider info."""
        return {
            "connection-type": self.conn_type,
            "hook-class-name": self.hook_class,
            "hook-name": self.hook_name,
            "ui-field-behaviour": {
                "hidden-fields": list(self.hidden),
                "relabeling": dict(self.relabeling),
                "placeholders": dict(self.placeholders),
            },
            "conn-fields": {
                field.name: {"label": field.label, "description": field.description, "schema": field.schema()}
                for field in self.fields
            },
        }

    def behaviour(self) -> dict[str, object]:
        """Answer of ``get_ui_field_behaviour``, which Airflow < 3.2 asks for."""
        return {
            "hidden_fields": list(self.hidden),
            "relabeling": dict(self.relabeling),
            "placeholders": dict(self.placeholders),
        }

    def widgets(self) -> dict[str, object]:
        """
        Answer of ``get_connection_form_widgets``, which Airflow < 3.2 asks for.

        Airflow 2 shows the fields of all connection types in one form, so none of them may insist on a value. Airflow
        3.0 and 3.1 put stand-ins into the place of wtforms, which know only the names that are used here.
        """
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found]
        from wtforms import IntegerField, StringField  # type: ignore[import-untyped]
        from wtforms.validators import NumberRange, Optional, any_of  # type: ignore[import-untyped]

        def widget(field: FormField) -> object:
            checks = [Optional()]
            if field.choices:
                checks.append(any_of(list(field.choices)))
            if field.kind == "integer":
                checks.append(NumberRange(min=field.minimum, max=field.maximum))
            return (IntegerField if field.kind == "integer" else StringField)(
                field.label,
                validators=checks,
                description=field.description,
                default=field.default,
                widget=BS3TextFieldWidget(),
            )

        return {field.name: widget(field) for field in self.fields}


_TIMEOUT = FormField(
    "timeout",
    "Timeout (seconds)",
    "How long to wait for each answer. Empty: the option [channel_talk] timeout_seconds.",
    kind="integer",
    minimum=1,
    maximum=TIMEOUT_MAX_SECONDS,
)
_WEBHOOK_TOKEN = FormField(
    "webhook_token",
    "Webhook token",
    "The token that Channel Talk shows for a webhook to this Airflow. Empty: no webhook is taken.",
    secret=True,
)
_SIGNING_SECRET = FormField(
    "signing_secret",
    "Signing key",
    "Signing key of the app's function endpoint, hexadecimal. Empty: no command of Channel Talk is taken.",
    # Empty, or what stands for the saved one.
    pattern=r"^([0-9a-fA-F]{2}){16,}$|^\*{3}$|^$",
    secret=True,
)
_SCHEME = "Scheme (https or http)"

CHANNEL_TALK_FORM = ConnectionForm(
    conn_type="channel_talk",
    hook_name="Channel Talk",
    hook_class="airflow_channel_provider.hooks.channel_talk.ChannelTalkHook",
    fields=(
        FormField(
            "channel_id",
            "Default channel ID",
            "Channel of calls that name none. Empty: such calls use the app token.",
        ),
        FormField(
            "desk_url",
            "Desk address",
            "Address of the channel in Channel Desk. If set, tasks that write to a chat link to it.",
        ),
        _WEBHOOK_TOKEN,
        _SIGNING_SECRET,
        _TIMEOUT,
    ),
    hidden=(),
    relabeling={"login": "App ID", "password": "App Secret", "schema": _SCHEME},
    placeholders={
        "host": "app-store-api.channel.io",
        "schema": "https",
        "login": "shown on the app's settings page",
        "password": "issued on the app's settings page",
    },
)

BENLLY_FORM = ConnectionForm(
    conn_type="benlly",
    hook_name="Benlly",
    hook_class="airflow_channel_provider.hooks.benlly.BenllyHook",
    fields=(
        FormField(
            "device",
            "Device",
            "Type of the device, sent as header X-Benlly-Request-Device.",
            required=True,
            choices=DEVICES,
        ),
        FormField(
            "udid",
            "Device UDID",
            "Unique ID of the device, sent as header X-Benlly-Udid. Do not change it for the same device.",
            required=True,
        ),
        FormField(
            "body_encoding",
            "Body encoding",
            "How parameters are sent. Empty: form.",
            choices=BODY_ENCODINGS,
            default="form",
        ),
        FormField(
            "client_id",
            "Client ID",
            "The client that the developer registered. If set, tasks fetch and renew access tokens. Empty: tasks use "
            "the user's access token as it is.",
        ),
        FormField("client_secret", "Client secret", "Secret of that client.", secret=True),
        FormField(
            "username",
            "User name",
            "Name of the user whose token is fetched. Not needed with a refresh token.",
        ),
        FormField("user_password", "User's password", "Password of that user.", secret=True),
        FormField(
            "refresh_token",
            "Refresh token",
            "Instead of user name and password. Used for the first renewal only; later refresh tokens are kept in "
            "the token store.",
            secret=True,
        ),
        _TIMEOUT,
    ),
    hidden=("login",),
    relabeling={"password": "User access token", "schema": _SCHEME},
    placeholders={
        "host": "required: the host of your Benlly platform",
        "schema": "https",
        "password": "empty with a client ID; to test another host, save it first",
    },
)

OPEN_API_FORM = ConnectionForm(
    conn_type="channel_talk_open_api",
    hook_name="Channel Talk Open API",
    hook_class="airflow_channel_provider.hooks.open_api.ChannelTalkOpenApiHook",
    fields=(_WEBHOOK_TOKEN, _TIMEOUT),
    hidden=(),
    relabeling={"login": "Access Key", "password": "Access Secret", "schema": _SCHEME},
    placeholders={
        "host": "api.channel.io",
        "schema": "https",
        "login": "issued in the settings of Channel Desk",
        "password": "issued in the settings of Channel Desk",
    },
)

FORMS = (CHANNEL_TALK_FORM, OPEN_API_FORM, BENLLY_FORM)
