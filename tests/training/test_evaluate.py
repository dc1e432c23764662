from __future__ import annotations

from pathlib import Path

from pipeline.media import read_clip
from training.data import Item
from training.evaluate import action_figures


def test_the_labels_are_the_models_whatever_the_data_has(lstm, encoder, bikes, capsys):
    bikes_features = encoder.encode_clip(read_clip(bikes))
    *_, last = lstm.predict(bikes_features)
    ((likeliest, _),) = lstm.top(last, 1)
    items = [Item("web", str(k), label, (Path("clip.mp4"),)) for k, label in enumerate([likeliest, "an unknown label"])]
    figures = action_figures(lstm, items, [bikes_features, bikes_features])
    assert figures["all"] == {"clips": 1, "top1": 1.0, "top5": 1.0}
    assert "1 of 2 items are left out" in capsys.readouterr().out
