"""The server's log on stderr: lines for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import time

FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """time (UTC), level, logger, message; of an exception its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("burnish")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
