"""A plain Flask application: it knows nothing of telemetry."""

import logging
import os

from flask import Flask

logging.basicConfig(level=logging.INFO)
app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str) -> str:
    app.logger.info("saying hello to %s", name)
    return f"Hello, {name}!\n"


if __name__ == "__main__":
    app.run(host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8080")))
