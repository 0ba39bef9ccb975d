"""The errors of the Lambda API: code, HTTP status, body and message, in AWS's own words.

The body is JSON. Some exceptions carry their text under "Message", others under "message", and
some leave out "Type"; each constructor below follows what the service was recorded to send.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


class ApiError(Exception):
    """A refusal of the Lambda API.

    `status` is the HTTP status; `type` goes into the body as "Type" ("User" for a fault of the
    caller, "Service" for one of the service, None to leave it out); `message_key` is "message" or
    "Message"; `fields` are further entries of the body; `headers` further response headers.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        type: str | None = "User",
        message_key: str = "message",
        fields: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.type = type
        self.message_key = message_key
        self.fields = dict(fields or {})
        self.extra_headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the JSON body: further fields, then Type, then the message."""
        content: dict[str, object] = dict(self.fields)
        if self.type is not None:
            content["Type"] = self.type
        content[self.message_key] = self.message
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()

    def headers(self) -> dict[str, str]:
        """Return the response headers that belong to the error."""
        return {
            "Content-Type": "application/json",
            "x-amzn-ErrorType": self.code,
            **self.extra_headers,
        }


# Exceptions of the service model, one constructor each.


def invalid_parameter(message: str) -> ApiError:
    """400 InvalidParameterValueException."""
    return ApiError("InvalidParameterValueException", message, status=400)


def invalid_request_content(message: str) -> ApiError:
    """400 InvalidRequestContentException."""
    return ApiError("InvalidRequestContentException", message, status=400)


def validation(message: str) -> ApiError:
    """400 ValidationException: a value breaks a constraint of the service model."""
    return ApiError("ValidationException", message, status=400, type=None)


def serialization_error(message: str) -> ApiError:
    """400 SerializationException: the body is not JSON, or a field has the wrong JSON type."""
    return ApiError("SerializationException", message, status=400, type=None, message_key="Message")


def policy_length_exceeded(message: str) -> ApiError:
    """400 PolicyLengthExceededException: the resource policy is larger than 20 KB."""
    return ApiError("PolicyLengthExceededException", message, status=400)


def access_denied(message: str) -> ApiError:
    """403 AccessDeniedException."""
    return ApiError("AccessDeniedException", message, status=403, type=None, message_key="Message")


def resource_not_found(message: str) -> ApiError:
    """404 ResourceNotFoundException."""
    return ApiError("ResourceNotFoundException", message, status=404, message_key="Message")


def resource_conflict(message: str) -> ApiError:
    """409 ResourceConflictException."""
    return ApiError("ResourceConflictException", message, status=409)


def precondition_failed(message: str) -> ApiError:
    """412 PreconditionFailedException."""
    return ApiError("PreconditionFailedException", message, status=412)


def request_too_large(limit_bytes: int, operation: str) -> ApiError:
    """413 RequestEntityTooLargeException: the request body is over the limit.

    `limit_bytes` is the figure to name, for Invoke `quotas.SYNC_REQUEST_STATED_BYTES`; `operation`
    is the operation's name. The service calls Invoke "InvokeFunction" here.
    """
    name = "InvokeFunction" if operation == "Invoke" else operation
    return ApiError(
        "RequestEntityTooLargeException",
        f"Request must be smaller than {limit_bytes} bytes for the {name} operation",
        status=413,
        type=None,
        message_key="Message" if operation == "Invoke" else "message",
    )


def zip_too_large(limit_bytes: int) -> ApiError:
    """413 RequestEntityTooLargeException: the zip file in the request is over `limit_bytes`."""
    return ApiError(
        "RequestEntityTooLargeException",
        f"Zipped size must be smaller than {limit_bytes} bytes",
        status=413,
        type=None,
    )


def too_many_requests(reason: str, *, retry_after_s: int | None = None) -> ApiError:
    """429 TooManyRequestsException; `reason` is one of the model's ThrottleReason values."""
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return ApiError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        status=429,
        fields={"Reason": reason},
        headers=headers,
    )


def service_exception(message: str) -> ApiError:
    """500 ServiceException: the lab's own failure, never the learner's."""
    return ApiError("ServiceException", message, status=500, type="Service", message_key="Message")


def not_served(operation: str) -> ApiError:
    """501: an operation of AWS that this lab leaves out, said plainly."""
    return ApiError(
        "NotImplementedException",
        f"The operation {operation} is not part of this lab. It exists on AWS; the lab serves "
        "functions, versions, aliases, layers, permissions, tags, concurrency, settings of "
        "asynchronous invocation, event source mappings, account settings and Invoke.",
        status=501,
        type="Service",
    )


# Ready-made texts.


def function_not_found(arn: str) -> ApiError:
    """The function, version or alias does not exist; `arn` ends with the qualifier asked for."""
    return resource_not_found(f"Function not found: {arn}")


def other_region(asked: str, here: str) -> ApiError:
    """The ARN names a function of another Region."""
    return resource_not_found(
        f"Functions from '{asked}' are not reachable in this region ('{here}')"
    )


def no_such_resource() -> ApiError:
    """Policies, function URLs and mappings that do not exist."""
    return resource_not_found("The resource you requested does not exist.")


def alias_not_found(alias_arn: str) -> ApiError:
    """GetAlias, UpdateAlias: no such alias."""
    return resource_not_found(f"Cannot find alias arn: {alias_arn}")


def no_provisioned_concurrency() -> ApiError:
    """404 ProvisionedConcurrencyConfigNotFoundException."""
    return ApiError(
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        status=404,
    )


def already_provisioned_version() -> ApiError:
    """A provisioned alias cannot point at a version that is provisioned for itself."""
    return resource_conflict(
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned "
        "version"
    )


def alias_exists(alias_arn: str) -> ApiError:
    """CreateAlias: the name is taken."""
    return resource_conflict(f"Alias already exists: {alias_arn}")


def function_exists(name: str) -> ApiError:
    """CreateFunction: the name is taken."""
    return resource_conflict(f"Function already exist: {name}")


def state_pending(state: str = "Pending") -> ApiError:
    """Invoke or update while the function's state does not allow it."""
    return resource_conflict(
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {state}"
    )


def update_in_progress(arn: str) -> ApiError:
    """Update while another update is running."""
    return resource_conflict(
        "The operation cannot be performed at this time. "
        f"An update is in progress for resource: {arn}"
    )


def qualifiers_differ() -> ApiError:
    """The name carries one qualifier and the parameter another."""
    return invalid_parameter(
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def stale_revision(getters: str = "GetFunction/GetAlias") -> ApiError:
    """The RevisionId is not the latest; `getters` names the operations that tell the latest."""
    return precondition_failed(
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {getters} API to retrieve the latest Revision Id"
    )


def bad_payload(parser_text: str) -> ApiError:
    """Invoke: the payload is not JSON."""
    return invalid_request_content(
        f"Could not parse request body into json: Could not parse payload into json: {parser_text}"
    )


def not_authorized(caller_arn: str, action: str, resource_arn: str, because: str) -> ApiError:
    """The caller's permissions do not allow the action; `because` names the missing policy."""
    return access_denied(
        f"User: {caller_arn} is not authorized to perform: {action} "
        f"on resource: {resource_arn} because {because}"
    )


def role_not_assumable() -> ApiError:
    """The execution role does not exist, or does not trust Lambda."""
    return invalid_parameter("The role defined for the function cannot be assumed by Lambda.")


def unzipped_too_large(limit_bytes: int) -> ApiError:
    """The unzipped package with its layers is over `limit_bytes`."""
    return invalid_parameter(f"Unzipped size must be smaller than {limit_bytes} bytes")


def unreadable_zip() -> ApiError:
    """The deployment package is not a zip file."""
    return invalid_parameter(
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )


def latest_cannot_be_deleted() -> ApiError:
    """DeleteFunction with the qualifier $LATEST."""
    return invalid_parameter("$LATEST version cannot be deleted without deleting the function.")


def too_many_tags() -> ApiError:
    """TagResource or CreateFunction with more than fifty tags."""
    return invalid_parameter("Number of tags exceeds resource tag limit.")
