"""Bounded traffic for the demo: mostly good requests, and each kind of trouble now and then."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import httpx

REQUESTS_PER_SECOND: Final = 8.0
MAX_REQUESTS: Final = 20_000
TIMEOUT_S: Final = 10.0
# Clients that hang up do so after this time: the slow report takes longer.
PATIENCE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request.

    Attributes:
        kind: What it shows.
        weight: Its share among all.
        method: HTTP method.
        path: At the api service.
        body: JSON body.
        hangs_up: The client leaves before the answer.
    """

    kind: str
    weight: int
    method: str
    path: str
    body: dict[str, str] | None = None
    hangs_up: bool = False


def _ask(organization: str, question: str) -> dict[str, str]:
    return {"organization": organization, "question": question}


REQUESTS: Final = (
    *(
        Request("through all four", 4, "POST", "/api/analyses", _ask(slug, "Why do we waste?"))
        for slug in ("acme", "globex", "initech", "hooli")
    ),
    Request("low confidence", 4, "POST", "/api/analyses", _ask("umbrella", "Why the leak?")),
    Request("without a model", 4, "POST", "/api/analyses", _ask("acme", "Show our emissions")),
    Request("read", 6, "GET", "/api/organizations/globex/emissions"),
    Request("slow query", 2, "POST", "/api/analyses", _ask("acme", "slow annual report")),
    Request("hangs up", 1, "POST", "/api/analyses", _ask("acme", "slow report"), hangs_up=True),
    Request("not found", 2, "GET", "/api/organizations/nobody/emissions"),
    Request("invalid", 1, "POST", "/api/analyses", _ask("acme", "")),
    Request("server error", 1, "GET", "/api/reports/broken"),
)


@dataclass
class Traffic:
    """Sends requests from a thread until it is stopped, or `MAX_REQUESTS` are sent.

    Attributes:
        base_url: Of the api service.
        sent: Requests by kind.
        outcomes: Status codes, `hung up`, or the name of a transport error.
    """

    base_url: str
    sent: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the request under way."""
        self._stopped.set()
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        chance = random.Random(0)
        weights = [request.weight for request in REQUESTS]
        # Each kind once, then by weight: a short run has seen everything.
        order = list(REQUESTS)
        next_at = time.monotonic()
        with httpx.Client(base_url=self.base_url, timeout=TIMEOUT_S, trust_env=False) as client:
            for _ in range(MAX_REQUESTS):
                request = order.pop(0) if order else chance.choices(REQUESTS, weights)[0]
                self._send(client, request)
                next_at = max(next_at + 1 / REQUESTS_PER_SECOND, time.monotonic())
                if self._stopped.wait(max(0.0, next_at - time.monotonic())):
                    return

    def _send(self, client: httpx.Client, request: Request) -> None:
        self.sent[request.kind] += 1
        try:
            response = client.request(
                request.method,
                request.path,
                json=request.body,
                timeout=PATIENCE_S if request.hangs_up else TIMEOUT_S,
            )
            self.outcomes[str(response.status_code)] += 1
        except httpx.TimeoutException:
            self.outcomes["hung up"] += 1
        except httpx.HTTPError as error:
            self.outcomes[type(error).__name__] += 1
