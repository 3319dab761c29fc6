"""Series of public collections through existing clients: IDC's (idc-index with s5cmd) and TCIA's (tcia-utils).

The clients find and download; what arrived is checked here against the archive's own checksums, file by file, so that
a download that was cut off is completed and a damaged file fetched again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from uptake.study import Code, Refusal, SettingsError

LISTING_SECONDS = 120
MD5_LIST = "md5hashes.csv"
TEMPLATE = "%PatientID/%StudyInstanceUID/%Modality_%SeriesInstanceUID"


@dataclass(frozen=True)
class Series:
    """One series of an archive. place: where its client finds it. megabytes: None where the archive does not say."""

    patient_id: str
    study_uid: str
    series_uid: str
    modality: str
    collection: str
    doi: str = ""
    licence: str = ""
    files: int = 0
    megabytes: float | None = None
    place: str = ""

    @property
    def folder(self) -> str:
        """Where its files lie below the folder that is downloaded to."""
        return f"{self.patient_id}/{self.study_uid}/{self.modality}_{self.series_uid}"


class Client(Protocol):
    """What an archive's client has to do."""

    def find(self, patients: Sequence[str], collection: str) -> list[Series]:
        """Every series of the patients. Raises `Refusal` NETWORK."""

    def wrong(self, series: Series, folder: Path) -> list[str]:
        """Names of files that are absent or not as in the archive; these are removed. Raises `Refusal` NETWORK."""

    def download(self, series: Series, to: Path) -> None:
        """Download what is missing of a series below `to`. Raises `Refusal` NETWORK."""


class Idc:
    """NCI Imaging Data Commons by `idc-index`: its index of series comes with the package, files from public buckets.

    endpoint: of the object store, where it is not the one that idc-index knows (a mirror).
    """

    def __init__(self, endpoint: str = "") -> None:
        try:
            from idc_index import index
        except ModuleNotFoundError as missing:
            raise SettingsError("uptake fetch needs the extra 'fetch': pip install 'uptake[fetch]'") from missing
        self.endpoint = endpoint or str(index.aws_endpoint_url)
        index.aws_endpoint_url = self.endpoint
        self.client: Any = index.IDCClient()  # type: ignore[no-untyped-call]

    def find(self, patients: Sequence[str], collection: str) -> list[Series]:
        """As the index that comes with the package lists them: no network needed."""
        table = self.client.index
        rows = table[table.PatientID.isin(list(patients))]
        if collection:
            rows = rows[rows.collection_id == collection.lower().replace("-", "_")]
        return [
            Series(
                patient_id=str(row.PatientID),
                study_uid=str(row.StudyInstanceUID),
                series_uid=str(row.SeriesInstanceUID),
                modality=str(row.Modality),
                collection=str(row.collection_id),
                doi=str(row.source_DOI or ""),
                licence=str(row.license_short_name or ""),
                files=int(row.instanceCount),
                megabytes=float(row.series_size_MB),
                place=str(row.series_aws_url),
            )
            for row in rows.sort_values(["PatientID", "SeriesInstanceUID"]).itertuples()
        ]

    def wrong(self, series: Series, folder: Path) -> list[str]:
        """By size and, where an object was stored in one part, MD5."""
        return _not_as_listed(folder, self._listed(series))

    def download(self, series: Series, to: Path) -> None:
        """By s5cmd, as idc-index calls it: what has the right size already is left alone."""
        to.mkdir(parents=True, exist_ok=True)
        try:
            self.client.download_from_selection(
                downloadDir=str(to),
                seriesInstanceUID=[series.series_uid],
                quiet=True,
                show_progress_bar=False,
                use_s5cmd_sync=True,
                dirTemplate=TEMPLATE,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise not_reached(self.endpoint, type(error).__name__) from error

    def _listed(self, series: Series) -> dict[str, tuple[int, str]]:
        """Size and MD5 of every file of a series, by name."""
        command = [self.client.s5cmdPath, "--no-sign-request", "--retry-count", "2", "--endpoint-url", self.endpoint,
                   "--json", "ls", "-e", series.place]  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 (the client's own program, arguments as a list)
                command, capture_output=True, text=True, check=True, timeout=LISTING_SECONDS
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise not_reached(self.endpoint, "it does not list its files") from error
        objects = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return {
            item["key"].rsplit("/", 1)[-1]: (int(item.get("size", 0)), _md5(str(item.get("etag", ""))))
            for item in objects
        }


class Tcia:
    """The Cancer Imaging Archive by `tcia-utils` (NBIA's API), for collections that IDC does not have."""

    def __init__(self) -> None:
        try:
            from tcia_utils import nbia
        except ModuleNotFoundError as missing:
            raise SettingsError("--client tcia needs the package tcia-utils: pip install tcia-utils") from missing
        self.nbia: Any = nbia

    def find(self, patients: Sequence[str], collection: str) -> list[Series]:
        """As the archive answers."""
        found = []
        for patient in patients:
            answer = self._quietly(partial(self.nbia.getSeries, collection=collection, patientId=patient))
            found += [
                Series(
                    patient_id=str(item["PatientID"]),
                    study_uid=str(item["StudyInstanceUID"]),
                    series_uid=str(item["SeriesInstanceUID"]),
                    modality=str(item.get("Modality", "")),
                    collection=str(item.get("Collection", collection)),
                    licence=str(item.get("LicenseName", "")),
                    files=int(item.get("ImageCount", 0)),
                    megabytes=float(item.get("FileSize", 0)) / 1e6 or None,
                )
                for item in answer
            ]
        return found

    def wrong(self, series: Series, folder: Path) -> list[str]:
        """By the MD5 list that NBIA puts into every download; all of it where there is no list yet."""
        if not (folder / MD5_LIST).is_file():
            return [f"{series.files} files"]
        with (folder / MD5_LIST).open(newline="", encoding="utf-8") as handle:
            listed = {row[0]: (-1, row[1].strip()) for row in csv.reader(handle) if len(row) == 2 and "." in row[0]}
        return _not_as_listed(folder, listed)

    def download(self, series: Series, to: Path) -> None:
        """A zip of the whole series, which the client unpacks: NBIA gives no part of one."""
        parent = (to / series.folder).parent
        parent.mkdir(parents=True, exist_ok=True)
        raw = parent / series.series_uid
        self._quietly(
            lambda: self.nbia.downloadSeries([series.series_uid], input_type="list", path=str(parent), hash="y") or []
        )
        if raw.is_dir():
            target = to / series.folder
            target.mkdir(exist_ok=True)
            for path in raw.iterdir():
                path.replace(target / path.name)
            raw.rmdir()

    @staticmethod
    def _quietly(ask: Any) -> Any:  # noqa: ANN401
        """The client prints what goes wrong and gives None."""
        import requests

        try:
            nowhere = io.StringIO()
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                answer = ask()
        except (requests.RequestException, OSError, ValueError) as error:
            raise not_reached("TCIA", type(error).__name__) from error
        if answer is None:
            raise not_reached("TCIA", "it gave no answer")
        return answer


CLIENTS: Mapping[str, type[Idc] | type[Tcia]] = {"idc": Idc, "tcia": Tcia}


def not_reached(where: str, found: str) -> Refusal:
    """The refusal of an archive that does not answer."""
    return Refusal(
        Code.NETWORK,
        found=f"{where} was not reached: {found}",
        allowed="a network connection to the archive",
        remedy="check the connection and the proxy settings, then run the same command again: what is complete is kept",
    )


def _not_as_listed(folder: Path, listed: Mapping[str, tuple[int, str]]) -> list[str]:
    wrong = []
    for name, (size, md5) in sorted(listed.items()):
        path = folder / name
        if not path.is_file():
            wrong.append(name)
        elif (size >= 0 and path.stat().st_size != size) or (md5 and _md5_of(path) != md5):
            path.unlink()
            wrong.append(name)
    return wrong


def _md5(etag: str) -> str:
    """The MD5 in an ETag; empty where the object was stored in several parts."""
    plain = etag.strip('"')
    return plain if len(plain) == 32 else ""


def _md5_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def total_megabytes(series: Iterable[Series]) -> float:
    """The size of all of them, as far as the archive says."""
    return sum(one.megabytes or 0.0 for one in series)
