"""Stores an event of Channel Talk as an asset event, once however often it is delivered."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel
from sqlalchemy import String, case, cast, literal, select, update

from airflow_channel_provider.inbound.webhooks import WebhookEvent, asset_uri
from airflow_channel_provider.plugins._locks import wait_for_turn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

REMEMBERED = timedelta(minutes=10)
"""A repeated delivery within this time is the same event."""

log = logging.getLogger(__name__)


def store(session: Session, event: WebhookEvent) -> int:
    """
    Store an event of now in one transaction, and commit it.

    :param session: of the metadata database.
    :return: see :func:`register`.
    """
    count = register(session, event, now=datetime.now(timezone.utc))
    session.commit()
    log.info("%s of channel %s: %d asset events.", event.name, event.channel_id, count)
    return count


def register(session: Session, event: WebhookEvent, *, now: datetime) -> int:
    """
    Add an asset event to each asset that a DAG has with this URI.

    :param session: of the metadata database; the caller commits.
    :return: how many were added: 0 if no DAG has such an asset, or if the event was stored before.
    """
    uri = asset_uri(event.channel_id, event.name)
    count = 0
    for asset in session.scalars(select(AssetModel).where(AssetModel.uri == uri)).all():
        row = update(AssetModel).where(AssetModel.id == asset.id).values(updated_at=AssetModel.updated_at)
        wait_for_turn(session, f"channel_talk asset {asset.id}", row)
        if not _is_known(session, asset.id, event.delivery, now):
            _extend_the_wait(session, asset.id)
            count += _add(session, asset, event)
            _extend_the_wait(session, asset.id)
    return count


def _extend_the_wait(session: Session, asset_id: int) -> None:
    """
    Let a run that waits to be created have all events up to now.

    The scheduler gives it the events up to ``created_at`` of what waits, which Airflow sets for the first of them and
    leaves for the next ones; those would come with a later run, which only a later event starts. Before an event is
    added this keeps the scheduler from taking what waits, and afterwards it names a moment behind the event, or leaves
    a later one of a server whose clock is ahead. Since Airflow 3.4 each event waits by itself, and a run has them all.
    """
    if hasattr(AssetDagRunQueue, "asset_event_id"):
        return
    until = AssetDagRunQueue.created_at
    now = literal(datetime.now(timezone.utc), until.type)
    waits = update(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id)
    behind = waits.values(created_at=case((until < now, now), else_=until))
    session.execute(behind.execution_options(synchronize_session=False))


def _is_known(session: Session, asset_id: int, delivery: str, now: datetime) -> bool:
    recent = select(AssetEvent.id).where(
        AssetEvent.asset_id == asset_id,
        AssetEvent.timestamp > now - REMEMBERED,
        cast(AssetEvent.extra, String).contains(delivery),
    )
    return session.scalar(recent.limit(1)) is not None


def _add(session: Session, asset: Any, event: WebhookEvent) -> int:
    added = asset_manager.register_asset_change(asset=asset, extra=dict(event.extra), session=session)
    return 0 if added is None else 1
