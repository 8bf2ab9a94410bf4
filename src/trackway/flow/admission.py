"""Admission: servers that give a token for credentials, and want it with every request until it expires.

A token is asked for when the first request is made, and once more when the server says that it is no longer good; a new
one that is not good either is an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from trackway.flow.calling import LARGEST, Answer, Caller, Refused


class Admitted(Caller, ABC):
    """A server that wants a token."""

    _token = ""

    @abstractmethod
    def admit(self) -> str:
        """A new token, asked for by `plainly`. Raises Busy, SourceError."""

    def plainly(self, method: str, path: str, *, most: int = LARGEST, **told: Any) -> Answer:
        """An answer as it is without a token of ours. Raises as `ask`; 401 is a token that is not good any more."""
        return super().ask(method, path, most=most, **told)

    def ask(self, method: str, path: str, *, most: int = LARGEST, **told: Any) -> Answer:
        """The whole answer, with a token that is good. Raises Busy, Refused, TooLarge."""
        fresh = not self._token
        if fresh:
            self._token = self.admit()
        headers = {**told.pop("headers", {}), "Authorization": f"Bearer {self._token}"}
        try:
            return self.plainly(method, path, most=most, headers=headers, **told)
        except Refused as error:
            if error.answer.status != 401:
                raise
            self._token = ""
            if fresh:
                raise
        return self.ask(method, path, most=most, headers=headers, **told)
