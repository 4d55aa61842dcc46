"""Machine learning models."""

from otel_distro.instruments import recorder
from otel_distro.instruments.accepted import Refused, number
from otel_distro.instruments.timed import never_raises
from otel_distro.notices import notice


@never_raises
def prediction(*, model: str, confidence: float, version: str | None = None) -> None:
    """Report a prediction.

    Args:
        model: Its name, of a bounded set.
        confidence: How sure the model is, from 0 to 1. Anything else is said once and left out.
        version: Of the model.
    """
    try:
        value = _probability(confidence)
    except Refused as problem:
        notice(
            f"ml.prediction {model}",
            f"ml.prediction of {model}: the confidence is no number from 0 to 1 ({problem}); it is "
            "left out. Give the probability of the predicted class.",
        )
        return
    attributes = {"model": model}
    if version is not None:
        attributes["model_version"] = version
    recorder.histogram("ml.prediction_confidence").record(value, attributes)


def _probability(value: float) -> float:
    plain = number(value)
    if not 0 <= plain <= 1:
        raise Refused(f"the value is {plain}")
    return plain
