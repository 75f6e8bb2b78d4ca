"""Sensors: wait until the service says what is awaited."""
