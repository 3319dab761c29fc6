"""Attacks, and what the server says to each. None of them writes anything, and no image leaves."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.review.conftest import GRIDS, Reader, packed

from uptake.io import revisions
from uptake.preprocess.resample import isotropic_grid
from uptake.review.app import Workbench
from uptake.review.server import ADDRESS, Link, check_address, listen, write_opener
from uptake.study import SettingsError

SCRIPT = "<script>alert(1)</script>"
CASE = "/api/cases/AXIAL"
VOXELS = int(np.prod(isotropic_grid(GRIDS["AXIAL"]).shape))
NOTHING = packed(np.zeros(VOXELS, np.uint8))
EVERYTHING = (
    "/", "/case/AXIAL", "/static/index.html", "/api/session", "/api/cases", CASE, f"{CASE}/thumbnail",
    f"{CASE}/report", f"{CASE}/volumes/early", f"{CASE}/draft", f"{CASE}/handoff", "/api/audit.csv",
)  # fmt: skip
TRAVERSALS = (
        "/api/cases/..", "/api/cases/%2e%2e/thumbnail", "/api/cases/..%2f..%2fetc/thumbnail", "/api/cases/%00/report",
        "/api/cases/AXIAL%2f../thumbnail", "/api/cases/./thumbnail", f"{CASE}/volumes/..%2f..%2fstudy.json",
        f"{CASE}/volumes/%2e%2e", f"{CASE}/revisions/1", f"{CASE}/revisions/-1", f"{CASE}/revisions/{'9' * 5000}",
        "/static/..%2fapp.py", "/static/../app.py", "/static/%2fetc%2fpasswd", "/case/..%2f..", f"{CASE}/combined/..",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_written(cohort: Path, bench: Workbench) -> object:
    yield
    assert [e for e in revisions.entries(cohort) if e.action != "saved" and e.comment != SCRIPT] == []


def test_without_the_token_nothing_is_given(stranger: httpx.Client) -> None:
    for path in EVERYTHING:
        answer = stranger.get(path)
        assert answer.status_code == 401, path
        assert "remedy" in answer.json()


def test_a_browser_without_a_session_is_told_so_on_a_page_that_asks_once_more(stranger: httpx.Client) -> None:
    first = stranger.get("/", headers={"accept": "text/html"})
    again = stranger.get("/", headers={"accept": "text/html"}, params={"again": "1"})
    assert first.status_code == again.status_code == 401
    assert ("refresh" in first.text, "refresh" in again.text) == (True, False)
    assert "default-src 'none'" in first.headers["content-security-policy"]


def test_the_page_that_opens_the_link_is_for_this_user_alone(tmp_path: Path) -> None:
    link = Link("http://127.0.0.1:1/?token=secret", 1)
    for _ in range(2):
        write_opener(tmp_path / "review/open.html", link)
    assert (tmp_path / "review/open.html").stat().st_mode & 0o777 == 0o600
    assert link.url in (tmp_path / "review/open.html").read_text()


def test_without_the_token_nothing_is_taken(stranger: httpx.Client) -> None:
    answer = stranger.put(f"{CASE}/mask", content=NOTHING, headers={"if-match": '"0"'})
    assert answer.status_code == 401


def test_a_wrong_token_or_cookie_opens_nothing(stranger: httpx.Client, bench: Workbench) -> None:
    assert stranger.get("/", params={"token": bench.sessions.token[:-1]}).status_code == 403
    assert stranger.get("/", params={"token": ""}).status_code == 403
    assert stranger.get("/api/cases", headers={"cookie": f"{bench.sessions.cookie}=guess"}).status_code == 401


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
    stranger: httpx.Client, bench: Workbench
) -> None:
    answer = stranger.get("/", params={"token": bench.sessions.token})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert answer.headers["location"] == "/"
    assert bench.sessions.token.lower() not in cookie


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1.evil.example:{port}", ""]
)
def test_a_foreign_host_is_not_answered_even_with_the_cookie(reader: Reader, bench: Workbench, host: str) -> None:
    answer = reader.client.get("/api/cases", headers={"host": host.format(port=bench.sessions.port)})
    assert answer.status_code in (400, 421)
    assert "AXIAL" not in answer.text


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost:{port}", "https://{host}", None],
)
def test_a_write_from_a_foreign_origin_is_refused(reader: Reader, base: str, origin: str | None) -> None:
    host = base.removeprefix("http://")
    said = (origin or "").format(host=host, port=host.rpartition(":")[2])
    headers = {"if-match": '"0"', "x-uptake": "1", "origin": said}
    if origin is None:
        del reader.client.headers["origin"]
        del headers["origin"]
    assert reader.client.put(f"{CASE}/mask", content=NOTHING, headers=headers).status_code == 403


def test_a_write_without_the_custom_header_is_refused(reader: Reader) -> None:
    del reader.client.headers["x-uptake"]
    assert reader.client.put(f"{CASE}/mask", content=NOTHING, headers={"if-match": '"0"'}).status_code == 403


def test_no_name_reaches_a_file_that_is_not_in_a_table(reader: Reader, base: str) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in reader.client.cookies.items())
    for path in TRAVERSALS:  # as they are written: httpx would tidy them up
        status, body = _asked(int(base.rpartition(":")[2]), path, cookie)
        assert status in (400, 404), path
        assert b"root:" not in body
        assert b"import" not in body


def test_an_oversized_body_is_refused_before_it_is_read(reader: Reader) -> None:
    large = bytes(VOXELS + 2**20)
    assert reader.put(f"{CASE}/mask", large, 0).status_code == 413
    assert reader.client.put(f"{CASE}/mask", content=iter([large]), headers={"if-match": '"0"'}).status_code == 413
    assert reader.client.put("/api/session", json={"reader": "x" * 2**17}).status_code == 413


def test_a_gzip_bomb_is_refused_and_never_unpacked(reader: Reader) -> None:
    bomb = gzip.compress(bytes(2**26))
    assert len(bomb) < VOXELS + 64 * 1024, "small enough to be read at all"
    for name in ("mask", "draft"):
        assert reader.put(f"{CASE}/{name}", bomb, 0).status_code == 413
    for name in ("mask.nii.gz", "mask.nii"):
        assert reader.client.post(f"{CASE}/import", params={"name": name}, content=bomb).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", NOTHING[:-9], packed(np.zeros(VOXELS - 1, np.uint8)), NOTHING + b"more"],
    ids=["nothing", "no gzip", "cut off", "a voxel too few", "more behind it"],
)
def test_a_mask_that_is_none_is_refused(reader: Reader, body: bytes) -> None:
    assert reader.put(f"{CASE}/mask", body, 0).status_code == 422


def test_a_mask_of_another_grid_is_refused(reader: Reader) -> None:
    assert reader.put(f"{CASE}/mask", packed(np.zeros(VOXELS + 1, np.uint8)), 0).status_code == 413
    assert reader.put("/api/cases/SAGITTAL/mask", NOTHING, 0).status_code in (413, 422)


def test_a_mask_with_unknown_labels_is_refused(reader: Reader) -> None:
    assert reader.put(f"{CASE}/mask", packed(np.full(VOXELS, 3, np.uint8)), 0).status_code == 422


def test_half_a_character_in_a_comment_is_refused(reader: Reader) -> None:
    reader.save_ball("AXIAL", 5.0)
    body = rb'{"state": "second read", "comment": "\ud800"}'
    answer = reader.client.put(f"{CASE}/decision", content=body, headers={"if-match": '"1"'})
    assert answer.status_code == 422


def test_a_stale_save_is_refused_and_told_who_won(reader: Reader) -> None:
    reader.save_ball("AXIAL", 5.0)
    answer = reader.put(f"{CASE}/mask", NOTHING, 0)
    assert answer.status_code == 409
    assert answer.json()["winner"]["reader"] == "AB"
    assert answer.json()["winner"]["revision"] == 1
    assert answer.json()["etag"] == '"1"'
    assert reader.put(f"{CASE}/mask", NOTHING).status_code == 428
    assert reader.put(f"{CASE}/mask", NOTHING, "junk").status_code == 400


def test_a_script_in_a_comment_stays_text_and_no_policy_would_run_it(reader: Reader) -> None:
    reader.save_ball("AXIAL", 5.0)
    assert reader.decide("AXIAL", "rejected", 1, reason=SCRIPT, comment=SCRIPT).status_code == 200
    described = reader.client.get(CASE)
    assert described.json()["reader"]["comment"] == SCRIPT
    for answer in (described, reader.client.get("/api/audit.csv"), reader.client.get("/case/AXIAL")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
    assert described.headers["content-type"] == "application/json"


def test_a_report_with_a_script_in_it_cannot_ask_the_server_for_anything(reader: Reader) -> None:
    policy = reader.client.get(f"{CASE}/report").headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_is_written_by_a_get(reader: Reader, method: str) -> None:
    for name in ("mask", "decision", "images", "voi", "import", "open", "close"):
        answer = reader.client.request(method, f"{CASE}/{name}", params={"state": "approved"})
        assert answer.status_code == 405, name


def test_there_is_no_page_about_the_server_itself(reader: Reader) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/static/", "/api"):
        assert reader.client.get(path).status_code == 404, path


def test_every_answer_says_what_a_browser_may_do_with_it(reader: Reader, stranger: httpx.Client) -> None:
    for answer in (reader.client.get("/api/cases"), stranger.get("/api/cases"), reader.client.get("/nothing")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_the_server_listens_on_the_loopback_address_alone() -> None:
    with listen(0) as listening:
        assert listening.getsockname()[0] == ADDRESS == "127.0.0.1"
    for address in ("0.0.0.0", "::", "192.168.0.2", "reader.example"):  # noqa: S104 (refused)
        with pytest.raises(SettingsError, match="on this machine only"):
            check_address(address)


def test_a_port_that_is_taken_is_said_so() -> None:
    with listen(0) as listening, pytest.raises(SettingsError, match="cannot be had"):
        listen(listening.getsockname()[1])


def _asked(port: int, path: str, cookie: str) -> tuple[int, bytes]:
    with socket.create_connection((ADDRESS, port), timeout=30) as connection:
        lines = (f"GET {path} HTTP/1.1", f"Host: {ADDRESS}:{port}", f"Cookie: {cookie}", "Connection: close", "", "")
        connection.sendall("\r\n".join(lines).encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body
