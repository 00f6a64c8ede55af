"""Insecure patterns outside Python: the rules' own examples, values, spans, and hostile text."""

from __future__ import annotations

import time

import pytest

from server.guard.finding import Case
from server.guard.patterns import pattern_findings, patterns
from server.guard.syntax_shapes import uses
from server.guard.syntax_table import syntax_rules
from server.guard.syntax_window import windows

SECONDS = 4.0
EXAMPLES = [(one.rule, one.family, one.bad, one.good) for one in syntax_rules()] + [
    (one.rule, family, one.bad, one.good) for one in patterns() for family in one.families[:1]
]


def found(suggestion: str, language: str, prefix: str = "", suffix: str = "\n") -> list[str]:
    return [one.rule for one in pattern_findings(Case(prefix, suggestion, suffix, language))]


def blamed(suggestion: str, language: str, prefix: str = "") -> list[tuple[str, str | None, str]]:
    case = Case(prefix, suggestion, "\n", language)
    return [
        (suggestion[one.start : one.end], one.replacement, one.severity)
        for one in pattern_findings(case)
    ]


@pytest.mark.parametrize(("rule", "family", "bad", "good"), EXAMPLES, ids=lambda text: text[:40])
def test_a_rule_finds_its_bad_example_and_not_its_good_one(
    rule: str, family: str, bad: str, good: str
) -> None:
    assert rule in found(bad, family)
    assert rule not in found(good, family)


@pytest.mark.parametrize(("rule", "family", "bad", "good"), EXAMPLES, ids=lambda text: text[:40])
def test_what_the_user_wrote_is_not_blamed(rule: str, family: str, bad: str, good: str) -> None:
    assert rule not in found("\n", family, prefix=bad + "\n", suffix="\n" + bad)


def test_rules_have_different_names_a_cwe_and_advice() -> None:
    names = [name for name, *_ in EXAMPLES]
    rows = [(one.rule, one.cwe, one.message) for one in (*syntax_rules(), *patterns())]

    assert len(names) == len(set(names))
    assert [name for name, cwe, said in rows if not cwe.startswith("CWE-") or ";" not in said] == []


@pytest.mark.parametrize("language", ["javascript", "typescript", "typescriptreact", "vue"])
def test_every_javascript_grammar_reads_a_call(language: str) -> None:
    window = next(windows(Case("", "eval(text)", "", language)))

    assert [one.shape for one in uses(window, 0, 4)] == ["call"]


@pytest.mark.parametrize(
    ("language", "suggestion", "expected"),
    [
        ("javascript", "el.innerHTML = name;", ("innerHTML", "textContent", "low")),
        ("typescript", "const a = { rejectUnauthorized: false };", ("false", "true", "high")),
        ("javascript", "w.postMessage({ a: 1 }, '*');", ("'*'", None, "medium")),
        ("javascript", 'crypto.createHash("md5")', ("md5", "sha256", "medium")),
        ("java", 'MessageDigest.getInstance("MD5")', ("MD5", "SHA-256", "medium")),
        ("java", "byte[] salt = f(new Random());", ("Random", "SecureRandom", "medium")),
        ("java", "int roll = f(new Random());", ("Random", None, "low")),
        ("csharp", "s.DtdProcessing = DtdProcessing.Parse;",
         ("DtdProcessing.Parse", "DtdProcessing.Prohibit", "medium")),
        ("cpp", "std::strcpy(to, from);", ("strcpy", None, "high")),
        ("cpp", "std::auto_ptr<Node> n(p);", ("auto_ptr", "unique_ptr", "medium")),
        ("go", "c := tls.Config{InsecureSkipVerify: true}", ("true", "false", "high")),
        ("php", "curl_setopt($c, CURLOPT_SSL_VERIFYPEER, 0);", ("0", "true", "high")),
        ("rust", "b.danger_accept_invalid_certs(true)", ("true", "false", "high")),
    ],
)  # fmt: skip
def test_the_smallest_text_is_blamed_and_replaced_where_a_safe_one_is_known(
    language: str, suggestion: str, expected: tuple[str, str | None, str]
) -> None:
    assert blamed(suggestion, language) == [expected]


@pytest.mark.parametrize(
    ("language", "above", "line", "is_found"),
    [
        ("java", 'String q = "SELECT a FROM t WHERE b = " + b;\n', "st.executeQuery(q);", True),
        ("java", 'String q = "SELECT a FROM t";\n', "st.executeQuery(q);", False),
        ("java", 'String q = "SELECT a FROM t";\nq += " WHERE b = " + b;\n', "st.executeQuery(q);",
         True),
        ("java", 'String q = String.format("DELETE FROM t WHERE b = %s", b);\n', "st.execute(q);",
         True),
        ("csharp", 'var q = $"SELECT a FROM t WHERE b = {b}";\n', "new SqlCommand(q, c);", True),
        ("csharp", 'var q = "SELECT a FROM t WHERE b = @b";\n', "new SqlCommand(q, c);", False),
        ("javascript", "const q = `SELECT a FROM t WHERE b = ${b}`;\n", "db.query(q);", True),
        ("javascript", "const q = `SELECT a FROM t WHERE b = ?`;\n", "db.query(q, [b]);", False),
        ("go", 'q := fmt.Sprintf("SELECT a FROM t WHERE b = %s", b)\n', "db.Query(q)", True),
        ("go", 'q := "SELECT a FROM t WHERE b = ?"\n', "db.Query(q, b)", False),
        ("php", '$q = "SELECT a FROM t WHERE b = " . $b;\n', "$db->query($q);", True),
        ("php", '$q = "SELECT a FROM t WHERE b = $b";\n', "mysqli_query($db, $q);", True),
        ("php", '$q = "SELECT a FROM t WHERE b = ?";\n', "$db->query($q);", False),
        ("php", '$n = intval($_GET["n"]);\n$q = "SELECT a FROM t LIMIT " . $n;\n',
         "$db->query($q);", False),
        ("rust", 'let q = format!("SELECT a FROM t WHERE b = {}", b);\n', "c.execute(&q, &[]);",
         True),
        ("rust", 'let q = "SELECT a FROM t WHERE b = $1";\n', "c.execute(q, &[&b]);", False),
    ],
)  # fmt: skip
def test_sql_built_above_is_found_where_it_is_executed(
    language: str, above: str, line: str, is_found: bool
) -> None:
    case = Case(above, line, "\n", language)

    assert [one.cwe for one in pattern_findings(case)] == (["CWE-89"] if is_found else [])


@pytest.mark.parametrize(
    ("above", "severity"),
    [
        ('snprintf(line, sizeof line, "rm %s", name);\n', "high"),
        ("strcpy(line, name);\n", "high"),
        ("", "low"),
    ],
)
def test_a_command_that_c_prints_into_an_array_counts_as_built(above: str, severity: str) -> None:
    assert blamed("system(line);", "c", prefix=above) == [("system", None, severity)]


@pytest.mark.parametrize(
    ("language", "suggestion"),
    [
        ("javascript", 'return eval("(" + data'),
        ("java", 'st.executeQuery("SELECT a FROM t WHERE b = " + b'),
        ("csharp", 'var c = new SqlCommand($"SELECT a FROM t WHERE b = {b}"'),
        ("cpp", "strcpy(to, from->na"),
        ("go", 'rows, err := db.Query("SELECT a FROM t WHERE b = " + b'),
        ("php", '$r = unserialize($_GET["a"'),
    ],
)
def test_a_call_that_is_cut_off_is_found(language: str, suggestion: str) -> None:
    assert len(found(suggestion, language, suffix="\n}\n")) == 1


@pytest.mark.parametrize(
    ("language", "suggestion"),
    [
        ("javascript", "// eval(text) would run it"),
        ("javascript", "log('never call eval(text)');"),
        ("javascript", "const found = pattern.exec(line);"),
        ("javascript", "const a = require('./a'); import('./b');"),
        ("javascript", "worker.postMessage(data);"),
        ("javascript", "map.get(key); list.push(name); store.query(name);"),
        ("typescript", "if (token === Token.Comma) next();"),
        ("c", "/* strcpy(to, from) */ int strcpy_count = 0;"),
        ("c", 'puts("gets(x) is unsafe"); table.rand = 1;'),
        ("c", "p = malloc(sizeof(struct node)); q = malloc(n + 1);"),
        ("c", 'printf("%s\\n", name); fprintf(stderr, "usage\\n");'),
        ("java", "int n = scanner.nextInt(); list.add(new File(name));"),
        ("java", "logger.exec(command); parser.parse(arguments);"),
        ("csharp", "timer.Start(delay); list.Next(); file.Load(path);"),
        ("go", "reply, err := client.Get(ctx, key)"),
        ("php", "$this->exec($job); $row = $list->query($name); $x = md5_of($y);"),
        ("rust", "let x = Foo::new(); let y = it.next(); v.push(1);"),
    ],
)
def test_code_that_only_looks_alike_is_not_blamed(language: str, suggestion: str) -> None:
    assert found(suggestion, language) == []


def test_offsets_count_characters_and_not_bytes() -> None:
    assert blamed('"é😀"; eval(text);', "javascript", prefix="// ü\n") == [("eval", None, "high")]


def test_only_the_part_in_the_suggestion_is_blamed() -> None:
    assert blamed("val(text);", "javascript", prefix="const x = e") == [("val", None, "high")]
    assert blamed('"SELECT a FROM t WHERE b = " + b);', "javascript", prefix="db.query(") == [
        ('"SELECT a FROM t WHERE b = " + b', None, "high")
    ]


def test_a_long_suggestion_is_looked_at_in_pieces() -> None:
    text = "let a = 1;\n" * 1200 + "eval(text);\n"

    assert blamed(text, "javascript") == [("eval", None, "high")]


HOSTILE = [
    "eval(" * 200_000,
    "x" * 1_000_000,
    "db.query(\"SELECT a FROM " + "'" * 1_000_000,
    "malloc(" + "(" * 500_000,
    "a = a + b;\n" * 20_000 + "eval(a);",
    "strcpy(\x00\x07\ud800, a);" * 30_000,
    "new " * 250_000,
    "[HttpPost" * 100_000,
    "`${" * 300_000,
    "getInstance(" + " " * 1_000_000,
    "q = q + q; db.query(q + " + " + ".join("q" * 20_000) + ");",
]  # fmt: skip


@pytest.mark.parametrize("language", ["javascript", "cpp", "csharp", "php", "java", "rust", "go"])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12].encode("unicode_escape"))
def test_hostile_text_costs_bounded_time(language: str, text: str) -> None:
    began = time.thread_time()

    found(text, language, prefix=text[:3000])

    assert time.thread_time() - began < SECONDS
