"""What a name stands for in unfinished Python, and which successor is right where it stands."""

from __future__ import annotations

import pytest

from server.guard.api_index import ApiIndex
from server.guard.deprecated import DeprecatedDetector
from server.guard.finding import Case


@pytest.fixture(scope="module")
def detector() -> DeprecatedDetector:
    """Knows the table of Python 3.12 and of some packages, whatever is installed."""
    index = ApiIndex("an interpreter that is never asked", None)
    for name, version in {"": "3.12.1", "numpy": "2.4", "pandas": "2.2", "torch": "2.9"}.items():
        index.add_table(name, version)
    return DeprecatedDetector(index)


def seen(
    detector: DeprecatedDetector, prefix: str, suggestion: str, suffix: str = ""
) -> list[tuple[str, str | None]]:
    found = detector.find(Case(prefix, suggestion, suffix, "python"))
    return [
        (one.rule, one.replacement and suggestion[: one.start] + one.replacement) for one in found
    ]


@pytest.mark.parametrize(
    ("prefix", "suggestion", "expected"),
    [
        ("import numpy as np\n", "np.int", ("numpy.int", "int")),
        ("import numpy as np\n", "x = np.float", ("numpy.float", "x = float")),
        ("import numpy as np\nx = np.", "float", ("numpy.float", "float64")),
        ("import numpy as np\nx = np.i", "nt", ("numpy.int", "nt_")),
        ("import numpy as np\n", "np.bool8", ("numpy.bool8", "np.bool_")),
        ("import numpy as np\n", "np.in1d(a, b)", ("numpy.in1d", "np.isin")),
        ("import numpy as np\n", "np.asscalar(a)", ("numpy.asscalar", "a.item()")),
        ("import numpy as np\n", "np.asscalar(a + b)", ("numpy.asscalar", "(a + b).item()")),
        ("import numpy as np\n", "np.msort(a)", ("numpy.msort", "np.sort(a, axis=0)")),
        ("from numpy import in1d\n", "in1d(a, b)", ("numpy.in1d", None)),
        ("from numpy import in1d, isin\n", "in1d(a, b)", ("numpy.in1d", "isin")),
        ("", "from numpy import in1d", ("numpy.in1d", "from numpy import isin")),
        (
            "",
            "from collections import Mapping",
            ("collections.Mapping", "from collections.abc import Mapping"),
        ),
        ("import time\n", "time.clock()", ("time.clock", "time.perf_counter")),
        (
            "import tempfile\n",
            "x = tempfile.mktemp(dir=d)",
            ("tempfile.mktemp", "x = tempfile.mkdtemp(dir=d) + '/file'"),
        ),
        ("import tempfile\nx = tempfile.mk", "temp()", ("tempfile.mktemp", "dtemp() + '/file'")),
        ("import tempfile\n", "x = tempfile.mktemp().encode()", ("tempfile.mktemp", None)),
        (
            "from datetime import datetime\n",
            "datetime.utcnow()",
            ("datetime.datetime.utcnow", None),
        ),
        (
            "from datetime import datetime, timezone\n",
            "datetime.utcnow()",
            ("datetime.datetime.utcnow", "datetime.now(timezone.utc)"),
        ),
        (
            "import datetime\n",
            "datetime.datetime.utcnow()",
            ("datetime.datetime.utcnow", "datetime.datetime.now(datetime.timezone.utc)"),
        ),
        (
            "import threading\nt = threading.Thread()\n",
            "t.setDaemon(True)",
            ("threading.Thread.setDaemon", "t.daemon = True"),
        ),
        (
            "import threading\nt = threading.Thread()\n",
            "x = t.setDaemon(True)",
            ("threading.Thread.setDaemon", None),
        ),
        (
            "import torch\n",
            "with torch.cuda.amp.autocast(enabled=x): pass",
            ("torch.cuda.amp.autocast", 'with torch.amp.autocast("cuda", enabled=x)'),
        ),
        ("import imp\n", "imp.find_module('a')", ("imp.find_module", None)),
    ],
)
def test_a_replacement_is_right_code_where_it_stands_or_there_is_none(
    detector: DeprecatedDetector, prefix: str, suggestion: str, expected: tuple[str, str | None]
) -> None:
    assert expected in seen(detector, prefix, suggestion)


def test_an_import_whose_name_is_used_elsewhere_keeps_it(detector: DeprecatedDetector) -> None:
    found = seen(detector, "", "from numpy import in1d", "\nprint(in1d(a, b))\n")

    assert found == [("numpy.in1d", "from numpy import isin as in1d")]


@pytest.mark.parametrize(
    ("prefix", "suggestion"),
    [
        ("import pandas as pd\ndf = pd.read_csv('a')\n", "df.append(x)"),
        ("import pandas as pd\ndf = pd.DataFrame()\ndf = df.dropna()\n", "df.append(x)"),
        ("import pandas as pd\ndef f(df: pd.DataFrame):\n    ", "df.append(x)"),
        ("import pandas as pd\ndef f(df: 'pd.DataFrame | None'):\n    ", "df.append(x)"),
        ("from pandas import read_csv\nwith read_csv('a') as df:\n    ", "df.append(x)"),
        ("import pandas as pd\ndef g() -> pd.DataFrame: ...\ndf = g()\n", "df.append(x)"),
        (
            "import pandas as pd\nclass A:\n    def __init__(self):\n"
            "        self.df = pd.DataFrame()\n    def f(self):\n        ",
            "self.df.append(x)",
        ),
        ("import pandas as pd\nclass T(pd.DataFrame): pass\nt = T()\n", "t.append(x)"),
        ("import pandas as pd\ndf = None\ndf = pd.DataFrame()\n", "df.append(x)"),
    ],
)
def test_a_method_of_a_known_instance_is_found(
    detector: DeprecatedDetector, prefix: str, suggestion: str
) -> None:
    assert seen(detector, prefix, suggestion) == [("pandas.DataFrame.append", None)]


@pytest.mark.parametrize(
    ("prefix", "suggestion"),
    [
        ("import pandas as pd\ndf = []\n", "df.append(x)"),
        ("import pandas as pd\n", "df.append(x)"),
        ("import pandas as pd\ndf = pd.DataFrame()\ndef f(df):\n    ", "df.append(x)"),
        ("import pandas as pd\ndf = pd.DataFrame()\ndf = []\n", "df.append(x)"),
        ("import pandas as pd\nclass T(pd.DataFrame):\n    def append(self, x): ...\nt = T()\n",
         "t.append(x)"),
        ("import pandas as pd\ndf = pd.DataFrame()\n", "df['a'].tolist().append(x)"),
        ("try:\n    from collections.abc import Mapping\nexcept ImportError:\n    ",
         "from collections import Mapping"),
        ("import sys, time\nif sys.version_info < (3, 3):\n    ", "began = time.clock()"),
        ("from .numpy import int\n", "int(x)"),
        ("from json import loads\n", "loads(x, strict=False)"),
    ],
)  # fmt: skip
def test_what_only_looks_old_is_not_found(
    detector: DeprecatedDetector, prefix: str, suggestion: str
) -> None:
    assert seen(detector, prefix, suggestion) == []


def test_a_keyword_is_found_where_it_is_written_and_renamed_where_that_is_all(
    detector: DeprecatedDetector,
) -> None:
    found = seen(detector, "import pandas as pd\nx = pd.DataFrame().", "to_csv(line_terminator=s)")

    assert found == [("pandas.DataFrame.to_csv(line_terminator)", "to_csv(lineterminator")]


def test_text_cut_inside_a_docstring_does_not_take_long_and_is_still_understood(
    detector: DeprecatedDetector,
) -> None:
    words = "    it's (broken: text] that {no parser\n" * 200
    prefix = f'import numpy as np\n{words}    """\n\n\ndef f(a):\n    '

    found = seen(detector, prefix, "return np.in1d(a, a)")

    assert found == [("numpy.in1d", "return np.isin")]


def test_what_a_name_stands_for_does_not_hang_on_what_was_suggested_before(
    detector: DeprecatedDetector,
) -> None:
    prefix = "import time\n\nnow = time\n\n\ndef wait():\n    "
    too_much = "x = now.clock()\n" + "-----BEGIN PRIVATE KEY-----" * 200
    alone = seen(detector, prefix, "now.clock()")

    seen(detector, prefix, too_much)

    assert alone == [("time.clock", "now.perf_counter")]
    assert seen(detector, prefix, "now.clock() ") == alone
