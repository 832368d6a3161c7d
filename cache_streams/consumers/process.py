"""Processes of the deployment, and whether they live."""

from __future__ import annotations

from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.protocol.rpc.process_results import (
    component_result,
    processes_result,
    system_health_result,
)
from cache_streams.protocol.rpc.queries import ComponentQuery, ProcessQuery, Query
from cache_streams.protocol.rpc.running_renditions import ProcessHealthUpdates
from cache_streams.sources import cache
from cache_streams.streams.declaration import Extras
from cache_streams.streams.process import PROCESS, Process


class ProcessActions(RpcConsumer):
    """What can be asked about processes."""

    async def get_system_health(self, query: Query) -> Result:
        return system_health_result(await self._processes(), self.now())

    async def get_active_processes(self, query: ProcessQuery) -> Result:
        return processes_result(await self._processes(), query, self.now())

    async def get_component_status(self, query: ComponentQuery) -> Result | None:
        return component_result(await self._processes(), query.component, self.now())

    async def stream_process_health(self, query: Query) -> Feed:
        return Feed(PROCESS, [()], ProcessHealthUpdates())

    async def _processes(self) -> list[tuple[Process, Extras]]:
        records = await cache.processes()
        visible = [record for record in records if self.may_see(PROCESS, record.key)]
        return [(r.value, r.extras or {}) for r in visible if isinstance(r.value, Process)]


class ProcessConsumer(ProcessActions):
    """One socket of ``/ws/process/{connection_id}``."""

    domain = "process"
