"""The small GPT of examples/char_gpt.py, trained here and in PyTorch: same weights, same batches, same steps.

    python -m benchmarks.gpt_against_torch                  some 100,000 parameters, 1,000 steps
    python -m benchmarks.gpt_against_torch --steps 50       quicker

Ours is trained twice: eagerly, and with the whole step compiled. Prints the validation losses in nats a character, how
far they lie from PyTorch's, and what a step takes: the medians of wall-clock and of processor time. They take turns,
some steps each, so that a machine that is busy for a while is busy for all. It needs PyTorch.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import optim
from tinygrad_ce.data import DataLoader, text
from tinygrad_ce.nn import to_torch
from tinygrad_ce.programs.models import GPT
from tinygrad_ce.train import evaluate

NAMES = ("eager", "compiled", "torch")
CONTEXT, WIDTH, LAYERS, HEADS, BATCH, LR, TURN = 64, 64, 2, 4, 32, 0.003, 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Train both, and say what came of it."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpt_against_torch")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1, help="of both (ours: set OPENBLAS_NUM_THREADS to it, too)")
    parser.add_argument("--json", help="write the numbers to this file")
    options = parser.parse_args(arguments)
    if find_spec("torch") is None:
        print("PyTorch is not installed: nothing to compare with")
        return 0
    found = compared(options.steps, options.threads)
    print(f"{found['parameters']:,} parameters, {options.steps} steps of {BATCH} × {CONTEXT} characters, float32")
    for name in NAMES:
        one, theirs = found[name], found["torch"]
        print(
            f"{name:<9} validation loss {one['loss']:.4f} nats; a step {1e3 * one['step']:.1f} ms "
            f"({one['step'] / theirs['step']:.2f} of PyTorch's), {1e3 * one['processor']:.1f} ms of processor time "
            f"({one['processor'] / theirs['processor']:.2f})"
        )
    print(f"apart: {found['apart']:.4f} nats")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)
    return 0


def compared(steps: int, threads: int) -> dict[str, Any]:
    """Both trained for so many steps: losses, times, and how far apart."""
    import torch

    torch.set_num_threads(threads)
    corpus = text()
    train, validation = corpus.split(0.1)
    windows = validation.windows(CONTEXT, stride=CONTEXT)
    models = {name: GPT(len(corpus.vocabulary), CONTEXT, WIDTH, LAYERS, HEADS, rng=0) for name in ("eager", "compiled")}
    rival = theirs(torch, len(corpus.vocabulary))
    rival.load_state_dict(to_torch(models["eager"]))
    runs = {"eager": _ours(models["eager"]), "compiled": tg.compile(_ours(models["compiled"]))}
    runs["torch"] = _torchs(torch, rival)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    batches = _endless(DataLoader(train.windows(CONTEXT, stride=33), BATCH, seed=0))
    for start in range(0, steps, TURN):
        turn = [next(batches) for _ in range(min(TURN, steps - start))]
        for name, step in runs.items():
            for inputs, targets in turn:
                begun, used = perf_counter(), process_time()
                step(inputs, targets)
                seconds[name].append((perf_counter() - begun, process_time() - used))
    judged = DataLoader(windows, 128, shuffle=False)
    losses = {name: evaluate(model, judged, tg.softmax_cross_entropy)["loss"] for name, model in models.items()}
    losses["torch"] = _judged(torch, rival, judged)
    return {
        "parameters": sum(int(p.size) for p in models["eager"].parameters()),
        "steps": steps,
        "threads": threads,
        "apart": max(abs(losses[name] - losses["torch"]) for name in models),
        **{
            name: {
                "loss": losses[name],
                "step": median([wall for wall, _ in taken]),
                "processor": median([used for _, used in taken]),
            }
            for name, taken in seconds.items()
        },
    }


def theirs(torch: Any, vocabulary: int) -> Any:
    """The same model of PyTorch's own layers, with the same names."""
    nn = torch.nn

    class Rival(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            block = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
            layers = [nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, **block) for _ in range(LAYERS)]
            self.blocks = nn.ModuleList(layers)
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary, bias=False)
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
            for block in self.blocks:
                x = block(x, src_mask=self.mask, is_causal=True)
            return self.head(self.norm(x))

    return Rival()


# -- pieces -----------------------------------------------------------------------------------------------------


def _ours(model: Any) -> Any:
    optimiser = optim.AdamW(model.parameters(), lr=LR)

    def step(inputs: Any, targets: Any) -> None:
        loss = tg.softmax_cross_entropy(model(inputs), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def _torchs(torch: Any, model: Any) -> Any:
    optimiser = torch.optim.AdamW(model.parameters(), lr=LR)
    cross_entropy = torch.nn.functional.cross_entropy

    def step(inputs: Any, targets: Any) -> None:
        logits = model(torch.from_numpy(inputs))
        loss = cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def _judged(torch: Any, model: Any, batches: Any) -> float:
    total = rows = 0.0
    model.eval()
    with torch.no_grad():
        for inputs, targets in batches:
            logits = model(torch.from_numpy(inputs)).flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets).flatten())
            total, rows = total + len(inputs) * loss.item(), rows + len(inputs)
    return total / rows


def _endless(loader: DataLoader) -> Iterator[tuple[Any, Any]]:
    while True:
        yield from loader


if __name__ == "__main__":
    np.seterr(over="ignore")
    sys.exit(main())
