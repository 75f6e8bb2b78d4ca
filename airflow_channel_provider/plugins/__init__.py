"""What Airflow's server serves: the page, webhooks, and the endpoint of an app's functions."""
