"""Bodies that are too long, that end too early, that are no JSON."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import Request

from uptake.review.bodies import Bad, body, parsed


def asked(*messages: dict[str, Any]) -> Request:
    queue = list(messages)

    async def receive() -> dict[str, Any]:
        return queue.pop(0)

    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


def received(limit: int, *messages: dict[str, Any]) -> bytes:
    """In a thread of its own: Playwright keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(body(asked(*messages), limit))).result()


def piece(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_comes_in_pieces_up_to_its_limit() -> None:
    assert received(4, piece(b"ab", more=True), piece(b"cd")) == b"abcd"
    with pytest.raises(Bad, match="413"):
        received(3, piece(b"ab", more=True), piece(b"cd"))


def test_a_browser_that_goes_away_in_the_middle_is_no_error_of_the_server() -> None:
    with pytest.raises(Bad, match="went away"):
        received(9, piece(b"ab", more=True), {"type": "http.disconnect"})


@pytest.mark.parametrize("data", [b"{", b"[1]", b"7", b"\xff", b"[" * 10_000])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(Bad, match="no JSON"):
        parsed(data)


def test_nothing_is_an_empty_object() -> None:
    assert parsed(b"") == {}
