"""The README says what the code says. What it shows in Python is run in the integration tests."""

from __future__ import annotations

import re

from support import markdown

from tools.demo import report
from tools.demo.result import DemoResult, Effects, Task, TokenUse

README = markdown.ROOT.joinpath("README.md").read_text(encoding="utf-8")


def test_end_of_the_report_is_how_the_demo_writes_it() -> None:
    (block,) = [block for block in markdown.blocks(README) if block.language == "text"]
    uses = [
        TokenUse(scope, int(requests), int(calls), int(connections))
        for requests, scope, calls, connections in re.findall(
            r"(\d+) token requests? for (\S+) served (\d+) calls? over (\d+) connection", block.text
        )
    ]
    ((count, dags),) = re.findall(r"All (\d+) tasks of (\d+) DAGs", block.text)
    (processes,) = re.findall(r"(\d+) task processes ran in all", block.text)
    tries = [1 + int(processes) - int(count)] + [1] * (int(count) - 1)  # one task was tried again
    tasks = [Task("dag0", "run", f"task{n}", -1, number, "success") for n, number in enumerate(tries)]
    result = DemoResult({f"dag{n}": "success" for n in range(int(dags))}, tasks, uses, Effects())
    assert report.report(result, markdown.ROOT).endswith(block.text.rstrip())
    assert int(dags) == len(list(markdown.ROOT.joinpath("dags_examples").glob("*.py")))
