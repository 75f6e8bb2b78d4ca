"""Notifiers: messages about tasks and DAG runs, sent by callbacks."""
