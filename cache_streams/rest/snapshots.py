"""Requests for what a stream holds now: one key of it, or the keys that a caller may see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec
from django.http import HttpResponse
from django.utils.http import parse_etags
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.identity import Rights
from cache_streams.permissions import may_see
from cache_streams.protocol.groups import wire_key
from cache_streams.protocol.native.rendition import state_of
from cache_streams.protocol.rendition import is_gone
from cache_streams.rest import states
from cache_streams.rest.loop import answer
from cache_streams.rest.queries import Query, key_token, read_query, token_key
from cache_streams.rest.reach import Reach, demand_key, key_of, reach, rights_of
from cache_streams.rest.states import Held, Slice
from cache_streams.streams.declaration import Key, Kind, Stream

ELEMENTS_LISTED = 100
"""Elements of one key that a listing tells; ``more`` says that the key itself has the others."""
REVALIDATE = "private, no-cache"


class KeySnapshot(msgspec.Struct, kw_only=True):
    """The state of one key. ``live``: a relay is reading the cache now; ``next`` is where a long list goes on."""

    stream: str
    key: str
    seq: int
    cursor: str | None
    live: bool
    next: str | None
    data: msgspec.Raw


class Listed(msgspec.Struct, kw_only=True):
    """One key of a listing; ``more``: its list is longer than what is told of it here."""

    key: str
    seq: int
    cursor: str | None
    more: bool
    data: msgspec.Raw


class Listing(msgspec.Struct, kw_only=True):
    """Keys of a stream, in their order; ``next`` is where the listing goes on, null at its end."""

    stream: str
    live: bool
    count: int
    next: str | None
    results: list[Listed]


class SnapshotView(APIView):
    """What both share: the stream that a subclass names."""

    stream: ClassVar[Stream]

    def respond(self, request: Request, body: msgspec.Struct, told: Sequence[Held]) -> HttpResponse:
        """Return the answer, or 304 for a client that has it already."""
        tag = _tag(told, body)
        headers = {"ETag": tag, "Cache-Control": REVALIDATE, "Vary": "Authorization"}
        known = parse_etags(request.headers.get("If-None-Match", ""))
        if "*" in known or tag in known:
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(msgspec.json.encode(body), content_type="application/json", headers=headers)


class KeyView(SnapshotView):
    """``/cache/{stream}/{key fields}``."""

    def get(self, request: Request, **parts: str) -> HttpResponse:
        """Answer the state of one key; 404 alike for one that is not the caller's and for one that holds nothing."""
        stream, key = self.stream, key_of(self.stream, _unslashed(parts))
        if len(key) < len(stream.key_fields):
            raise NotFound
        query = read_query(stream, request.query_params.dict(), listing=False)
        demand_key(stream, key, rights_of(request))
        live, held = answer(_one(stream, key, Slice(query.limit, query.after)))
        held = _filtered(stream, held, query)
        data = state_of(stream, held.state) if held.state.seq or stream.kind is Kind.VALUE else b"[]"
        if data == b"null":
            raise NotFound
        body = KeySnapshot(
            stream=stream.name,
            key=wire_key(key),
            seq=held.state.seq,
            cursor=held.state.cursor or None,
            live=live,
            next=held.rest_after,
            data=msgspec.Raw(data),
        )
        return self.respond(request, body, [held])


class ListView(SnapshotView):
    """``/cache/{stream}``, or a beginning of its key fields."""

    def get(self, request: Request, **parts: str) -> HttpResponse:
        """Answer the keys that hold something and that the caller may see."""
        stream, under = self.stream, key_of(self.stream, parts)
        query = read_query(stream, request.query_params.dict(), listing=True)
        rights = rights_of(request)
        found = answer(_many(stream, reach(stream, under, rights), rights, query))
        results = [
            Listed(
                key=wire_key(held.state.key),
                seq=held.state.seq,
                cursor=held.state.cursor or None,
                more=held.rest_after is not None,
                data=msgspec.Raw(state_of(stream, held.state)),
            )
            for held in found.told
        ]
        body = Listing(
            stream=stream.name, live=found.live, count=len(results), next=found.next, results=results
        )
        return self.respond(request, body, found.told)


@dataclass(frozen=True, slots=True)
class _Found:
    live: bool
    told: list[Held]
    next: str | None


async def _one(stream: Stream, key: Key, elements: Slice) -> tuple[bool, Held]:
    return await states.is_live(), await states.key_state(stream, key, elements)


async def _many(stream: Stream, reached: Reach, rights: Rights, query: Query) -> _Found:
    live = await states.is_live()
    keys = await states.keys_under(stream, reached.beginnings)
    if reached.filtered:
        keys = [key for key in keys if may_see(stream, key, rights)]
    if query.after is not None:
        first = token_key(query.after)
        keys = [key for key in keys if key > first]
    keys = [key for key in keys if _may_match(stream, key, query)]
    looked_at = await states.page(stream, keys[: query.limit], Slice(ELEMENTS_LISTED))
    told = [_filtered(stream, held, query) for held in looked_at]
    ended = len(looked_at) == len(keys)
    return _Found(
        live,
        [held for held in told if any(not is_gone(update) for update in held.state.updates)],
        None if ended else key_token(looked_at[-1].state.key),
    )


def _may_match(stream: Stream, key: Key, query: Query) -> bool:
    """Return whether the key alone does not rule the wanted values out: then nothing needs to be read of it."""
    return all(
        query.equal.get(field, part) == part for field, part in zip(stream.key_fields, key, strict=True)
    )


def _unslashed(parts: dict[str, str]) -> dict[str, str]:
    """Return the parts of a path without the slash at its end, which a part that may hold slashes has swallowed."""
    *_, last = parts
    return {**parts, last: parts[last].removesuffix("/")}


def _filtered(stream: Stream, held: Held, query: Query) -> Held:
    if not query.equal:
        return held
    kept = tuple(
        update
        for update in held.state.updates
        if not is_gone(update) and query.wants(msgspec.json.decode(update.data, type=stream.payload))
    )
    return replace(held, state=msgspec.structs.replace(held.state, updates=kept))


def _tag(told: Sequence[Held], body: msgspec.Struct) -> str:
    """Return a weak tag: within an epoch the numbers of the keys say whether anything of them changed."""
    seen = [(held.epoch, held.state.key, held.state.seq) for held in told]
    digest = hashlib.blake2b(msgspec.json.encode((seen, body.live)), digest_size=12)  # type: ignore[attr-defined]  # both have it
    return f'W/"{digest.hexdigest()}"'
