"""Lookups: what is known of accounts, products or people beside the events, and since when."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from trackway.model.condition import Condition

KNOWN = "known"
"""The column of every lookup that says whether there is a row."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Lookup(BaseModel):
    """The table `[lookups.NAME]`: rows by a key, every version of a row with the time from which it holds. Its columns
    are `NAME.COLUMN` in every question, and `NAME.known` says whether there is a row; transform `lookup` writes them
    into events.

    Rows come from dumps (`trackway lookup load NAME FILE`), or are the events of a `source`, such as one that pulls a
    CRM.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True, populate_by_name=True
    )
    key: Annotated[list[str], BeforeValidator(_listed)] = Field(min_length=1, max_length=4)
    """The column, or columns, that name a row. Headers of dumps may be written otherwise: `Account ID` is
    `account_id`."""
    on: dict[str, str] = {}
    """For each column of the key, the column of events that holds it; of the same name when left out."""
    columns: list[str] = []
    """The columns that are kept; all when left out."""
    valid_from: str = ""
    """The column that says since when a row is so, such as `updated_at`; when left out, since its dump was made."""
    complete: bool = True
    """Whether a dump holds all rows: one that it lacks is gone from then on."""
    backfill: bool = True
    """Whether what the first dump says holds for all time before it, too."""
    as_of: Literal["event", "latest"] = "event"
    """Which version of a row an event finds: the one that held when it happened, or the latest."""
    source: str = ""
    """The source whose events are the rows, each valid since it happened."""
    gone: Condition | None = None
    """A row for which this is true is gone, such as `deleted`. Of the columns of the row."""

    @field_validator("columns")
    @classmethod
    def _with_the_key(cls, value: list[str], info: ValidationInfo) -> list[str]:
        lacking = [name for name in info.data.get("key", []) if name not in value]
        return [*lacking, *value] if value else value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(set(self.key)) < len(self.key):
            raise ValueError("a column is in the key twice")
        for name in self.on:
            if name not in self.key:
                raise ValueError(f"'{name}' in on is not in the key")
        if KNOWN in (*self.key, *self.columns):
            raise ValueError(f"'{KNOWN}' says whether there is a row, and cannot be a column of it")
        if self.source and self.valid_from:
            raise ValueError("the events of a source are valid since they happened: leave valid_from out")
        return self

    def by(self) -> list[str]:
        """The columns of events that hold the key."""
        return [self.on.get(name, name) for name in self.key]
