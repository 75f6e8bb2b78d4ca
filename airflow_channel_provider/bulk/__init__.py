"""Many items, one call each: streamed, at most a few at a time, each carried through once. Knows no Airflow."""
