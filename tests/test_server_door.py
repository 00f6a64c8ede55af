"""Who gets in: token, Host, Origin, and bodies that are not what they should be."""

from __future__ import annotations

import asyncio
import io
import stat
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from live_server import LiveServer, live_server

from server.app import ROUTES


@pytest_asyncio.fixture
async def server(tmp_path: Path, tiny_model: Path) -> AsyncGenerator[LiveServer]:
    async with live_server(tmp_path, tiny_model) as live:
        yield live


async def test_the_token_is_made_on_first_start_for_its_owner_alone(server: LiveServer) -> None:
    assert len(server.home.token.read_text()) >= 32
    assert stat.S_IMODE(server.home.token.stat().st_mode) == 0o600


async def test_every_route_but_health_needs_the_token(server: LiveServer) -> None:
    answers = {
        (route.method, route.path): (
            await server.call(
                route.method, route.path, {}, headers={"Authorization": "Bearer wrong"}
            )
        ).status
        for route in ROUTES
    }

    open_ones = {route for route, status in answers.items() if status != 401}

    assert open_ones == {("GET", "/health")}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer \u00e9"])
async def test_a_wrong_token_is_told_where_the_right_one_is(
    server: LiveServer, header: str
) -> None:
    reply = await server.call("GET", "/v1/models", headers={"Authorization": header})

    assert (reply.status, reply.error) == (401, "wrong_token")
    assert "unsay doctor" in reply.body["error"]["message"]


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "localhost:1", "evil.localhost:80"])
async def test_another_host_name_is_refused_even_for_health(server: LiveServer, host: str) -> None:
    reply = await server.call("GET", "/health", headers={"Host": host})

    assert (reply.status, reply.error) == (403, "foreign_host")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
async def test_the_loopback_names_with_our_port_are_accepted(server: LiveServer, name: str) -> None:
    reply = await server.call("GET", "/health", headers={"Host": f"{name}:{server.port}"})

    assert reply.status == 200


@pytest.mark.parametrize("origin", ["http://example.com", "null", "https://127.0.0.1:1", ""])
async def test_a_web_page_of_another_origin_is_refused(server: LiveServer, origin: str) -> None:
    reply = await server.call("GET", "/v1/models", headers={"Origin": origin})

    assert (reply.status, reply.error) == (403, "foreign_origin")


async def test_our_own_origin_is_accepted(server: LiveServer) -> None:
    reply = await server.call("GET", "/v1/models", headers={"Origin": server.url})

    assert reply.status == 200


@pytest.mark.parametrize(
    "data", [b"{", b"prompt=x", b'"x"', b"[1]", b'{"prompt": NaN}', b"\xff\xfe", b"[" * 200_000]
)
async def test_a_body_that_is_no_json_object_is_refused(server: LiveServer, data: bytes) -> None:
    reply = await server.call("POST", "/v1/completions", data=data)

    assert (reply.status, reply.error) == (400, "not_json")


async def test_an_unknown_field_is_an_error_that_lists_the_known_ones(server: LiveServer) -> None:
    reply = await server.complete("x", max_token=3)

    assert (reply.status, reply.error) == (400, "unknown_field")
    assert "max_tokens" in reply.body["error"]["message"]


async def test_a_body_of_100_megabytes_is_refused_unread(server: LiveServer) -> None:
    begun = time.perf_counter()

    reply = await server.call("POST", "/v1/completions", data=io.BytesIO(b"x" * 100_000_000))

    assert (reply.status, reply.error) == (413, "body_too_large")
    assert time.perf_counter() - begun < 5


async def test_a_chunked_body_of_100_megabytes_is_refused_when_it_gets_too_long(
    server: LiveServer,
) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000_000

    reply = await server.call("POST", "/v1/completions", data=chunks())

    assert (reply.status, reply.error) == (413, "body_too_large")
    assert (await server.call("GET", "/health")).status == 200


async def test_an_unknown_address_and_a_wrong_method_have_the_same_error_shape(
    server: LiveServer,
) -> None:
    missing = await server.call("GET", "/v1/nothing")
    wrong = await server.call("GET", "/v1/completions")

    assert (missing.status, missing.error) == (404, "unknown_route")
    assert (wrong.status, wrong.error, wrong.headers["Allow"]) == (405, "wrong_method", "POST")


async def test_an_unknown_parameter_is_an_error(server: LiveServer) -> None:
    reply = await server.call("GET", "/v1/ledger?stat=banned")

    assert (reply.status, reply.error) == (400, "unknown_field")


async def test_what_is_no_http_at_all_is_answered_and_the_server_lives(server: LiveServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n")
    answer = await reader.read(64)
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.")
    assert (await server.call("GET", "/health")).status == 200


async def test_metrics_count_answers_by_route_and_status(server: LiveServer) -> None:
    await server.call("GET", "/v1/ledger/../nothing")
    await server.call("DELETE", "/v1/ledger/missing")
    text = (await server.call("GET", "/metrics")).body

    wanted = 'unsay_requests_total{method="DELETE",route="/v1/ledger/{id}",status="404"} 1.0'
    assert wanted in text
    assert 'unsay_generation_info{generation="base"} 1.0' in text


async def test_the_error_of_a_missing_row_says_how_to_list_them(server: LiveServer) -> None:
    reply = await server.call("DELETE", "/v1/ledger/missing")

    assert (reply.status, reply.error) == (404, "not_found")
    assert "unsay ledger" in reply.body["error"]["message"]
