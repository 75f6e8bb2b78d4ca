"""Hooks: one door per service."""
