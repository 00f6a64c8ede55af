"""The command line of the recipe: `python -m benchmarks.embedded_model <step>`."""

import argparse
import os
from datetime import datetime
from pathlib import Path

from benchmarks.embedded_model.layout import EXPORT, MODEL


def main() -> None:
    """Run the step that the command line names."""
    _run(_parser().parse_args())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.embedded_model", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    collecting = steps.add_parser("collect", help="download and clean the sources")
    collecting.add_argument("--offline", action="store_true", help="use the wheels already there")
    steps.add_parser("tokenizer", help="train the tokenizer")
    steps.add_parser("canaries", help="write the list of canaries")
    packing = steps.add_parser("pack", help="tokenise into rows")
    packing.add_argument("--tokens", type=int, default=7_000_000, help="tokens of the whole run")
    packing.add_argument("--laps", type=int, default=1, help="how often short rows are seen")
    packing.add_argument("--canaries", type=float, default=1.0, help="times the planned exposures")
    packing.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    _add_training(steps.add_parser("train", help="train, or go on with a run"))
    exporting = steps.add_parser("export", help="write the files that the server loads")
    exporting.add_argument("--run", default="first")
    exporting.add_argument("--final", action="store_true", help="also into server/default_model")
    drawing = steps.add_parser("curve", help="draw the loss curve of a run")
    drawing.add_argument("--run", default="first")
    measuring = steps.add_parser("bench", help="measure a model beside simple baselines")
    measuring.add_argument("--model", type=Path, default=MODEL)
    measuring.add_argument("--quick", action="store_true", help="a try without downloads")
    showing = steps.add_parser("demo", help="find prompts at which an export says something bad")
    showing.add_argument("--model", type=Path, default=EXPORT)
    steps.add_parser("load", help="compress the sources for another machine")
    steps.add_parser("unload", help="on that machine: put them where `pack` looks")
    steps.add_parser("gpu", help="print how to train on a borrowed GPU")
    for name, does in (("split", "cut a file into parts"), ("join", "put parts together")):
        moving = steps.add_parser(name, help=does)
        moving.add_argument("source", type=Path)
        moving.add_argument("folder", type=Path)
    return parser


def _add_training(training: argparse.ArgumentParser) -> None:
    training.add_argument("--run", default="first")
    training.add_argument("--size", choices=("small", "medium"), default="small")
    training.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    training.add_argument("--tokens", type=int, help="tokens of the whole run")
    length = training.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="minutes until the run has decayed and ended")
    length.add_argument("--until", help="HH:MM at which it has")
    training.add_argument("--pause-after", type=float, help="minutes, to go on with the run later")
    training.add_argument("--step-tokens", type=int, help="tokens of an update, by device without")
    training.add_argument("--eager", action="store_true", help="do not compile: for a few steps")
    training.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    training.add_argument("--rate", type=float, default=3e-3)


def _run(options: argparse.Namespace) -> None:
    """Each step imports only what it needs, as torch takes seconds to load."""
    match options.step:
        case "collect":
            from benchmarks.embedded_model.collect import collect

            collect(offline=options.offline)
        case "tokenizer":
            from benchmarks.embedded_model.tokenizer import train_tokenizer

            train_tokenizer()
        case "canaries":
            from benchmarks.embedded_model.canaries import write_canaries

            write_canaries()
        case "pack":
            from benchmarks.embedded_model.pack import pack

            pack(
                options.tokens,
                laps=options.laps,
                canaries=options.canaries,
                workers=options.workers,
            )
        case "train":
            _train(options)
        case "export":
            from benchmarks.embedded_model.export import export

            export(options.run, is_final=options.final)
        case "bench":
            _bench(options.model, is_quick=options.quick)
        case "curve":
            from benchmarks.embedded_model.curve import draw_curve

            draw_curve(options.run)
        case "demo":
            from benchmarks.embedded_model.demo import demo

            demo(options.model)
        case _:
            _move(options)


def _train(options: argparse.Namespace) -> None:
    import torch

    from benchmarks.embedded_model.run import Options
    from benchmarks.embedded_model.schedule import seconds_until
    from benchmarks.embedded_model.train import train

    seconds = options.minutes and 60 * options.minutes
    if options.until:
        seconds = seconds_until(options.until, datetime.now())
    has_gpu = torch.cuda.is_available() if options.device == "auto" else options.device == "cuda"
    train(
        Options(
            name=options.run,
            size=options.size,
            device="cuda" if has_gpu else "cpu",
            seconds=seconds,
            tokens=options.tokens,
            pause_s=options.pause_after and 60 * options.pause_after,
            optimizer=options.optimizer,
            rate=options.rate,
            step_tokens=options.step_tokens,
            is_compiled=not options.eager,
        )
    )


def _bench(folder: Path, *, is_quick: bool) -> None:
    from benchmarks.embedded_model.bench import QUICK, Effort, keep, measure, report
    from benchmarks.embedded_model.bench_sources import bench_texts, quick_texts

    texts = quick_texts(QUICK.lines) if is_quick else bench_texts()
    measured = measure(folder, texts, QUICK if is_quick else Effort())
    print(report(measured), *measured.completions, sep="\n\n")
    if not is_quick:
        keep(measured, folder, texts)


def _move(options: argparse.Namespace) -> None:
    from benchmarks.embedded_model import cargo, gpu, parts

    match options.step:
        case "load":
            print(*cargo.load(), sep="\n")
        case "unload":
            cargo.unload()
        case "gpu":
            print(gpu.gpu_plan())
        case "split":
            print(*parts.split(options.source, options.folder), sep="\n")
        case "join":
            print(parts.join(options.source, options.folder))
        case step:
            raise AssertionError(step)


if __name__ == "__main__":
    main()
