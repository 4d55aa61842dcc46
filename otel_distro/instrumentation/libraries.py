"""Which modules the instrumentors of OpenTelemetry are for."""

from typing import Final


def modules_of(instrumentor: str) -> tuple[str, ...]:
    """Return the modules of which one must be imported before there is anything to instrument.

    None are returned for an instrumentor that nobody knows, and for one of the interpreter's own
    parts that are in use from the start (`asyncio`, `logging`, `threading`, `exceptions`,
    `system_metrics`, `aws-lambda`): it is to be loaded at once.

    Args:
        instrumentor: Its name among the entry points `opentelemetry_instrumentor`.
    """
    return _MODULES.get(instrumentor, ())


# The outermost module of a library: by then those inside it are whole. Source: the packages in
# https://github.com/open-telemetry/opentelemetry-python-contrib and .../opentelemetry-python-genai
_MODULES: Final[dict[str, tuple[str, ...]]] = {
    "aio-pika": ("aio_pika",),
    "aiobotocore": ("aiobotocore",),
    "aiohttp-client": ("aiohttp",),
    "aiohttp-server": ("aiohttp",),
    "aiokafka": ("aiokafka",),
    "aiopg": ("aiopg",),
    "asyncclick": ("asyncclick",),
    "asyncpg": ("asyncpg",),
    "boto3": ("boto3",),
    "botocore": ("botocore",),
    "cassandra": ("cassandra",),
    "celery": ("celery",),
    "click": ("click",),
    "confluent_kafka": ("confluent_kafka",),
    "django": ("django",),
    "falcon": ("falcon",),
    "fastapi": ("fastapi",),
    "flask": ("flask",),
    "google-genai": ("google.genai",),
    "grpc_aio_client": ("grpc",),
    "grpc_aio_server": ("grpc",),
    "grpc_client": ("grpc",),
    "grpc_server": ("grpc",),
    "httpx": ("httpx",),
    "httpx2": ("httpx2",),
    "jinja2": ("jinja2",),
    "kafka": ("kafka",),
    "mysql": ("mysql.connector",),
    "mysqlclient": ("MySQLdb",),
    "openai": ("openai",),
    "openai_agents": ("agents",),
    "pika": ("pika",),
    "psycopg": ("psycopg",),
    "psycopg2": ("psycopg2",),
    "pymemcache": ("pymemcache",),
    "pymongo": ("pymongo",),
    "pymssql": ("pymssql",),
    "pymysql": ("pymysql",),
    "pyramid": ("pyramid",),
    "redis": ("redis",),
    "remoulade": ("remoulade",),
    "requests": ("requests",),
    "sqlalchemy": ("sqlalchemy",),
    "sqlite3": ("sqlite3",),
    "starlette": ("starlette",),
    "structlog": ("structlog",),
    "tornado": ("tornado",),
    "tortoiseorm": ("tortoise",),
    "urllib": ("urllib.request",),
    "urllib3": ("urllib3",),
    "vertexai": ("vertexai", "google.cloud.aiplatform_v1", "google.cloud.aiplatform_v1beta1"),
}
