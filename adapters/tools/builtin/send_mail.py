"""Sending mail, into a local outbox folder. Not idempotent, on purpose: real mail is not either."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated

from pydantic import Field

from adapters.tools.python import ToolContext

Address = Annotated[str, Field(json_schema_extra={"format": "email"})]


def send_mail(context: ToolContext, to: Address, subject: str, body: str) -> str:
    """Send a mail. It cannot be taken back.

    Args:
        to: The address of the recipient.
        subject: The subject, one line.
        body: The text of the mail.
    """
    mail = EmailMessage()
    mail["To"], mail["From"], mail["Subject"] = to, "fermata@localhost", subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail.set_content(body)
    outbox = context.data_dir / "outbox"
    outbox.mkdir(parents=True, exist_ok=True)
    path = outbox / f"{re.sub(r'[^A-Za-z0-9-]+', '_', context.idempotency_key)[:120]}.eml"
    path.write_bytes(mail.as_bytes())
    return f"Sent to {to} (outbox/{path.name})."
