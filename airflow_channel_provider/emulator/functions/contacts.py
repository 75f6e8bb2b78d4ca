"""Contacts, links to media, commerce, schemas and events: what belongs to users and channels from outside."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import core_refusal
from airflow_channel_provider.emulator.functions.base import Function, page
from airflow_channel_provider.emulator.functions.people import add_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject


def _find_or_create_contact(call: Call) -> JSON:
    channel, medium, address = call.channel(), call.text("mediumType"), call.text("address")
    contact = channel.contacts.get((medium, address))
    if contact is None:
        user = add_user(call, {"name": address}, "lead")
        contact = {"id": call.world.new_id("contact"), "channelId": channel.id, "userId": user["id"]}
        contact |= {"mediumType": medium, "mediumId": call.params.get("mediumId"), "address": address}
        channel.contacts[(medium, address)] = contact
    return {"contact": contact, "user": channel.users.get(contact["userId"])}


def _contacts_by_user(call: Call) -> JSON:
    channel, medium = call.channel(), call.text("mediumType")
    user_id = call.find(channel.users, "userId")["id"]
    return {
        "contacts": [
            c for c in channel.contacts.values() if (c["userId"], c["mediumType"]) == (user_id, medium)
        ]
    }


def _contacts_by_address(call: Call) -> JSON:
    contact = call.channel().contacts.get((call.text("mediumType"), call.text("address")))
    return {"contacts": [contact] if contact else []}


def _link_key(call: Call) -> str:
    return f"{call.text('mediumType')}:{call.text('mediumId')}"


def _create_link(call: Call) -> JSON:
    channel, key = call.channel(), _link_key(call)
    if key in channel.medium_links:
        raise core_refusal(422, "mediumLink already exists")
    link = {
        "id": call.world.new_id("mediumLink"),
        "channelId": channel.id,
        "mediumType": call.text("mediumType"),
    }
    channel.medium_links[key] = {**link, "mediumId": call.params.get("mediumId"), "appId": call.app.app_id}
    return {"mediumLink": channel.medium_links[key]}


def _delete_link(call: Call) -> JSON:
    call.channel().medium_links.pop(_link_key(call), None)
    return {}


def _plugin(call: Call) -> JSONObject:
    channel, plugin_id = call.channel(), call.text("pluginId")
    return {"id": plugin_id, "channelId": channel.id, "appCommerce": channel.commerce.get(plugin_id)}


def _channel_json(call: Call) -> JSONObject:
    channel = call.channel()
    return {
        "id": channel.id,
        "name": channel.name,
        "timeZone": "Asia/Seoul",
        "country": "KR",
        "state": "active",
    }


def _register_commerce(call: Call) -> JSON:
    call.channel().commerce[call.text("pluginId")] = call.params["appCommerce"]
    return {"channel": _channel_json(call), "plugin": _plugin(call)}


def _deregister_commerce(call: Call) -> JSON:
    call.channel().commerce.pop(call.text("pluginId"), None)
    return {}


def _create_event(call: Call) -> JSON:
    channel = call.channel()
    event: JSONObject = {"id": call.world.new_id("event"), "channelId": channel.id, "name": call.text("name")}
    event |= {"userId": call.find(channel.users, "userId")["id"], "createdAt": call.stamp}
    event["property"] = call.params.get("property") or {}
    channel.events.append(event)
    return {"event": event}


def _create_schemas(call: Call) -> JSON:
    channel, new, skipped = call.channel(), [], []
    for schema in call.params["schemas"]:
        key = schema.get("key", "")
        if key in channel.schemas:
            skipped.append(key)
            continue
        channel.schemas[key] = {**schema, "key": key, "id": key, "channelId": channel.id}
        new.append(channel.schemas[key])
    return {"schemas": new, "skippedKeys": skipped}


def _search_schemas(call: Call) -> JSON:
    schemas, more = page(call, call.channel().schemas.values(), "key")
    return {"schemas": schemas, **more}


def _event_schemas(call: Call) -> JSON:
    name = call.text("eventName")
    keys = sorted({str(k) for e in call.channel().events if e["name"] == name for k in e["property"]})
    schemas, more = page(call, [{"id": key, "key": key, "eventName": name} for key in keys], "key")
    return {"schemas": schemas, **more}


def _entity_token(call: Call) -> JSON:
    entity = {name: call.text(name) for name in ("entityType", "entityId")}
    return {"entityToken": {"channelId": call.channel().id, **entity, "token": secrets.token_urlsafe(24)}}


def _missing(name: str) -> Callable[[Call], JSON]:
    def refuse(_: Call) -> JSON:
        raise core_refusal(404, f"{name} not found")

    return refuse


FUNCTIONS = [
    Function("findOrCreateContactAndUser", _find_or_create_contact),
    Function("findContactsByUser", _contacts_by_user),
    Function("findContactsByAddress", _contacts_by_address),
    Function("createMediumLink", _create_link),
    Function("deleteMediumLink", _delete_link),
    Function("getChannel", lambda call: {"channel": _channel_json(call)}),
    Function("getPlugin", lambda call: {"plugin": _plugin(call)}),
    Function("registerCommerce", _register_commerce),
    Function("deregisterCommerce", _deregister_commerce),
    Function("createEvent", _create_event),
    Function("createAppSchemas", _create_schemas),
    Function("searchUserSchemas", _search_schemas),
    Function("searchUserChatSchemas", _search_schemas),
    Function("searchEventSchemasByEventName", _event_schemas),
    Function("issueEntityToken", _entity_token),
    Function("searchArticles", lambda _: {"articles": []}),
    Function("getArticle", _missing("article")),
    Function("getRevision", _missing("revision")),
]
