"""
The contract: what the vendor's native functions take, declared once. Of this package it knows ``values.py`` alone.

:mod:`~airflow_channel_provider.contract.functions` is the table, one row per function. Parameters are described by
shapes; shapes that several functions share are in :mod:`~airflow_channel_provider.contract.parts`. Each rule names
its source, and how certain it is. The provider checks a call against the table before it sends it, and the emulator
refuses a call that breaks it.
"""
