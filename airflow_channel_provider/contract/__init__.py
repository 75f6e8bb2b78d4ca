"""
The contract: what the vendor's native functions take, declared once. Knows nothing else of this package.

:mod:`~airflow_channel_provider.contract.functions` is the table, one row a function. Its parameters are shapes; those
that several functions share are named once in :mod:`~airflow_channel_provider.contract.parts`. Each rule knows who
says so, and how surely. The provider checks a call against the table before it sends it, and the emulator refuses what
breaks it, so that what passes here passes there.
"""
