"""Common weaknesses in forms that no rule was written from; each has to be found.

They were written down before the guard was asked about any of them: it found all 30 in other
languages and 17 of 20 in Python. A token whose signature nobody checks and a function of Flask's
whose import is still to be written led to rules. The third is no finding by decision: what
`xml.etree` reads of hostile XML is refused by today's expat.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.guard.config import GuardConfig
from server.guard.finding import Case
from server.guard.guard import Guard

OTHER = [
    (
        "javascript",
        "const cp = require('child_process');\n",
        "cp.exec(`convert ${req.query.file} out.png`, done);\n",
    ),
    (
        "javascript",
        "",
        "document.getElementById('out').innerHTML = '<b>' + location.hash.slice(1) + '</b>';\n",
    ),
    (
        "javascript",
        "",
        "const rows = await pool.query('SELECT * FROM orders WHERE id = ' + req.params.id);\n",
    ),
    (
        "javascript",
        "const https = require('https');\n",
        "const agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });\n",
    ),
    (
        "javascript",
        "const crypto = require('crypto');\n",
        "const digest = crypto.createHash('md5').update(password).digest('hex');\n",
    ),
    ("typescript", "", "const resetToken: string = Math.random().toString(36).substring(2);\n"),
    ("javascript", "", "setTimeout('refresh(' + userInput + ')', 500);\n"),
    (
        "javascript",
        "const jwt = require('jsonwebtoken');\n",
        "const claims = jwt.verify(token, key, { algorithms: ['none'] });\n",
    ),
    (
        "java",
        "",
        'Statement st = conn.prepareStatement("SELECT name FROM users WHERE a = " + a);\n',
    ),
    ("java", "", 'Process p = Runtime.getRuntime().exec("ping -c 1 " + host);\n'),
    ("java", "", 'MessageDigest digest = MessageDigest.getInstance("SHA1");\n'),
    ("java", "", 'Cipher cipher = Cipher.getInstance("AES/ECB/PKCS5Padding");\n'),
    ("java", "", "Object user = new ObjectInputStream(request.getInputStream()).readObject();\n"),
    (
        "java",
        "",
        "DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();\n"
        "f.newDocumentBuilder().parse(in);\n",
    ),
    ("c", "#include <string.h>\n", "char name[16];\nstrcpy(name, argv[1]);\n"),
    ("c", "#include <stdio.h>\n", "char line[80];\ngets(line);\n"),
    ("c", "#include <stdio.h>\n", "printf(message);\n"),
    ("c", "#include <stdlib.h>\n", 'sprintf(cmd, "ls %s", dir);\nsystem(cmd);\n'),
    ("cpp", "#include <cstring>\n", "char buf[32];\nstrcat(buf, input.c_str());\n"),
    ("cpp", "#include <cstdlib>\n", 'std::string cmd = "rm -rf " + path;\nsystem(cmd.c_str());\n'),
    (
        "csharp",
        "",
        'var cmd = new SqlCommand("SELECT * FROM Users WHERE Name = \'" + name + "\'", conn);\n',
    ),
    (
        "csharp",
        "",
        "var formatter = new BinaryFormatter();\nvar o = formatter.Deserialize(stream);\n",
    ),
    ("csharp", "", "handler.ServerCertificateCustomValidationCallback = (m, c, ch, e) => true;\n"),
    (
        "go",
        "",
        "rows, err := db.Query(fmt.Sprintf(\"SELECT * FROM users WHERE name = '%s'\", name))\n",
    ),
    ("go", "", "tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}\n"),
    ("go", "", 'out, err := exec.Command("sh", "-c", "grep "+pattern+" log.txt").Output()\n'),
    (
        "php",
        "<?php\n",
        "$res = mysqli_query($db, \"SELECT * FROM users WHERE id = \" . $_GET['id']);\n",
    ),
    ("php", "<?php\n", "include($_GET['page'] . '.php');\n"),
    ("rust", "", "let v: u64 = unsafe { std::mem::transmute(ptr) };\n"),
    ("rust", "", 'let out = Command::new("sh").arg("-c").arg(format!("ls {}", dir)).output()?;\n'),
]
PYTHON = [
    ("import sqlite3\n", "cur.execute(\"SELECT * FROM users WHERE name = '%s'\" % name)\n"),
    ("", 'db.execute(f"DELETE FROM {table} WHERE id = {row_id}")\n'),
    ("import yaml\n", "settings = yaml.load(stream, Loader=yaml.Loader)\n"),
    ("import pickle\n", "session = pickle.loads(base64.b64decode(cookie))\n"),
    ("import requests\n", "r = requests.get(url, verify=False, timeout=5)\n"),
    (
        "import ssl\n",
        "ctx = ssl.create_default_context()\nctx.verify_mode = ssl.CERT_NONE\n",
    ),
    ("import subprocess\n", "subprocess.Popen('tar xf ' + archive, shell=True)\n"),
    ("import os\n", "os.system(f'convert {src} {dst}')\n"),
    ("import random\n", "token = ''.join(random.choice(letters) for _ in range(32))\n"),
    ("import hashlib\n", "return hashlib.new('md5', password.encode()).hexdigest()\n"),
    ("import tarfile\n", "with tarfile.open(upload) as tar:\n    tar.extractall(target)\n"),
    (
        "from flask import Flask, request\n",
        "return render_template_string('<h1>' + request.args['name'] + '</h1>')\n",
    ),
    ("from flask import Flask\napp = Flask(__name__)\n", "app.run(host='0.0.0.0', debug=True)\n"),
    ("from Crypto.Cipher import DES\n", "cipher = DES.new(key, DES.MODE_ECB)\n"),
    ("import jwt\n", "data = jwt.decode(token, options={'verify_signature': False})\n"),
    ("import paramiko\n", "client.set_missing_host_key_policy(paramiko.AutoAddPolicy())\n"),
    ("import tempfile\n", "path = tempfile.mktemp(suffix='.csv')\n"),
    ("import marshal\n", "code = marshal.loads(payload)\n"),
    (
        "from django.utils.safestring import mark_safe\n",
        "return mark_safe('<p>%s</p>' % comment.text)\n",
    ),
]
SAFE = [
    "claims = jwt.decode(token, key, algorithms=['HS256'])\n",
    "claims = jwt.decode(token, key, options={'verify_aud': False})\n",
    "return render_template_string(PAGE, name=request.args['name'])\n",
]


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = Guard(GuardConfig(index_packages=False, ruff_ms=5000.0))
    assert guard.wait(20)
    yield guard
    guard.close()


def insecure(guard: Guard, case: Case) -> list[str]:
    return [one.rule for one in guard.check(case) if one.kind == "insecure"]


@pytest.mark.parametrize(("language", "prefix", "suggestion"), OTHER)
def test_a_common_weakness_of_another_language_is_found(
    guard: Guard, language: str, prefix: str, suggestion: str
) -> None:
    assert insecure(guard, Case(prefix, suggestion, "\n", language))


@pytest.mark.parametrize(("prefix", "suggestion"), PYTHON)
def test_a_common_weakness_of_python_is_found(guard: Guard, prefix: str, suggestion: str) -> None:
    assert insecure(guard, Case(prefix, suggestion, "\n", "python"))


@pytest.mark.parametrize("suggestion", SAFE)
def test_the_safe_form_is_not_flagged(guard: Guard, suggestion: str) -> None:
    assert insecure(guard, Case("import jwt\n", suggestion, "\n", "python")) == []
