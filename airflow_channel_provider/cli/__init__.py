"""The commands ``airflow channel ...`` for people on a shell."""
