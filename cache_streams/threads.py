"""What the loop has given to threads: while any of it is under way, somebody else wants the interpreter, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class Jobs:
    """Counts what is under way. One that is cancelled counts as over, though its thread may work on."""

    def __init__(self) -> None:
        self.under_way = 0

    def count(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count, from now on, what ``loop`` gives to threads."""
        give = loop.run_in_executor

        def run_in_executor(
            executor: Executor | None, work: Callable[..., Any], *arguments: Any
        ) -> asyncio.Future[Any]:  # Any: as asyncio has it
            job = give(executor, work, *arguments)
            self.under_way += 1
            job.add_done_callback(self._ended)
            return job

        loop.run_in_executor = run_in_executor  # type: ignore[assignment]  # of one loop; uvloop's loops are made by their class alone

    def _ended(self, _job: asyncio.Future[Any]) -> None:  # Any: as above
        self.under_way -= 1


JOBS = Jobs()
"""Those of this process' serving loop."""
