"""Archives are read in memory, and only what is safe."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from uptake.io.dicom import sources
from uptake.io.dicom.scan import scan
from uptake.io.dicom.sources import FileRef, archive_members, files_below, read_all
from uptake.study import Code, Refusal


def anything(name: str, head: bytes) -> bool:
    return True


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def refusal_of(path: Path) -> Refusal:
    with pytest.raises(Refusal) as caught:
        list(archive_members(path, anything))
    return caught.value


def test_members_come_with_their_names_and_bytes(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"b/c.dcm": b"one", "d": b"two"})

    assert dict(archive_members(archive, anything)) == {("b/c.dcm",): b"one", ("d",): b"two"}


def test_unwanted_members_are_not_decompressed(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"table.csv": b"x" * 10_000, "image.dcm": b"y" * 300})

    def wanted(name: str, head: bytes) -> bool:
        assert len(head) <= sources.HEAD_BYTES
        return name.endswith(".dcm")

    assert dict(archive_members(archive, wanted)) == {("image.dcm",): b"y" * 300}


def test_an_archive_inside_an_archive_is_read_too(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"x.dcm": b"deep"})
    outer = zipped(tmp_path / "outer.zip", {"sub/inner.ZIP": inner.read_bytes()})

    assert dict(archive_members(outer, anything)) == {("sub/inner.ZIP", "x.dcm"): b"deep"}


@pytest.mark.parametrize(
    "name", ["../x.dcm", "a/../../x.dcm", "/etc/x.dcm", "\\x.dcm", "..\\x.dcm", "C:/x.dcm", "c:x.dcm", "a/.."]
)
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    refusal = refusal_of(zipped(tmp_path / "a.zip", {"fine.dcm": b"1", name: b"2"}))

    assert refusal.code == Code.UNSAFE_ARCHIVE
    assert not (tmp_path.parent / "x.dcm").exists()


def test_dots_inside_a_name_are_harmless(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"1..2/3.4..dcm": b"1"})

    assert dict(archive_members(archive, anything)) == {("1..2/3.4..dcm",): b"1"}


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.dcm")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")

    refusal = refusal_of(path)

    assert refusal.code == Code.UNSAFE_ARCHIVE
    assert "symbolic link" in refusal.found


def test_a_bomb_by_its_declared_growth_is_refused_before_anything_is_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "a.zip", {"bomb.dcm": bytes(sources.RATIO_FROM_BYTES)})
    monkeypatch.setattr(zipfile.ZipFile, "open", None)

    refusal = refusal_of(archive)

    assert refusal.code == Code.UNSAFE_ARCHIVE
    assert "grows from" in refusal.found


def test_many_members_that_grow_together_are_refused(tmp_path: Path) -> None:
    quarter = bytes(sources.RATIO_FROM_BYTES // 4)

    refusal = refusal_of(zipped(tmp_path / "a.zip", {f"{n}.dcm": quarter for n in range(5)}))

    assert refusal.code == Code.UNSAFE_ARCHIVE


def test_a_small_mask_may_shrink_as_much_as_it_will(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"mask.dcm": bytes(2**22)})

    assert len(dict(archive_members(archive, anything))[("mask.dcm",)]) == 2**22


def test_a_member_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_MEMBER_BYTES", 1000)

    assert refusal_of(zipped(tmp_path / "a.zip", {"x.dcm": b"x" * 1001})).code == Code.UNSAFE_ARCHIVE
    assert list(archive_members(zipped(tmp_path / "b.zip", {"x.dcm": b"x" * 1000}), anything))


def test_an_archive_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ARCHIVE_BYTES", 1500)

    assert refusal_of(zipped(tmp_path / "a.zip", {"x": b"x" * 800, "y": b"y" * 800})).code == Code.UNSAFE_ARCHIVE


def test_archives_inside_an_archive_count_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = zipped(tmp_path / "i.zip", {"x": b"x" * 800}, zipfile.ZIP_STORED).read_bytes()
    outer = zipped(tmp_path / "a.zip", {"1.zip": inner, "2.zip": inner}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(sources, "MAX_ARCHIVE_BYTES", 3000)

    assert refusal_of(outer).code == Code.UNSAFE_ARCHIVE


def test_archives_nested_too_deep_are_refused(tmp_path: Path) -> None:
    data = b"innermost"
    for level in range(sources.MAX_DEPTH + 1):
        data = zipped(tmp_path / f"{level}.zip", {"x.zip" if level else "x.dcm": data}).read_bytes()

    assert refusal_of(tmp_path / f"{sources.MAX_DEPTH}.zip").code == Code.UNSAFE_ARCHIVE


def test_growth_is_counted_while_decompressing_because_declared_sizes_may_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "a.zip", {"bomb.dcm": bytes(4 * sources.CHUNK_BYTES)})
    honest = zipfile.ZipExtFile.read
    monkeypatch.setattr(sources, "RATIO_FROM_BYTES", 2 * sources.CHUNK_BYTES)
    monkeypatch.setattr(sources, "_check_declared", lambda entries: None)
    taken: list[int] = []

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        data = honest(self, n)
        taken.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)

    assert refusal_of(path).code == Code.UNSAFE_ARCHIVE
    assert sum(taken) <= 3 * sources.CHUNK_BYTES


def test_a_member_that_declares_less_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x.dcm": b"x" * 5000})
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 100)
    path.write_bytes(data)

    assert refusal_of(path).code == Code.UNREADABLE


@pytest.mark.parametrize("damage", ["cut", "flipped", "nothing", "text"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    path = zipped(tmp_path / "a.zip", {"x.dcm": bytes(range(256)) * 40})
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    damaged = {"cut": data[: len(data) // 2], "flipped": data, "nothing": b"", "text": b"hello"}
    path.write_bytes(damaged[damage])

    assert refusal_of(path).code == Code.UNREADABLE


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x.dcm": b"secret"})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)

    refusal = refusal_of(path)

    assert refusal.code == Code.UNREADABLE
    assert "encrypted" in refusal.found


def test_nothing_of_a_refused_archive_is_used(tmp_path: Path) -> None:
    found = scan([zipped(tmp_path / "a.zip", {"1.dcm": b"text", "../2.dcm": b"text"})])

    assert not found.studies
    assert [(refused.source, refused.refusal.code) for refused in found.refused] == [("a.zip", Code.UNSAFE_ARCHIVE)]


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    assert [path.name for path in files_below(tmp_path)] == ["x"]


def test_files_are_read_back_from_folders_archives_and_archives_in_them(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep", "three")
    path = zipped(tmp_path / "a.zip", {"x": b"two", "inner.zip": inner.getvalue()})
    (tmp_path / "plain").write_bytes(b"one")
    hashes = {
        b"one": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        b"two": "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
        b"three": "8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f",
    }
    refs = [
        FileRef(path, ("inner.zip", "deep"), "deep", hashes[b"three"]),
        FileRef(tmp_path / "plain", (), "plain", hashes[b"one"]),
        FileRef(path, ("x",), "x", hashes[b"two"]),
    ]

    assert list(read_all(refs)) == [b"three", b"one", b"two"]
    assert [ref.read() for ref in refs] == [b"three", b"one", b"two"]
    assert [ref.member for ref in refs] == ["deep", None, "x"]


def test_a_member_that_is_gone_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x": b"two"})

    with pytest.raises(Refusal) as caught:
        FileRef(path, ("y",), "a.zip/y", "0" * 64).read()
    assert caught.value.code == Code.UNREADABLE
