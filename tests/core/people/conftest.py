"""Passwords hashed at no cost, and people in the workspace."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from core.people import passwords


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB a hash would make these tests slow; test_passwords.py has one of the real ones."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._of_nobody.cache_clear()
