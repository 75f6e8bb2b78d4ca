"""Contacts, links to media, commerce, schemas and events: what hangs on users and channels from outside."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.answers import core_refusal
from airflow_channel_provider.emulator.functions.base import CHANNEL, Function, page
from airflow_channel_provider.emulator.functions.people import add_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

__all__ = ["FUNCTIONS"]


def _find_or_create_contact(call: Call) -> JSON:
    channel, medium, address = call.channel(), call.text("mediumType"), call.text("address")
    call.text("defaultMediumLanguage")
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
    return f"{call.text('mediumType')}:{call.optional_text('mediumId')}"


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
        "countryCode": "KR",
        "state": "active",
    }


def _register_commerce(call: Call) -> JSON:
    commerce = call.object("appCommerce")
    if not commerce.get("appCommerceType") or not commerce.get("appCommerceId"):
        raise core_refusal(422, "appCommerce needs appCommerceType and appCommerceId")
    call.channel().commerce[call.text("pluginId")] = commerce
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
    wanted = call.items("schemas", least=1)
    for schema in wanted:
        if not all(isinstance(schema.get(key), str) and schema[key] for key in ("key", "name")):
            raise core_refusal(422, "each of schemas needs key and name")
    for schema in wanted:
        if schema["key"] in channel.schemas:
            skipped.append(schema["key"])
            continue
        channel.schemas[schema["key"]] = {**schema, "id": schema["key"], "channelId": channel.id}
        new.append(channel.schemas[schema["key"]])
    return {"schemas": new, "skippedKeys": skipped}


def _search_schemas(call: Call) -> JSON:
    schemas, more = page(call, call.channel().schemas.values(), lambda schema: str(schema["key"]))
    return {"schemas": schemas, **more}


def _event_schemas(call: Call) -> JSON:
    name = call.text("eventName")
    keys = sorted({str(k) for e in call.channel().events if e["name"] == name for k in e["property"]})
    schemas, more = page(
        call, [{"id": key, "key": key, "eventName": name} for key in keys], lambda s: str(s["key"])
    )
    return {"schemas": schemas, **more}


def _entity_token(call: Call) -> JSON:
    call.channel()
    call.text("entityType")
    call.text("entityId")
    return {"entityToken": secrets.token_urlsafe(24)}


def _missing(name: str) -> Callable[[Call], JSON]:
    def refuse(call: Call) -> JSON:
        call.channel()
        raise core_refusal(404, f"{name} not found")

    return refuse


def _function(name: str, required: str, run: Callable[[Call], JSON]) -> Function:
    return Function(name, CHANNEL, tuple(required.split()), run)


FUNCTIONS = [
    _function(
        "findOrCreateContactAndUser",
        "channelId mediumType address defaultMediumLanguage",
        _find_or_create_contact,
    ),
    _function("findContactsByUser", "channelId userId mediumType", _contacts_by_user),
    _function("findContactsByAddress", "channelId mediumType address", _contacts_by_address),
    _function("createMediumLink", "channelId mediumType", _create_link),
    _function("deleteMediumLink", "channelId mediumType", _delete_link),
    _function("getChannel", "channelId", lambda call: {"channel": _channel_json(call)}),
    _function("getPlugin", "channelId pluginId", lambda call: {"plugin": _plugin(call)}),
    _function("registerCommerce", "channelId pluginId appCommerce", _register_commerce),
    _function("deregisterCommerce", "channelId pluginId appCommerce", _deregister_commerce),
    _function("createEvent", "channelId userId name", _create_event),
    _function("createAppSchemas", "channelId schemas", _create_schemas),
    _function("searchUserSchemas", "channelId", _search_schemas),
    _function("searchUserChatSchemas", "channelId", _search_schemas),
    _function("searchEventSchemasByEventName", "channelId eventName", _event_schemas),
    _function("issueEntityToken", "channelId entityType entityId", _entity_token),
    _function("searchArticles", "channelId", lambda call: {"articles": page(call, [], str)[0]}),
    _function("getArticle", "channelId", _missing("article")),
    _function("getRevision", "channelId", _missing("revision")),
]
