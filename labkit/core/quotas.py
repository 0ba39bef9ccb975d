"""The quotas of AWS Lambda, as of November 2026; units are in the names.

Each group names where AWS states it: the Lambda developer guide (page "Lambda quotas"), the
service model that botocore carries, or the error texts that the service itself gives.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Function settings. Source: developer guide, "Lambda quotas" and the pages of each setting.
MEMORY_MB_DEFAULT: Final = 128
MEMORY_MB_MIN: Final = 128
MEMORY_MB_MAX: Final = 10_240
TIMEOUT_S_DEFAULT: Final = 3
TIMEOUT_S_MIN: Final = 1
TIMEOUT_S_MAX: Final = 900
EPHEMERAL_STORAGE_MB_DEFAULT: Final = 512
EPHEMERAL_STORAGE_MB_MIN: Final = 512
EPHEMERAL_STORAGE_MB_MAX: Final = 10_240
ENVIRONMENT_VARIABLES_MAX_BYTES: Final = 4 * KIB
LAYERS_PER_FUNCTION_MAX: Final = 5
RESOURCE_POLICY_MAX_BYTES: Final = 20 * KIB
TAGS_PER_RESOURCE_MAX: Final = 50

# Lengths of texts. Source: service model (FunctionName counts the whole ARN).
FUNCTION_NAME_MAX_LENGTH: Final = 64
FUNCTION_ARN_MAX_LENGTH: Final = 140
NAMESPACED_FUNCTION_ARN_MAX_LENGTH: Final = 256
HANDLER_MAX_LENGTH: Final = 128
DESCRIPTION_MAX_LENGTH: Final = 256
ALIAS_MAX_LENGTH: Final = 128
QUALIFIER_MAX_LENGTH: Final = 128
LAYER_NAME_MAX_LENGTH: Final = 140
LOG_GROUP_NAME_MAX_LENGTH: Final = 512

# Payloads. Source: developer guide; the service enforces 100 bytes above 6 MiB. The error of a
# response names that figure, the error of a request the round one.
SYNC_REQUEST_MAX_BYTES: Final = 6 * MIB + 100
SYNC_REQUEST_STATED_BYTES: Final = 6 * MIB
SYNC_RESPONSE_MAX_BYTES: Final = 6 * MIB + 100
STREAMED_RESPONSE_MAX_BYTES: Final = 200 * MIB
ASYNC_REQUEST_MAX_BYTES: Final = 1 * MIB
INVOKE_ASYNC_REQUEST_MAX_BYTES: Final = 256 * KIB
REQUEST_HEADERS_MAX_BYTES: Final = 1 * MIB
CLIENT_CONTEXT_MAX_BYTES: Final = 3_583
LOG_TAIL_MAX_BYTES: Final = 4 * KIB

# Deployment packages. Source: error texts of CreateFunction; developer guide.
ZIP_UPLOAD_MAX_BYTES: Final = 50 * MIB
CREATE_FUNCTION_REQUEST_MAX_BYTES: Final = 70_167_211
UNZIPPED_MAX_BYTES: Final = 250 * MIB
CODE_STORAGE_MAX_BYTES: Final = 300 * 1024 * MIB
CONTAINER_IMAGE_MAX_BYTES: Final = 10 * 1024 * MIB

# Operating system of an environment. Source: developer guide; limits recorded in a function.
FILE_DESCRIPTORS_MAX: Final = 1_024
PROCESSES_AND_THREADS_MAX: Final = 1_024
LOCKED_MEMORY_MAX_BYTES: Final = 64 * KIB
STACK_BYTES: Final = 8 * MIB
CORE_FILE_MAX_BYTES: Final = 10 * 1024 * MIB

# Phases of an environment. Source: developer guide, "Lambda execution environment lifecycle".
INIT_TIMEOUT_S: Final = 10
INIT_TIMEOUT_PREPARED_S: Final = 130
SHUTDOWN_MS_WITHOUT_EXTENSIONS: Final = 0
SHUTDOWN_MS_INTERNAL_EXTENSION: Final = 500
SHUTDOWN_MS_EXTERNAL_EXTENSIONS: Final = 2_000

# Concurrency and rates. Source: developer guide, "Understanding function scaling".
ACCOUNT_CONCURRENCY_DEFAULT: Final = 1_000
UNRESERVED_CONCURRENCY_MIN: Final = 100
SCALING_ENVIRONMENTS: Final = 1_000
SCALING_PERIOD_S: Final = 10
SYNC_REQUESTS_PER_S_PER_CONCURRENCY: Final = 10
PROVISIONED_ENVIRONMENTS_PER_MINUTE: Final = 6_000
CONTROL_PLANE_REQUESTS_PER_S: Final = 15
GET_FUNCTION_REQUESTS_PER_S: Final = 100
GET_POLICY_REQUESTS_PER_S: Final = 15

# Asynchronous invocation. Source: service model.
EVENT_AGE_S_MIN: Final = 60
EVENT_AGE_S_MAX: Final = 21_600
EVENT_AGE_S_DEFAULT: Final = 21_600
RETRY_ATTEMPTS_MIN: Final = 0
RETRY_ATTEMPTS_MAX: Final = 2
RETRY_ATTEMPTS_DEFAULT: Final = 2
# The waits are documented (developer guide, "How Lambda handles errors and retries").
ASYNC_RETRY_DELAYS_S: Final = (60.0, 120.0)
ASYNC_BACKOFF_FIRST_S: Final = 1.0
RECURSION_MAX: Final = 16
DEAD_LETTER_ERROR_MESSAGE_MAX_BYTES: Final = KIB

# Event source mappings. Source: service model; developer guide, the page of each event source.
BATCH_SIZE_SQS_DEFAULT: Final = 10
BATCH_SIZE_STREAM_DEFAULT: Final = 100
BATCH_SIZE_MAX: Final = 10_000
BATCH_SIZE_FIFO_MAX: Final = 10
BATCH_SIZE_WITHOUT_WINDOW_MAX: Final = 10
BATCHING_WINDOW_S_MAX: Final = 300
BATCH_PAYLOAD_MAX_BYTES: Final = 6 * MIB
PARALLELIZATION_FACTOR_MAX: Final = 10
RECORD_AGE_S_MIN: Final = 60
RECORD_AGE_S_MAX: Final = 604_800
RECORD_RETRY_ATTEMPTS_MAX: Final = 10_000
TUMBLING_WINDOW_S_MAX: Final = 900
FILTERS_MAX: Final = 5
SQS_MAXIMUM_CONCURRENCY_MIN: Final = 2
SQS_MAXIMUM_CONCURRENCY_MAX: Final = 1_000
SQS_POLLERS_AT_START: Final = 5
SQS_CONCURRENCY_PER_MINUTE: Final = 300
SQS_CONCURRENCY_MAX: Final = 1_250
SQS_LONG_POLL_S: Final = 20
SQS_RECEIVE_MAX: Final = 10
SQS_PROVISIONED_POLLERS_MIN_DEFAULT: Final = 2
SQS_PROVISIONED_POLLERS_MAX_DEFAULT: Final = 200
SQS_CONCURRENCY_PER_PROVISIONED_POLLER: Final = 10
SQS_PROVISIONED_CONCURRENCY_PER_MINUTE: Final = 1_000
KINESIS_POLLS_PER_S: Final = 1
DYNAMODB_POLLS_PER_S: Final = 4
KINESIS_POLL_RECORDS_MAX: Final = 10_000
DYNAMODB_POLL_RECORDS_MAX: Final = 1_000

# Aliases and function URLs. Source: service model.
ADDITIONAL_VERSION_WEIGHTS_MAX: Final = 1
URL_CORS_MAX_AGE_S_MAX: Final = 86_400
URL_CORS_METHODS_MAX: Final = 6
URL_CORS_ORIGINS_MAX: Final = 100
