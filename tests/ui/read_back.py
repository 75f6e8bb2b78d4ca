"""
Print what a hook reads from connections, as JSON: the fields as a task would get them, secrets included.

python read_back.py CONN_ID...
"""

from __future__ import annotations

import json
import sys

from airflow.providers.common.compat.sdk import BaseHook


def main(conn_ids: list[str]) -> None:
    print(json.dumps({conn_id: BaseHook.get_hook(conn_id).settings._asdict() for conn_id in conn_ids}))


if __name__ == "__main__":
    main(sys.argv[1:])
