"""The provider on each Airflow that it promises to run on: pinned lists, environments, checks, a table."""
