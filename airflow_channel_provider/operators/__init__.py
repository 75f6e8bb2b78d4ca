"""Operators: one call, and the waiting around it."""
