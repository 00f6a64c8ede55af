"""HTTP in, suggestions out: the engine, the guard, and what follows from a finding.

`server.app.serve` runs it; `server.app.build_app` builds it for tests.
"""

VERSION = "0.1.0"
