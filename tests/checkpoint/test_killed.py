"""A process killed while it saves: the last file or the one before is whole, and nothing is left lying about."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_ce.checkpoint import load, previous, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9")

WRITER = """
import sys, numpy as np
from tinygrad_ce.checkpoint import load, save
path = sys.argv[1]
try:
    k = int(load(path).state["k"])
except FileNotFoundError:
    k = 0
while True:
    k += 1
    save(path, {"k": k, "a": np.full(50_000, float(k)), "b": np.full(50_000, float(k))}, keep_previous=True)
    print(k, flush=True)
"""


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_killed_again_and_again(tmp_path, suffix, full):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"run{suffix}"
    rng = np.random.default_rng(0)
    last = 0
    for _ in range(60 if full else 6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        told = int(writer.stdout.readline())
        time.sleep(rng.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        told = max([told, *map(int, writer.communicate()[0].split())])
        kept = [load(p).state for p in (path, previous(path)) if p.exists()]
        for state in kept:
            assert np.all(state["a"] == state["k"]) and np.all(state["b"] == state["k"])
            assert state["a"].shape == state["b"].shape == (50_000,)
        # What it said was saved is there; one more may be, that it had no time to speak of.
        assert int(kept[0]["k"]) in (told, told + 1)
        assert all(0 <= kept[0]["k"] - state["k"] <= 1 for state in kept)
        assert kept[0]["k"] > last
        last = kept[0]["k"]
    save(path, {"k": 0})
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, previous(path).name])
