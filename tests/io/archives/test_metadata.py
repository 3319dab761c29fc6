"""What a release says of itself to catalogues: what their schemas ask for, and nothing that nobody said.

The keys and forms are those that DataCite's JSON schema 4.5, RO-Crate 1.1 and Croissant 1.0 name.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from uptake.io.archives.jsonld import croissant, ro_crate
from uptake.io.archives.metadata import Author, Metadata, citation_cff, datacite, missing, read_metadata
from uptake.study import SettingsError

DATACITE_45 = {"doi", "creators", "titles", "publisher", "publicationYear", "types", "subjects", "version",
               "rightsList", "descriptions", "relatedIdentifiers", "schemaVersion"}  # fmt: skip
WHOLE = Metadata(
    date="2030-05-31",
    doi="10.1234/example",
    publisher="Example University",
    authors=(Author("Example", "Ada", "0000-0002-1825-0097", "Institute of Examples"),),
)


def test_datacite_has_keys_of_its_schema_only_and_a_year_of_four_digits() -> None:
    record = datacite(WHOLE)
    assert set(record) == DATACITE_45
    assert (record["publicationYear"], record["doi"]) == ("2030", "10.1234/example")


def test_what_nobody_said_is_left_out_and_named() -> None:
    assert not {"doi", "publicationYear"} & set(datacite(Metadata()))
    assert "datePublished" not in ro_crate(Metadata(), [], "1")["@graph"][1]
    assert missing(Metadata()) == ("date", "authors", "publisher")
    assert missing(WHOLE) == ()


def test_the_crate_dates_the_release_and_names_author_and_organisations_as_items() -> None:
    graph = {item["@id"]: item for item in ro_crate(WHOLE, [], "1")["@graph"]}
    root = graph["./"]
    assert root["datePublished"] == "2030-05-31"
    author = graph[root["author"]["@id"]]
    assert author["@id"] == "https://orcid.org/0000-0002-1825-0097"
    assert graph[author["affiliation"]["@id"]]["name"] == "Institute of Examples"
    assert graph[root["publisher"]["@id"]]["@type"] == "Organization"


def test_croissant_says_how_to_cite() -> None:
    assert croissant(WHOLE, [], {})["citeAs"] == (
        f"Example, Ada (2030). {WHOLE.title}. Version 1.0.0. Example University. https://doi.org/10.1234/example"
    )
    assert "citeAs" not in croissant(Metadata(), [], {})


def test_citation_cff_has_a_date_where_the_day_is_known() -> None:
    assert yaml.safe_load(citation_cff(WHOLE))["date-released"] == "2030-05-31"
    assert "date-released" not in yaml.safe_load(citation_cff(Metadata(date="2030")))


def test_a_date_in_release_toml_may_be_a_date_a_text_or_a_year(tmp_path: Path) -> None:
    for text, date in (("2030-05-31", "2030-05-31"), ('"2030-05-31"', "2030-05-31"), ('"2030"', "2030")):
        (tmp_path / "release.toml").write_text(f"date = {text}\n")
        assert read_metadata(tmp_path / "release.toml").date == date


@pytest.mark.parametrize(
    "text", ['date = "31.5.2030"', "date = 2030", 'version = "1"', 'licence = "mine"', "colour = 1"]
)
def test_a_release_toml_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "release.toml").write_text(text + "\n")
    with pytest.raises(SettingsError):
        read_metadata(tmp_path / "release.toml")
