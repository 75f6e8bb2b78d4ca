"""Messages: from what people write to the ``dto`` that the service takes. Pure; knows neither Airflow nor HTTP."""
