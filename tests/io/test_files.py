"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from uptake.io.files import whole_file, writable, write_bytes_whole, write_json_whole
from uptake.study import Code, Refusal


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_with_its_bytes_and_nothing_else_remains(tmp_path: Path) -> None:
    write_bytes_whole(tmp_path / "new" / "folder" / "a.bin", b"abc")
    assert names(tmp_path / "new" / "folder") == ["a.bin"]
    assert (tmp_path / "new" / "folder" / "a.bin").read_bytes() == b"abc"


def test_while_it_is_written_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with whole_file(path) as handle:
        handle.write(b"new")
        handle.flush()
        assert path.read_bytes() == b"old"
        assert (tmp_path / ".a.bin.partial").read_bytes() == b"new"
    assert path.read_bytes() == b"new"


def test_an_error_in_the_block_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with whole_file(path) as handle:
            handle.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_replaces_its_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    script = (
        "import os, signal, sys, pathlib\nfrom uptake.io.files import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as handle:\n"
        "    handle.write(b'x' * 10**6)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False, env=_environment())
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    write_bytes_whole(path, b"new")
    assert names(tmp_path) == ["a.bin"]


def test_a_file_in_the_folders_place_is_refused_without_naming_where(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(Refusal) as refused:
        write_bytes_whole(tmp_path / "folder" / "a.bin", b"abc")
    assert refused.value.code is Code.NO_SPACE
    assert "a.bin" in refused.value.found
    assert str(tmp_path) not in str(refused.value)


def test_a_folder_in_the_files_place_is_refused_and_no_partial_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a.bin" / "x").mkdir(parents=True)
    with pytest.raises(Refusal, match="output-not-writable"):
        write_bytes_whole(tmp_path / "a.bin", b"abc")
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_is_refused() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(Refusal) as refused, writable(full), full.open("wb") as handle:
        handle.write(b"x")
    assert refused.value.code is Code.NO_SPACE


def test_a_full_disk_met_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small mount needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", mount], check=False, capture_output=True
    ).returncode:
        pytest.skip("this root may not mount")
    try:
        with pytest.raises(Refusal, match="output-not-writable"):
            write_bytes_whole(mount / "a.bin", b"x" * 10**6)
        assert not any(mount.iterdir())
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(Refusal, match="output-not-writable"):
        write_bytes_whole(tmp_path / "a.bin", b"abc")
    tmp_path.chmod(0o700)


def test_an_error_that_is_not_about_the_output_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.bin"):
        (tmp_path / "absent").read_bytes()
    assert not any(tmp_path.iterdir())


def test_json_keeps_its_order_and_ends_in_a_newline(tmp_path: Path) -> None:
    write_json_whole(tmp_path / "a.json", {"b": 0.1, "a": [1, None, True], "ü": (1.0, 2)})
    text = (tmp_path / "a.json").read_bytes().decode()
    assert text.startswith('{\n  "b": 0.1,\n  "a": [\n    1,\n')
    assert '"ü"' in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"b": 0.1, "a": [1, None, True], "ü": [1.0, 2]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json_whole(tmp_path / "a.json", {"x": value})
    assert not any(tmp_path.iterdir())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
