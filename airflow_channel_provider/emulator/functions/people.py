"""Managers and users: looked up, listed page by page, created, patched field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import USER_BODY
from airflow_channel_provider.emulator.answers import core_refusal
from airflow_channel_provider.emulator.functions.base import Function, merge_masked, page
from airflow_channel_provider.emulator.webhooks import announce_user

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.functions.base import Call
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_PATCHABLE = frozenset(USER_BODY.fields)


def _get_manager(call: Call) -> JSON:
    return {"manager": call.find(call.channel().managers, "managerId")}


def _batch_get_managers(call: Call) -> JSON:
    managers, ids = call.channel().managers, call.params["managerIds"]
    return {"managers": [managers[manager_id] for manager_id in ids if manager_id in managers]}


def _search_managers(call: Call) -> JSON:
    managers, more = page(call, call.channel().managers.values(), "id")
    return {"managers": managers, **more}


def _get_role(call: Call) -> JSON:
    channel, role_id = call.channel(), call.text("roleId")
    if role_id not in {manager["roleId"] for manager in channel.managers.values()}:
        raise core_refusal(404, "role not found")
    return {"role": {"id": role_id, "channelId": channel.id, "name": "Operator", "roleType": "custom"}}


def _get_user(call: Call) -> JSON:
    return {"user": call.find(call.channel().users, "userId")}


def _member(call: Call) -> JSONObject | None:
    member_id = call.text("memberId")
    return next((u for u in call.channel().users.values() if u.get("memberId") == member_id), None)


def _search_user(call: Call) -> JSON:
    user = _member(call)
    if user is None:
        raise core_refusal(404, "user not found")
    return {"user": user}


def add_user(call: Call, profile: JSONObject, kind: str, **more: JSON) -> JSONObject:
    """
    A new user of the channel that the call names.

    :param call: the call.
    :param profile: its profile; ``name`` becomes the name.
    :param kind: ``member`` or ``lead``.
    :param more: further fields.
    """
    channel = call.channel()
    user: JSONObject = {
        "id": call.world.new_id("user"),
        "channelId": channel.id,
        "type": kind,
        "name": profile.get("name"),
    }
    user |= {"profile": profile, "tags": [], "blocked": False, "createdAt": call.stamp, **more}
    channel.users[user["id"]] = user
    announce_user(call.world, channel, user, "upserted.contact")
    return user


def _create_lead(call: Call) -> JSON:
    return {"user": add_user(call, call.params["profile"], "lead")}


def _create_user(call: Call) -> JSON:
    return {"user": add_user(call, call.params["profile"], "member")}


def _patch(user: JSONObject, call: Call) -> JSONObject:
    body = {k: v for k, v in call.params["body"].items() if k in _PATCHABLE}
    patched = dict(user)
    merge_masked(patched, body, call.params["updateMask"])
    user.update({k: v for k, v in patched.items() if k in _PATCHABLE}, updatedAt=call.stamp)
    if isinstance(user.get("profile"), dict) and user["profile"].get("name"):
        user["name"] = user["profile"]["name"]
    what = "subscription" if any(name.startswith("unsubscribe") for name in body) else "contact"
    announce_user(call.world, call.channel(), user, f"upserted.{what}")
    return user


def _upsert_member(call: Call) -> JSON:
    return {
        "user": _patch(_member(call) or add_user(call, {}, "member", memberId=call.text("memberId")), call)
    }


def _patch_user(call: Call) -> JSON:
    return {"user": _patch(call.find(call.channel().users, "userId"), call)}


def _delete_user(call: Call) -> JSON:
    user = call.find(call.channel().users, "userId")
    del call.channel().users[user["id"]]
    announce_user(call.world, call.channel(), user, "deleted")
    return {}


FUNCTIONS = [
    Function("getManager", _get_manager),
    Function("batchGetManagers", _batch_get_managers),
    Function("searchManagers", _search_managers),
    Function("getRole", _get_role),
    Function("getUser", _get_user),
    Function("searchUser", _search_user),
    Function("createLead", _create_lead),
    Function("createUser", _create_user),
    Function("upsertMember", _upsert_member),
    Function("patchUser", _patch_user),
    Function("deleteUser", _delete_user),
]
