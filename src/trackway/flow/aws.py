"""Who we are to AWS, and what its errors mean: shared by all sources that live there, or speak as if they did."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from trackway.errors import SourceError, optional
from trackway.flow.pulling import unreachable
from trackway.model.secret import Secret
from trackway.plan.component import Component

PATIENCE = 10.0
"""Seconds that a service has to be reached."""
SILENCE = 60.0
"""Seconds that it may be silent while it answers."""
SLOW = (
    "ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException", "Throttling",
    "RequestLimitExceeded", "SlowDown", "InternalFailure", "ServiceUnavailable", "KMSThrottlingException",
)  # fmt: skip
"""Codes that mean: later."""
STRANGER = (
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "InvalidAccessKeyId", "InvalidClientTokenId", "MissingAuthenticationToken", "SignatureDoesNotMatch",
    "UnrecognizedClientException", "AllAccessDisabled", "KMSAccessDeniedException", "403",
)  # fmt: skip
"""Codes that mean: not you."""


class Account(Component):
    """Options of a source in AWS. Without keys, those of the machine are taken, in the order of AWS' own tools:
    environment, files in `~/.aws`, the role of the container or the instance.
    """

    region: str = ""
    """Such as `eu-west-1`; that of the environment when left out."""
    endpoint: str = ""
    """Address of what speaks the protocol but is not AWS, such as `http://127.0.0.1:9000`."""
    access_key: str = ""
    """The id of a key; with `secret_key`."""
    secret_key: Secret | None = None
    """The secret of the key."""
    session_token: Secret | None = None
    """Of a key that is only lent."""
    profile: str = Field(default="")
    """A profile in `~/.aws/config`, which may also say which role is taken on."""

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        if bool(self.access_key) != (self.secret_key is not None):
            raise ValueError("access_key and secret_key go together")
        return self

    def client(self, service: str, *, attempts: int = 5, numbers: bool = False) -> Any:
        """A client of a service, that tries `attempts` times; its times are `numbers` (seconds since 1970) for who
        reads many of them, else datetimes. Raises SourceError, and MissingDriver.
        """
        with optional(f"sources.{service}", "aws"):
            import boto3
            import botocore.session
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        config = Config(
            connect_timeout=PATIENCE, read_timeout=SILENCE, user_agent_extra="trackway", max_pool_connections=16,
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        )  # fmt: skip
        try:
            made = botocore.session.get_session()
            if numbers:
                made.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)
            session = boto3.Session(
                aws_access_key_id=self.access_key or None, aws_secret_access_key=str(self.secret_key or "") or None,
                aws_session_token=str(self.session_token or "") or None, region_name=self.region or None,
                profile_name=self.profile or None, botocore_session=made,
            )  # fmt: skip
            return session.client(service, endpoint_url=self.endpoint or None, config=config)
        except (BotoCoreError, ValueError) as error:
            raise SourceError(f"AWS cannot be asked: {error}", hint="check region, profile and endpoint") from error

    def explained(self, error: Exception) -> SourceError:
        """What boto3 raised, with what to do about it."""
        from botocore import exceptions as kinds

        if isinstance(error, kinds.ClientError):
            if code(error) in STRANGER:
                return SourceError(f"not allowed: {error}", hint="check the keys, and the policy they are under")
            return SourceError(f"refused: {error}", hint="check the options")
        if isinstance(error, kinds.NoCredentialsError | kinds.PartialCredentialsError | kinds.TokenRetrievalError):
            hint = "set access_key and secret_key, a profile, or what AWS' own tools take from the environment"
            return SourceError(f"nobody to be: {error}", hint=hint)
        return unreachable(self.endpoint or f"AWS in {self.region or 'its region'}", error, "check region and endpoint")


def code(error: Any) -> str:
    """The code of an error that a service answered."""
    return str(error.response.get("Error", {}).get("Code", ""))
