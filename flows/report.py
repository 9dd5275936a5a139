"""The month's report of sales as a file, and by mail where somebody is to get it."""

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.tasks import exponential_backoff
from prefect_email import EmailServerCredentials, email_send_message

from lake.config import load
from lake.errors import PermanentFailure
from warehouse.dashboard.report import month_before, write


@task
def write_report(month: str) -> Path:
    """Write the report into `report.folder`. PermanentFailure where the release does not hold the whole month."""
    return write(load(), month, whole=True)


async def _server(name: str) -> EmailServerCredentials:
    try:
        return await EmailServerCredentials.aload(name)
    except ValueError as error:
        raise PermanentFailure(
            f"Prefect has no block email-server-credentials/{name}, which report.mail_to needs: make it in the UI under Blocks, "
            "or empty report.mail_to; the report is written all the same"
        ) from error


@flow(name="report")
async def report(month: str | None = None) -> Path:
    """Write the report of a month, such as 2026-10, of the one before today's unless given; mail it to `report.mail_to`.

    Never that of an earlier month in its place, which somebody would take for the new one.
    """
    settings = load()
    file = write_report(month or month_before(settings))
    get_run_logger().info("report: %s", file)
    if settings.report.mail_to:
        send = email_send_message.with_options(retries=4, retry_delay_seconds=exponential_backoff(5))
        await send(
            subject=f"Cartlake: {file.stem}",
            msg="The report is attached; open it in a browser.",
            email_server_credentials=await _server(settings.report.smtp),
            email_from=settings.report.mail_from or None,
            email_to=list(settings.report.mail_to),
            attachments=[str(file)],
        )
    return file
