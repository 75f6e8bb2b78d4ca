"""Sensors: wait until an answer of the service meets a condition."""
