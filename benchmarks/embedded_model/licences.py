"""Which licences a package may state for its sources to be used; judged by its metadata."""

import re
from email.message import Message

PERMISSIVE = {
    "MIT": re.compile(r"\bMIT\b|\bExpat\b", re.I),
    "BSD": re.compile(r"\bBSD\b", re.I),
    "Apache": re.compile(r"\bApache\b", re.I),
    "ISC": re.compile(r"\bISC\b|\bISCL\b", re.I),
    "PSF": re.compile(r"\bPSF\b|Python Software Foundation|\bmatplotlib\b", re.I),
}
REFUSED = re.compile(
    r"GPL|General Public|Mozilla|\bMPL|Proprietary|Commercial|Non-?commercial", re.I
)
# A License field may hold the whole licence; its title is enough and its body names other licences.
TITLE_CHARS = 120


def permissive_licence(metadata: Message) -> str | None:
    """The permissive licence that METADATA states; None for no licence or a stricter one."""
    stated = [c for c in metadata.get_all("Classifier", []) if str(c).startswith("License ::")]
    for field in ("License-Expression", "License"):
        stated.append(str(metadata.get(field, ""))[:TITLE_CHARS])
    text = "\n".join(map(str, stated))
    if REFUSED.search(text):
        return None
    found = [name for name, pattern in PERMISSIVE.items() if pattern.search(text)]
    return " / ".join(found) or None
