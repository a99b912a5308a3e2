"""Rules for the ops of layers, which ONNX has operators for."""

from __future__ import annotations
