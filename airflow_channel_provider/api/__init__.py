"""HTTP. Knows nothing of Airflow (but for the base class of the errors) and nothing of where tokens are kept."""
