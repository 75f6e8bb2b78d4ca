"""What Channel Talk sends to Airflow, read without Airflow: pure functions that the plugin's routes call."""
