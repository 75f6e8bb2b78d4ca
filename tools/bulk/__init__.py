"""Bulk tasks on a real Airflow: what the system tests kill, and what is timed beside mapped tasks."""
