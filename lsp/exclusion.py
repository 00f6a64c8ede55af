"""Which documents must not leave the editor. What cannot be decided is excluded.

Asked before anything else happens to a document's text: no request, no record, no log.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsp.documents import Document
from lsp.git_ignore import GitUnsure, is_ignored_by_git
from lsp.ignore_file import IgnorePatterns

MAX_CHARS = 1_000_000
MAX_LINE_CHARS = 20_000
_FRESH_S = 30.0
_UNSAYIGNORE = ".unsayignore"

_SECRET_NAMES = IgnorePatterns(
    """
    .env
    .env.*
    *.env
    .envrc
    *.pem
    *.key
    *.p8
    *.p12
    *.pfx
    *.pkcs12
    *.jks
    *.keystore
    *.kdbx
    *.ppk
    *.asc
    *.gpg
    *.pgp
    *.ovpn
    *.tfvars
    *.tfvars.json
    *.tfstate
    *.tfstate.backup
    id_rsa*
    id_dsa*
    id_ecdsa*
    id_ed25519*
    .netrc
    _netrc
    .pgpass
    .my.cnf
    .npmrc
    .pypirc
    .htpasswd
    .git-credentials
    .dockercfg
    .s3cfg
    .boto
    .vault-token
    .vault_pass*
    credentials
    credentials.*
    *credentials.json
    *credentials.y*ml
    client_secret*
    service-account*.json
    service_account*.json
    secret
    secrets
    secret.*
    secrets.*
    *.secret
    *.secrets
    *.secrets.*
    *-secrets.*
    *_secrets.*
    *-secret.y*ml
    *.sops.*
    master.key
    .git
    .hg
    .svn
    .ssh
    .gnupg
    .aws
    .azure
    .kube
    .password-store
    .docker/config.json
    """.replace("    ", "").splitlines()
)
"""Matched without regard to case, against every part of the path."""

_SECRET_LANGUAGES = frozenset({"dotenv", "env", "pem", "git-commit", "git-rebase"})
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY")
_DOTENV_LINE = re.compile(r"(?:export )?[A-Z][A-Z0-9_]*=\S*")


@dataclass(frozen=True)
class Verdict:
    """Why a document is excluded, or None."""

    reason: str | None

    @property
    def is_excluded(self) -> bool:
        return self.reason is not None


_FREE = Verdict(None)


class Exclusion:
    """The rules of one editor, with the verdicts on paths of the last half minute."""

    def __init__(self) -> None:
        self._extra = IgnorePatterns(())
        self._unreadable: str | None = None
        self._verdicts: dict[str, tuple[float, Verdict]] = {}

    def use(self, patterns: tuple[str, ...]) -> None:
        """Take over the setting `exclude`; a pattern that cannot be read excludes everything."""
        self._unreadable = None
        try:
            self._extra = IgnorePatterns(patterns)
        except ValueError as error:
            self._unreadable = f"unsay.exclude: {error}; correct it to go on"
        self.forget()

    def forget(self) -> None:
        """Decide anew: an ignore file may have changed."""
        self._verdicts.clear()

    async def verdict(self, document: Document, roots: list[str]) -> Verdict:
        """Whether `document`, in a workspace with the folders `roots`, may be sent."""
        if self._unreadable is not None:
            return Verdict(self._unreadable)
        reason = _by_content(document)
        if reason is not None:
            return Verdict(reason)
        scheme = document.uri.partition(":")[0].lower()
        if scheme == "untitled":
            return _FREE
        if scheme != "file" or not document.path:
            return Verdict(f"documents of the kind '{scheme}:' are not files of yours")
        return await self._by_path(document.path, roots)

    async def _by_path(self, path: str, roots: list[str]) -> Verdict:
        now = time.monotonic()
        known = self._verdicts.get(path)
        if known is not None and now - known[0] < _FRESH_S:
            return known[1]
        verdict = Verdict(await asyncio.to_thread(self._reason, path, roots))
        self._verdicts[path] = (now, verdict)
        return verdict

    def _reason(self, path: str, roots: list[str]) -> str | None:
        """Why the file at `path` is excluded, looking at the disk."""
        try:
            paths = {path, str(Path(path).resolve())}  # a link to a secret is one
            for each in sorted(paths):
                reason = _by_name(each) or self._by_patterns(each, roots)
                if reason is not None:
                    return reason
            if any(is_ignored_by_git(each) for each in sorted(paths)):
                return "git ignores this file"
        except GitUnsure as unsure:
            return f"git could not say whether this file is ignored: {unsure}"
        except (OSError, ValueError, RuntimeError) as error:
            return f"the ignore rules cannot be read ({type(error).__name__})"
        return None

    def _by_patterns(self, path: str, roots: list[str]) -> str | None:
        for folder in PurePath(path).parents:
            root = str(folder)
            inside = PurePath(path).relative_to(folder).as_posix()
            if root in roots and self._extra.match(inside):
                return "the setting unsay.exclude names it"
            ignore_file = Path(root) / _UNSAYIGNORE
            if ignore_file.is_file():
                lines = ignore_file.read_text(encoding="utf-8").splitlines()
                if IgnorePatterns(lines).match(inside):
                    return f"{ignore_file} names it"
        if self._extra.match(PurePath(path).name):
            return "the setting unsay.exclude names it"
        return None


def _by_name(path: str) -> str | None:
    inside = PurePath(path).as_posix().lower().lstrip("/")
    if _SECRET_NAMES.match(inside):
        return "its name is one that keys and credentials have"
    return None


def _by_content(document: Document) -> str | None:
    text = document.text
    if (document.language_id or "") in _SECRET_LANGUAGES:
        return f"documents of the language '{document.language_id}' stay in the editor"
    if len(text) > MAX_CHARS:
        return f"it is too large (above {MAX_CHARS} characters)"
    if "\0" in text:
        return "it is binary"
    if _PRIVATE_KEY.search(text):
        return "it holds a private key"
    lines = text.split("\n")
    if any(len(line) > MAX_LINE_CHARS for line in lines):
        return f"it has a line of more than {MAX_LINE_CHARS} characters"
    said = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(said) >= 3 and all(_DOTENV_LINE.fullmatch(line) for line in said):
        return "it looks like a file of environment variables"
    return None
