"""tinygrad_ce train: a preset on data, by options or a TOML file.

tinygrad_ce train --preset cnn --data digits --out runs/digits.safetensors
tinygrad_ce train config.toml --lr 0.01            the file's choices, one of them changed
tinygrad_ce train --out runs/mlp.npz --resume      go on where it stopped
"""

from __future__ import annotations

import argparse
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .asking import INTERRUPTED, BadInput


def declare(commands: Any) -> None:
    """Add the command to a parser's."""
    from ..programs.config import options

    parser = commands.add_parser(
        "train",
        help="train a preset (mlp, cnn, gpt) on data",
        description="Trains a preset and saves it, with all that it takes to go on and to use it: the file is enough "
        "for eval, predict, generate and export.",
    )
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="a TOML file with these options")
    for name, option in options().items():
        told = option.metadata
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=told["read"], metavar=told["metavar"], help=told["help"].replace("%", "%%"))
    parser.add_argument("--out", type=Path, metavar="FILE", help=".safetensors or .npz (default: runs/PRESET.npz)")
    parser.add_argument("--resume", action="store_true", help="go on from FILE, if there is one, with its own options")
    parser.add_argument("--check", action="store_true", help="first check the network (tg.check_model) on a batch")


def run(options: argparse.Namespace) -> int:
    """Train; the exit code."""
    from ..programs.config import Config, ConfigError, read_toml

    chosen = {k: v for k, v in vars(options).items() if k not in ("command", "config", "out", "resume", "check")}
    chosen = {k: v for k, v in chosen.items() if v is not None}
    try:
        told = read_toml(options.config) if options.config else {}
        config = Config.of(chosen.get("preset"), told, chosen)
        out = options.out or Path("runs", f"{config.preset}.npz")
        if options.resume:
            config = _earlier(out, config, {**told, **chosen})
    except ConfigError as error:
        raise BadInput(str(error)) from None
    _require_out(out)
    return _train(config, out, resume=options.resume, check=options.check)


# -- pieces ----------------------------------------------------------------------------------------------------


def _train(config: Any, out: Path, *, resume: bool, check: bool) -> int:
    from ..programs.task import task
    from ..train import Checkpoints, fit

    job = task(config)
    optimiser = job.optimiser()
    _make_folder(out)
    numbers = sum(int(p.size) for p in job.model.parameters())
    learnt, judged = len(job.corpus.train), len(job.corpus.test)
    print(f"{config.preset} on {job.corpus.name}: {learnt:,} rows to learn from, {judged:,} held out")
    print(f"{numbers:,} parameters")
    if check and not _checked(job):
        return 1
    watched = "validation_accuracy" if job.corpus.facts.class_names else "validation_loss"
    saver = Checkpoints(out, best=watched, meta=job.meta)
    warnings.showwarning = lambda message, *where, **more: print(f"warning: {message}", flush=True)
    try:
        history = fit(
            job.model,
            job.loader(),
            job.loss,
            optimiser,
            config.epochs,
            validation=job.validation(),
            metrics=job.metrics,
            schedule=job.schedule(optimiser),
            clip_norm=config.clip,
            progress=True,
            checkpoint=saver,
            resume=resume,
        )
    except ValueError as error:
        raise BadInput(str(error)) from None
    if history.interrupted:
        print(f"interrupted; saved: {out}  (go on with: tinygrad_ce train --out {out} --resume)")
        return INTERRUPTED
    print(f"saved: {out}, and {saver.best_path} with the best {watched.replace('_', ' ')}")
    return 0


def _checked(job: Any) -> bool:
    from ..modelcheck import check_model

    report = check_model(job.model, next(iter(job.validation())), job.loss)
    print("\n".join(report.told()))
    return report.verdict != "FAIL"


def _earlier(out: Path, config: Any, chosen: dict[str, Any]) -> Any:
    """The configuration that a file was begun with; of what is chosen now only the number of epochs may differ."""
    from ..checkpoint import load, previous
    from ..programs.config import Config

    if not out.exists() and not previous(out).exists():
        return config
    try:
        meta = load(out).meta
    except (ValueError, FileNotFoundError):
        try:
            meta = load(previous(out)).meta
        except (ValueError, FileNotFoundError) as error:
            raise BadInput(str(error)) from None
    if "config" not in meta:
        raise BadInput(f"{out} was not saved by tinygrad_ce train")
    begun = Config.of(None, meta["config"])
    differ = [k for k in chosen if getattr(config, k) != getattr(begun, k) and k != "epochs"]
    if differ:
        name = differ[0]
        raise BadInput(
            f"{out} was begun with {name} = {getattr(begun, name)}: leave --{name.replace('_', '-')} out, or --resume"
        )
    return Config.of(None, meta["config"], {k: v for k, v in chosen.items() if k == "epochs"})


def _make_folder(out: Path) -> None:
    """Make the folder of a file, and see that one can be written there: now, not after an epoch."""
    from ..checkpoint import require_savable

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot write {out}: no folder can be made there ({error.strerror or error})") from None
    require_savable(out)


def _require_out(out: Path) -> None:
    """Raise BadInput unless the file can be written there."""
    if out.suffix.lower() not in (".npz", ".safetensors"):
        raise BadInput(f"--out is a file that ends in .npz or .safetensors, not {out}")
    if out.suffix.lower() == ".safetensors" and find_spec("safetensors") is None:
        raise BadInput(f"{out} needs safetensors: pip install 'tinygrad_ce[safetensors]', or name an .npz file")
    if out.is_dir():
        raise BadInput(f"cannot write {out}: it is a folder")
    folder = out.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise BadInput(f"cannot write {out}: {folder} is no folder")
