"""The command line of the recipe: `python -m benchmarks.embedded_model <step>`."""

import argparse
from datetime import datetime
from pathlib import Path

from benchmarks.embedded_model.layout import EXPORT


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
    packing.add_argument("--tokens", type=int, default=3_600_000, help="tokens of the whole run")
    training = steps.add_parser("train", help="train, or go on with a run")
    training.add_argument("--run", default="first")
    length = training.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="minutes of training from now on")
    length.add_argument("--until", help="HH:MM at which the run has decayed and ended")
    training.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    training.add_argument("--rate", type=float, default=3e-3)
    exporting = steps.add_parser("export", help="write the files that the server loads")
    exporting.add_argument("--run", default="first")
    exporting.add_argument("--final", action="store_true", help="also into server/default_model")
    drawing = steps.add_parser("curve", help="draw the loss curve of a run")
    drawing.add_argument("--run", default="first")
    measuring = steps.add_parser("evaluate", help="measure an export")
    measuring.add_argument("--model", type=Path, default=EXPORT)
    measuring.add_argument("--lines", type=int, default=200)
    showing = steps.add_parser("demo", help="find prompts at which an export says something bad")
    showing.add_argument("--model", type=Path, default=EXPORT)
    return parser


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

            # More than the run will need of each, as the decay begins by the clock.
            pack(row=512, tokens=int(1.2 * options.tokens), part=0.0)
            pack(row=1024, tokens=int(0.5 * options.tokens), part=0.5)
        case "train":
            from benchmarks.embedded_model.schedule import seconds_until
            from benchmarks.embedded_model.train import Options, train

            seconds = options.minutes and 60 * options.minutes
            seconds = seconds or seconds_until(options.until, datetime.now())
            train(Options(options.run, seconds, options.optimizer, options.rate))
        case "export":
            from benchmarks.embedded_model.export import export

            export(options.run, is_final=options.final)
        case "evaluate":
            from benchmarks.embedded_model.evaluate import evaluate

            evaluate(options.model, options.lines)
        case "curve":
            from benchmarks.embedded_model.curve import draw_curve

            draw_curve(options.run)
        case "demo":
            from benchmarks.embedded_model.demo import demo

            demo(options.model)
        case step:
            raise AssertionError(step)


if __name__ == "__main__":
    main()
