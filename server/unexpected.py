"""Writes down errors that nobody foresaw, without the texts that were being worked on."""

from __future__ import annotations

import logging
import secrets
import traceback

LOG = logging.getLogger("unsay.server")


def log_unexpected(error: BaseException) -> str:
    """A reference under which the place of the error stands in the log.

    The error's message is left out: it may quote a prompt or a file.
    """
    reference = secrets.token_hex(4)
    where = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("unexpected error %s: %s\n%s", reference, type(error).__name__, where)
    return reference
