"""What a person can ask of Unsay: one module per verb of the command line.

Each module has `SUMMARY`, `EXAMPLE`, `arguments(parser)` and `run(asked, settings) -> int`. A verb
imports what it needs inside `run`, so that `unsay lsp` never waits for torch.
"""
