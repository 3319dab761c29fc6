"""uptake fetch against a stand-in of the archive on the loopback address: whole, resumed, damaged, unreachable."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse
from xml.sax.saxutils import escape

import pytest

from uptake import verbs
from uptake.io.fetching import Idc
from uptake.study import Code, Refusal, SettingsError

BUCKET = "idc-open-data"
ROWS = [
    # patient, series, modality, crdc uuid, files
    ("ISPY1_9001", "1.2.3.1", "MR", "aaaa-1", 3),
    ("ISPY1_9001", "1.2.3.2", "SEG", "aaaa-2", 1),
    ("ISPY1_9002", "1.2.3.3", "MR", "aaaa-3", 2),
]


def content(uuid: str, number: int) -> bytes:
    return f"{uuid} image {number} ".encode() * 500


@dataclass
class Store:
    """What the stand-in holds, and what was asked of it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    gets: list[str] = field(default_factory=list)
    cut: str = ""
    url: str = ""


def _listing(store: Store, prefix: str) -> bytes:
    found = sorted(key for key in store.objects if key.startswith(prefix))
    items = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified>"
        f'<ETag>"{hashlib.md5(store.objects[key], usedforsecurity=False).hexdigest()}"</ETag>'
        f"<Size>{len(store.objects[key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in found
    )
    head = f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{head}<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
    ).encode()


def _nbia(store: Store, path: str, query: dict[str, list[str]]) -> bytes:
    """What NBIA's API answers: series as JSON, a series as a zip with its list of checksums."""
    if path.endswith("/getSeries"):
        patient = query["PatientID"][0]
        return json.dumps(
            [
                {"PatientID": p, "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": s, "Modality": m, "ImageCount": n,
                 "Collection": "ISPY1", "FileSize": 1000}
                for p, s, m, _, n in ROWS if p == patient
            ]
        ).encode()  # fmt: skip
    series = query["SeriesInstanceUID"][0]
    uuid, count = next((u, n) for _, s, _, u, n in ROWS if s == series)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        lines = []
        for number in range(count):
            data = content(uuid, number)
            archive.writestr(f"{number}.dcm", data)
            lines.append(f"{number}.dcm,{hashlib.md5(data, usedforsecurity=False).hexdigest()}")
        archive.writestr("md5hashes.csv", "\n".join(lines) + "\n")
    return buffer.getvalue()


@pytest.fixture
def store() -> Iterator[Store]:
    """An object store with two patients, on the loopback address."""
    held = Store({f"{uuid}/{n}.dcm": content(uuid, n) for _, _, _, uuid, count in ROWS for n in range(count)})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(held.objects.get(unquote(urlparse(self.path).path).removeprefix(f"/{BUCKET}/"), b""))

        def do_GET(self) -> None:
            asked = urlparse(self.path)
            query, path = parse_qs(asked.query), unquote(asked.path)
            if "nbia-api" in path:
                held.gets.append(path)
                self._answer(_nbia(held, path, query))
            elif "list-type" in query or path.rstrip("/") == f"/{BUCKET}":
                self._answer(_listing(held, query.get("prefix", [""])[0]), "application/xml")
            else:
                key = path.removeprefix(f"/{BUCKET}/")
                held.gets.append(key)
                self._answer(held.objects[key] if key != held.cut else b"?" * len(held.objects[key]))

        def _answer(self, data: bytes, kind: str = "application/octet-stream") -> None:
            start, end, status = 0, len(data) - 1, 200
            if span := self.headers.get("Range", ""):
                first, _, last = span.removeprefix("bytes=").partition("-")
                start, end, status = int(first), min(int(last or end), end), 206
            self.send_response(status)
            self.send_header("Content-Length", str(end - start + 1))
            self.send_header("Content-Type", kind)
            self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
            self.send_header("ETag", f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"')
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[start : end + 1])

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_port}"
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of the stand-in's series in place of the archive's million."""
    pytest.importorskip("idc_index", reason="the extra 'fetch' is not installed")
    import idc_index.index
    import idc_index_data
    import pandas as pd

    rows = [
        {"collection_id": "ispy1", "analysis_result_id": None, "PatientID": patient, "SeriesInstanceUID": series,
         "StudyInstanceUID": "1.2.3", "source_DOI": "10.7937/k9/tcia.2016.hdhpgjlk", "Modality": modality,
         "instanceCount": files, "license_short_name": "CC BY 3.0", "aws_bucket": BUCKET,
         "series_aws_url": f"s3://{BUCKET}/{uuid}/*",
         "series_size_MB": sum(len(content(uuid, n)) for n in range(files)) / 1e6}
        for patient, series, modality, uuid, files in ROWS
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "index.parquet")
    monkeypatch.setattr(idc_index_data, "IDC_INDEX_PARQUET_FILEPATH", tmp_path / "index.parquet")
    monkeypatch.setattr(idc_index_data, "PRIOR_VERSIONS_INDEX_PARQUET_FILEPATH", tmp_path / "index.parquet")
    monkeypatch.setattr(idc_index.index, "aws_endpoint_url", idc_index.index.aws_endpoint_url)  # put back afterwards


def folder(root: Path, patient: str, series: str, modality: str = "MR") -> Path:
    return root / "data" / patient / "1.2.3" / f"{modality}_{series}"


def test_a_case_arrives_whole_with_its_licence(store: Store, index: None, tmp_path: Path) -> None:
    got = verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint=store.url)
    assert (got.complete, got.failed, got.new) == (("ISPY1_9001",), {}, 2)
    for number in range(3):
        assert (folder(tmp_path, "ISPY1_9001", "1.2.3.1") / f"{number}.dcm").read_bytes() == content("aaaa-1", number)
    listed = (tmp_path / "data" / "fetched.csv").read_text()
    assert "10.7937/k9/tcia.2016.hdhpgjlk,CC BY 3.0" in listed
    assert len(listed.splitlines()) == 3


def test_a_second_fetch_downloads_nothing(store: Store, index: None, tmp_path: Path) -> None:
    verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint=store.url)
    store.gets.clear()
    assert verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint=store.url).new == 0
    assert store.gets == []


def test_what_was_cut_off_or_damaged_is_fetched_and_nothing_else(store: Store, index: None, tmp_path: Path) -> None:
    verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint=store.url)
    mine = folder(tmp_path, "ISPY1_9001", "1.2.3.1")
    (mine / "0.dcm").unlink()
    (mine / "1.dcm").write_bytes(b"?" * len(content("aaaa-1", 1)))  # the right size, other bytes
    store.gets.clear()
    assert verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint=store.url).new == 1
    assert set(store.gets) == {"aaaa-1/0.dcm", "aaaa-1/1.dcm"}
    assert [path.read_bytes() for path in sorted(mine.iterdir())] == [content("aaaa-1", n) for n in range(3)]


def test_a_file_that_arrives_damaged_fails_its_case_and_not_the_others(
    store: Store, index: None, tmp_path: Path
) -> None:
    store.cut = "aaaa-1/2.dcm"
    got = verbs.fetch(["ISPY1_9001", "ISPY1_9002"], tmp_path / "data", endpoint=store.url)
    assert got.complete == ("ISPY1_9002",)
    assert got.failed["ISPY1_9001"].code == Code.UNREADABLE
    assert "2.dcm" in got.failed["ISPY1_9001"].found
    store.cut = ""
    assert len(verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint=store.url).complete) == 1


def test_without_a_network_the_message_says_so(index: None, tmp_path: Path) -> None:
    got = verbs.fetch(["ISPY1_9002"], tmp_path / "data", endpoint="http://127.0.0.1:9")
    refusal = got.failed["ISPY1_9002"]
    assert refusal.code == Code.NETWORK
    assert "was not reached" in refusal.found
    assert "what is complete is kept" in refusal.remedy


def test_a_patient_whom_the_archive_does_not_know_is_named(index: None, tmp_path: Path) -> None:
    got = verbs.fetch(["ISPY1_0000"], tmp_path / "data", collection="ISPY1", dry_run=True)
    assert "no patient 'ISPY1_0000'" in got.failed["ISPY1_0000"].found
    assert not (tmp_path / "data").exists()


def test_a_dry_run_lists_by_the_index_alone(index: None, tmp_path: Path) -> None:
    got = verbs.fetch(["ISPY1_9001"], tmp_path / "data", endpoint="http://127.0.0.1:9", dry_run=True)
    assert [series.modality for series in got.series] == ["MR", "SEG"]
    assert not (tmp_path / "data").exists()


def test_another_collection_of_the_same_name_is_left_alone(index: None) -> None:
    assert Idc().find(["ISPY1_9001"], "Breast-MRI-NACT-Pilot") == []


def test_an_unknown_client_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="one of idc, tcia"):
        verbs.fetch(["A"], tmp_path, client="ftp")


def test_without_the_package_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tcia_utils", None)
    with pytest.raises(SettingsError, match="pip install tcia-utils"):
        verbs.fetch(["A"], tmp_path, client="tcia")
    monkeypatch.setitem(sys.modules, "idc_index", None)
    with pytest.raises(SettingsError, match=r"uptake\[fetch\]"):
        verbs.fetch(["A"], tmp_path)


@pytest.fixture
def nbia(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """tcia-utils, asking the stand-in."""
    module = pytest.importorskip("tcia_utils.nbia", reason="tcia-utils is not installed")
    monkeypatch.setattr(module, "setApiUrl", lambda *_: f"{store.url}/nbia-api/services/v1/")
    return store


def test_tcia_gives_a_series_as_a_zip_whose_checksums_are_checked(nbia: Store, tmp_path: Path) -> None:
    got = verbs.fetch(["ISPY1_9002"], tmp_path / "data", client="tcia")
    assert got.complete == ("ISPY1_9002",)
    mine = folder(tmp_path, "ISPY1_9002", "1.2.3.3")
    assert (mine / "1.dcm").read_bytes() == content("aaaa-3", 1)
    (mine / "1.dcm").write_bytes(b"?")
    assert verbs.fetch(["ISPY1_9002"], tmp_path / "data", client="tcia").new == 1
    assert (mine / "1.dcm").read_bytes() == content("aaaa-3", 1)


def test_tcia_that_does_not_answer_is_a_refusal(nbia: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tcia_utils.nbia

    monkeypatch.setattr(tcia_utils.nbia, "setApiUrl", lambda *_: "http://127.0.0.1:9/")
    with pytest.raises(Refusal, match="TCIA was not reached"):
        verbs.fetch(["ISPY1_9002"], tmp_path / "data", client="tcia")


def test_a_file_in_place_of_the_folder_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SettingsError, match="is no folder"):
        verbs.fetch(["ISPY1_1001"], tmp_path / "mine")
