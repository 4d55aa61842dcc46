"""Where each signal goes, and in what batches."""

from base64 import b64encode
from functools import partial
from typing import Final, TypeVar, cast, get_args
from urllib.parse import unquote, urlsplit

from otel_distro.delivery import Batching, Compression, Endpoint, Protocol, Signal
from otel_distro.settings import names, parsing
from otel_distro.settings.model import Export, InCode
from otel_distro.settings.parsing import Invalid, Parser
from otel_distro.settings.reader import Reader

T = TypeVar("T")

_DEFAULT_URL: Final[dict[Protocol, str]] = {
    "http/protobuf": "http://localhost:4318",
    "grpc": "http://localhost:4317",
}
_OTLP_ONLY: Final[tuple[str, ...]] = ("otlp",)
# Logs are sent sooner than spans, as specified.
_BATCHES: Final[dict[Signal, Batching]] = {
    "traces": Batching(),
    "logs": Batching(schedule_delay_ms=1000),
}


def read_export(reader: Reader, signal: Signal, said: InCode) -> Export:
    """Read which exporters one signal has, and its OTLP endpoint."""
    exporters = reader.get(
        names.EXPORTERS[signal],
        partial(
            parsing.components,
            group=f"opentelemetry_{signal}_exporter",
            known={"otlp", "console", "none"},
        ),
        _OTLP_ONLY,
    )
    by_name = "grpc" if "otlp_proto_grpc" in exporters else "http/protobuf"
    return Export(
        exporters=tuple(name for name in exporters if name != "none"),
        endpoint=_endpoint(_OfSignal(reader, signal), said, by_name),
    )


# Milliseconds, as the specification has it. Python's exporters read seconds: a `10` is most
# likely meant as those.
_TIMEOUT: Final = partial(parsing.whole_number, unit="milliseconds", minimum=100, example=10_000)


class _OfSignal:
    """Reads OTLP settings of one signal; where it has none of its own, the general ones."""

    def __init__(self, reader: Reader, signal: Signal) -> None:
        self.reader = reader
        self.signal = signal

    def get(self, setting: str, parser: Parser[T], default: T, instead: str | None = None) -> T:
        general = self.reader.get(names.otlp(setting), parser, default, instead=instead)
        own = names.otlp(setting, self.signal)
        if instead is not None and general is not default:
            instead = f"those of {names.otlp(setting)}"
        return self.reader.get(own, parser, general, instead=instead)

    def name_of(self, setting: str) -> str:
        """Return the variable that says it."""
        own = names.otlp(setting, self.signal)
        return own if self.reader.text(own) is not None else names.otlp(setting)


def _endpoint(otlp: _OfSignal, said: InCode, by_name: str) -> Endpoint:
    protocol: Protocol = cast(
        "Protocol", otlp.get("PROTOCOL", partial(parsing.choice, of=get_args(Protocol)), by_name)
    )
    client_key, client_certificate = _client_certificate(otlp)
    headers = partial(parsing.pairs, secret=True, lower=True)
    timeout_ms = otlp.get("TIMEOUT", _TIMEOUT, 10_000)
    compressions = partial(parsing.choice, of=get_args(Compression))
    url, credentials = _without_credentials(_url(otlp, protocol, said))
    sent = said.headers or otlp.get("HEADERS", headers, dict[str, str](), "no headers")
    return Endpoint(
        url=url,
        protocol=protocol,
        headers={**credentials, **sent},
        timeout_s=timeout_ms / 1000,
        compression=cast("Compression", otlp.get("COMPRESSION", compressions, "none")),
        insecure=otlp.get("INSECURE", optional(parsing.boolean), None),
        certificate=otlp.get("CERTIFICATE", optional(parsing.readable_file), None),
        client_key=client_key,
        client_certificate=client_certificate,
    )


def _url(otlp: _OfSignal, protocol: Protocol, said: InCode) -> str:
    url = partial(parsing.url, bare_host=protocol == "grpc")
    base = otlp.reader.get(names.otlp("ENDPOINT"), url, _DEFAULT_URL[protocol])
    base = said.endpoint or base
    # Of the general endpoint only HTTP gets a path; a signal's own is used as it stands.
    whole = base if protocol == "grpc" else f"{base.rstrip('/')}/v1/{otlp.signal}"
    if said.endpoint is not None:
        return whole
    own = names.otlp("ENDPOINT", otlp.signal)
    if otlp.reader.text(own) is None:
        whole = _url_of_the_seed(otlp, own, url, whole)
    return otlp.reader.get(own, url, whole)


def _url_of_the_seed(otlp: _OfSignal, own: str, url: Parser[str], otherwise: str) -> str:
    """Read the seed's name for the endpoint of a signal: used where no standard one is set."""
    name = names.SEED_ENDPOINTS.get(otlp.signal, "")
    if otlp.reader.text(name) is None:
        return otherwise
    if otlp.reader.text(names.otlp("ENDPOINT")) is not None:
        hint = f"{name} is not used, because {names.otlp('ENDPOINT')} is set. Use {own}."
    else:
        otherwise = otlp.reader.get(name, url, otherwise)
        hint = f"{name} is used as the endpoint of {otlp.signal}. Use {own}, the standard name."
    # The application's own, which it may read itself.
    if otlp.reader.corrections.pop(name, own) == own:
        otlp.reader.problems.append(hint)
    # Also for child processes, which then do not repeat the line.
    otlp.reader.corrections[own] = otherwise
    return otherwise


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """Take `user:password@` out of a URL, which is shown in errors, into a header, which is not."""
    parts = urlsplit(url)
    user, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, {}
    basic = b64encode(unquote(user).encode()).decode()
    return parts._replace(netloc=host).geturl(), {"authorization": f"Basic {basic}"}


def _client_certificate(otlp: _OfSignal) -> tuple[str | None, str | None]:
    key = otlp.get("CLIENT_KEY", optional(parsing.readable_file), None)
    certificate = otlp.get("CLIENT_CERTIFICATE", optional(parsing.readable_file), None)
    if (key is None) == (certificate is None):
        return key, certificate
    present, missing = "CLIENT_KEY", "CLIENT_CERTIFICATE"
    if key is None:
        present, missing = missing, present
    otlp.reader.refuse(
        otlp.name_of(present),
        Invalid("is set without its other half", f"it together with {names.otlp(missing)}"),
        "using no client certificate",
    )
    return None, None


def optional(parser: Parser[T]) -> Parser[T | None]:
    """Widen a parser's type for a default of None."""
    return parser


def read_batch(reader: Reader, signal: Signal) -> Batching:
    """Read how the records of one signal are batched."""
    prefix, default = names.BATCHES[signal], _BATCHES[signal]
    size_name = f"{prefix}_{names.MAX_EXPORT_BATCH_SIZE}"
    queue = reader.get(
        f"{prefix}_{names.MAX_QUEUE_SIZE}",
        partial(parsing.count, example=default.max_queue_size),
        default.max_queue_size,
    )
    fitting = min(default.max_export_batch_size, queue)
    size = reader.get(size_name, partial(parsing.count, example=fitting), fitting)
    if size > queue:
        reader.refuse(
            size_name,
            Invalid(f"is above the queue's size {queue}", f"at most {queue}", kept=str(queue)),
            f"using {queue}",
        )
        size = queue
    return Batching(
        max_queue_size=queue,
        max_export_batch_size=size,
        schedule_delay_ms=reader.get(
            f"{prefix}_{names.SCHEDULE_DELAY}",
            partial(parsing.milliseconds, example=default.schedule_delay_ms),
            default.schedule_delay_ms,
        ),
        export_timeout_ms=reader.get(
            f"{prefix}_{names.EXPORT_TIMEOUT}",
            partial(parsing.milliseconds, example=default.export_timeout_ms),
            default.export_timeout_ms,
        ),
    )
