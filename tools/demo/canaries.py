"""
The secrets of one run: random, so that finding one anywhere means that it leaked.

Invariant: made of letters and digits only, so that neither JSON nor a URL spells them differently.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.seed_data import default_apps, default_benlly

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSONObject

BENLLY_CLIENT_ID, BENLLY_USER = "7", "mina"


def _canary(name: str) -> str:
    return f"{name}{secrets.token_hex(12)}"


@dataclass(frozen=True)
class Canaries:
    """
    Every secret that the demo hands to Airflow, or that the emulator hands out.

    :param token_prefix: what every access token and refresh token of the emulator starts with.
    :param client_secret: of the Benlly client, for which a user logs in.
    :param user_password: of that user.
    :param signing_key: of the App Store's calls to the app, in hexadecimal.
    :param webhook_token: of the webhooks.
    :param push_token: of the notification service, for Benlly channels of the type ``push_notification``.
    """

    app_secret: str = field(default_factory=lambda: _canary("AppSecret"), repr=False)
    token_prefix: str = field(default_factory=lambda: _canary("Issued"), repr=False)
    benlly_token: str = field(default_factory=lambda: _canary("Benlly"), repr=False)
    client_secret: str = field(default_factory=lambda: _canary("Client"), repr=False)
    user_password: str = field(default_factory=lambda: _canary("Password"), repr=False)
    signing_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    webhook_token: str = field(default_factory=lambda: _canary("WebhookToken"), repr=False)
    push_token: str = field(default_factory=lambda: _canary("Push"), repr=False)

    def named(self) -> dict[str, str]:
        """Return them by the names that people know them by."""
        return {
            "App Secret": self.app_secret,
            "issued token": self.token_prefix,
            "Benlly access token": self.benlly_token,
            "Benlly client secret": self.client_secret,
            "Benlly user's password": self.user_password,
            "signing key": self.signing_key,
            "webhook token": self.webhook_token,
            "push token": self.push_token,
        }

    def emulator_settings(self) -> JSONObject:
        """Return the settings with which the emulator knows them; everything else has its default."""
        return {
            "apps": [{**app, "secret": self.app_secret} for app in default_apps()],
            "token_prefix": self.token_prefix,
            "benlly": {
                **default_benlly(),
                "access_tokens": [self.benlly_token],
                "clients": [{"id": BENLLY_CLIENT_ID, "secret": self.client_secret}],
                "users": [
                    {"client_id": BENLLY_CLIENT_ID, "username": BENLLY_USER, "password": self.user_password}
                ],
                "token_prefix": self.token_prefix,
            },
        }
