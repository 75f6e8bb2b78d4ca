"""Notifiers: what a callback tells people."""
