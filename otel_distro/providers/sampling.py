"""Which traces are recorded, and what their ids are."""

from typing import Any, Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import TraceState

from otel_distro.providers.isolation import name_failure
from otel_distro.providers.plugins import make_plugin
from otel_distro.settings import Sampling, Settings

_RANDOM: Final = RandomIdGenerator()


def create_sampler(sampling: Sampling) -> Sampler:
    """Build the sampler; where a plugin fails, the standard one."""
    argument: float | str | None = sampling.argument
    if sampling.sampler == "traceidratio":
        return TraceIdRatioBased(float(argument or 1))
    if sampling.sampler == "parentbased_traceidratio":
        return ParentBased(TraceIdRatioBased(float(argument or 1)))
    sampler = make_plugin(Sampler, "opentelemetry_traces_sampler", sampling.sampler, argument)
    # Not None: the SDK would read the name again then, and complain that it does not know it.
    return sampler if isinstance(sampler, Sampler) else DEFAULT_ON


def create_id_generator(settings: Settings) -> IdGenerator | None:
    """Build the id generator; None, the SDK's default, where a plugin fails."""
    if settings.id_generator == "random":
        return None
    generator = make_plugin(IdGenerator, "opentelemetry_id_generator", settings.id_generator)
    return generator if isinstance(generator, IdGenerator) else None


def isolated_sampler(sampler: Sampler) -> Sampler:
    """Return a sampler that does not raise; one of the SDK's as it is."""
    return sampler if _is_sdks(sampler) else _IsolatedSampler(sampler)


def isolated_id_generator(generator: IdGenerator) -> IdGenerator:
    """Return an id generator that does not raise; one of the SDK's as it is."""
    return generator if _is_sdks(generator) else _IsolatedIdGenerator(generator)


def _is_sdks(part: object) -> bool:
    # One of the SDK's may ask others, as `ParentBased` does.
    asked = (one for one in getattr(part, "__dict__", {}).values() if isinstance(one, Sampler))
    return type(part).__module__.startswith("opentelemetry.sdk.trace.") and all(
        _is_sdks(one) for one in asked
    )


class _IsolatedSampler(Sampler):
    """Decides as the standard sampler where the other one fails; else it is the other one."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is there
        if name == "_sampler":  # not yet set: while it is copied, for one
            raise AttributeError(name)
        return getattr(self._sampler, name)

    def should_sample(self, *arguments: Any, **more: Any) -> SamplingResult:  # noqa: ANN401
        try:
            result = self._sampler.should_sample(*arguments, **more)
            if not isinstance(result.decision, Decision):
                raise TypeError(f"its decision is {type(result.decision).__name__}")  # noqa: TRY301
            if result.trace_state is not None and not isinstance(result.trace_state, TraceState):
                raise TypeError(f"its state is {type(result.trace_state).__name__}")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - the sampler's
            name_failure(self._sampler, "should_sample", error, "the standard sampler decides")
            return DEFAULT_ON.should_sample(*arguments, **more)
        return result

    def get_description(self) -> str:
        try:
            return str(self._sampler.get_description())
        except Exception as error:  # noqa: BLE001 - the sampler's
            name_failure(self._sampler, "get_description", error, "it has no description")
            return type(self._sampler).__name__


class _IsolatedIdGenerator(IdGenerator):
    """Random ids where the other generator fails; else it is the other one."""

    def __init__(self, generator: IdGenerator) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is there
        if name == "_generator":  # not yet set: while it is copied, for one
            raise AttributeError(name)
        return getattr(self._generator, name)

    def generate_span_id(self) -> int:
        return self._generate("generate_span_id", 64)

    def generate_trace_id(self) -> int:
        return self._generate("generate_trace_id", 128)

    def is_trace_id_random(self) -> bool:
        try:
            return bool(self._generator.is_trace_id_random())
        except Exception as error:  # noqa: BLE001 - the generator's
            name_failure(self._generator, "is_trace_id_random", error, "taken for no")
            return False

    def _generate(self, method: str, bits: int) -> int:
        try:
            made = getattr(self._generator, method)()
            if not isinstance(made, int) or not 0 < made < 2**bits:
                raise ValueError(f"an id that is no number of {bits} bits")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - the generator's
            name_failure(self._generator, method, error, "a random id is used")
            random: int = getattr(_RANDOM, method)()
            return random
        return made
