"""A clip's reading as JSON."""

from __future__ import annotations

import json

from pipeline.analysis.reading import ClipReading

TOP = 5  # labels a step


def reading_json(reading: ClipReading, caption: str, cell: str) -> str:
    """The answer, the sentence, and the likeliest labels after every frame; times are in seconds."""
    prediction = reading.prediction
    steps = [
        {
            "time": round(step.time, 3),
            "answer": answer.label,
            "sure": answer.is_sure,
            "top": [[reading.labels[k], round(float(step.probabilities[k]), 4)] for k in ranked[:TOP]],
        }
        for step, answer in zip(reading.steps, reading.answers, strict=True)
        for ranked in [reading.rule.ranked(step.probabilities)]
    ]
    data = {
        "answer": prediction.label,
        "probability": round(prediction.probability, 4),
        "sure": prediction.is_confident,
        "caption": caption,
        "cell": cell,
        "duration": round(reading.duration, 3),
        "steps": steps,
    }
    return json.dumps(data, indent=1)
