"""Who has which case open: it informs, it forbids nothing. Kept in memory, forgotten when nobody is heard of."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

SECONDS = 120.0
"""The page says every minute that a case is still open."""


@dataclass
class Leases:
    """When each reader was last heard of, per case."""

    seen: dict[tuple[str, str], float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, case_id: str, reader: str) -> None:
        """A reader has a case open, now."""
        if reader:
            with self.lock:
                self.seen[case_id, reader] = time.monotonic()

    def leave(self, case_id: str, reader: str) -> None:
        """A reader has closed a case."""
        with self.lock:
            self.seen.pop((case_id, reader), None)

    def all(self) -> Mapping[str, tuple[str, ...]]:
        """Who has what open, per case."""
        oldest = time.monotonic() - SECONDS
        found: dict[str, tuple[str, ...]] = {}
        with self.lock:
            self.seen = {key: when for key, when in self.seen.items() if when >= oldest}
            for case_id, reader in sorted(self.seen):
                found[case_id] = (*found.get(case_id, ()), reader)
        return found

    def others(self, case_id: str, reader: str) -> list[str]:
        """Who else has a case open."""
        return [name for name in self.all().get(case_id, ()) if name != reader]
