"""Finds e-mail addresses of people in a text: not those of roles, examples, hosts or packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.guard.letters import strangeness

_ADDRESS = re.compile(
    r"(?<![\w.+/@:%-])(?P<local>[A-Za-z][\w.+-]{2,40})@(?P<domain>(?:[A-Za-z0-9-]{1,40}\.){1,4}"
    r"(?P<top>[A-Za-z]{2,12}))(?![\w@:/(-]|\.\w)"
)
# RFC 2606 and 6761 reserve these; the rest are what people write when they make one up.
_RESERVED = re.compile(
    r"(?i)(?:^|\.)(?:example|test|invalid|localhost|local|internal|lan|corp|home|arpa)(?:\.|$)"
    r"|^(?:e?mail|domain|company|acme|foo|bar|baz|site|website|server|host|some\w*|your\w*|my\w*"
    r"|abc|xyz|xx+|test\w*|noreply|users\.noreply|mailinator|sentry|ingest|contoso|fabrikam"
    r"|\w*example\w*|[a-z]{1,2})\.[\w.]+$"
)
_ROLE = re.compile(
    r"(?i)^(?:info|support|no-?reply|do-?not-?reply|admin\w*|root|test\w*|user\w*|foo\w*|bar\w*|me"
    r"|you\w*|name|hello|contact|sales|security|abuse|web-?master|post-?master|help\w*|team|dev\w*"
    r"|mail\w*|email\w*|office|press|jobs|billing|git|svn|ssh|ftp|www|bot|robot|daemon|service\w*"
    r"|notif\w*|alerts?|news\w*|list\w*|announce\w*|feedback|bugs?|issues?|community|conduct|legal"
    r"|privacy|opensource|oss|maintainers?|hostmaster|nobody|anonymous|guest|demo\w*|example\w*"
    r"|sample\w*|some\w*|my\w*|abc\w*|xyz\w*|(?:john|jane|joe)[._-]?(?:doe|smith|public|bloggs)?"
    r"|j\.?doe|alice|bob|carol|eve|mallory|acme|firstname\w*|first[._]last|username|.*\[bot\])\d*$"
)
_FILES = re.compile(r"(?i)css|go|html|java|jpg|js|json|lock|md|png|py|rb|rs|sh|svg|ts|txt|yaml|yml")


def personal_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where an address stands whose local part is a person's and whose domain takes mail."""
    for match in _ADDRESS.finditer(text):
        local, domain = match["local"], match["domain"]
        if _FILES.fullmatch(match["top"]) or _RESERVED.search(domain) or _ROLE.match(local):
            continue
        letters = sum(c.isalpha() for c in local)
        # A name is pronounceable; `x7f3q2@` is an identifier, and two letters are initials.
        if letters >= 4 and strangeness(local) < 6.5:
            yield match.start(), match.end()
