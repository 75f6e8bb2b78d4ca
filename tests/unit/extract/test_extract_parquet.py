"""What a column of Parquet holds, and what goes beside it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from airflow_channel_provider.extract.formats import row_writer
from airflow_channel_provider.extract.schema import Found, Layout
from airflow_channel_provider.extract.streams import STREAMS
from airflow_channel_provider.extract.windows import Window

parquet = pytest.importorskip("pyarrow.parquet")

NOV_MS = 1_793_491_200_000
LATE_MS, EARLY_MS = 253_402_300_800_000, -62_135_596_800_001
"""Behind the last moment that a date of Python may have, and before the first."""


@pytest.mark.parametrize("unfit", [LATE_MS, EARLY_MS])
@pytest.mark.parametrize("beside", [NOV_MS, "2026-11-01T00:00:00Z", None])
def test_a_moment_in_no_year_is_kept_beside_whatever_the_others_are(unfit: int, beside: Any) -> None:
    output, found = io.BytesIO(), Found()
    writer = row_writer("parquet", output, Layout(STREAMS["user_chats"]), Window(0, 9), found)
    writer.write([{"id": "a", "closedAt": unfit}, {"id": "b", "closedAt": beside}], 5)
    writer.close()
    first, second = parquet.read_table(output).to_pylist()
    assert first["closedAt"] is None
    assert json.loads(first["_extra"]) == {"closedAt": unfit}
    assert (second["closedAt"] and second["closedAt"].isoformat()) == (beside and "2026-11-01T00:00:00+00:00")
    assert second["_extra"] is None
    assert found.unfit == {"closedAt": 1}
