"""Machine learning models."""

from otel_distro.instruments import recorder
from otel_distro.notices import notice


def prediction(*, model: str, confidence: float, version: str | None = None) -> None:
    """Report a prediction.

    Args:
        model: Its name, of a bounded set.
        confidence: How sure the model is, from 0 to 1. Anything else is said once and left out.
        version: Of the model.
    """
    if isinstance(confidence, bool) or not _between_0_and_1(confidence):
        notice(
            f"ml.prediction {model}",
            f"ml.prediction of {model}: the confidence {confidence!r:.60} is no number from 0 to "
            "1, and is left out. Give the probability of the predicted class.",
        )
        return
    attributes = {"model": model}
    if version is not None:
        attributes["model_version"] = version
    recorder.histogram("ml.prediction_confidence").record(float(confidence), attributes)


def _between_0_and_1(value: object) -> bool:
    try:
        return 0 <= float(value) <= 1  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
