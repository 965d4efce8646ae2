"""Lighthouse on the gallery, as a telephone and as a desktop: its audits about pictures.

    make bench-lighthouse
    python -m benchmarks.lighthouse /text/

Lighthouse comes from npm, into `var/lighthouse`. Its version 13.5 takes the density of the screen into account. The server
runs as in production, with warm variants. The figures are written to `benchmarks/lighthouse.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.servers import ROOT, ask_for, free_port, manage, running

LIGHTHOUSE = ROOT / "var" / "lighthouse" / "node_modules" / ".bin" / "lighthouse"
OUTPUT = Path(__file__).with_suffix(".json")
PAGES = ("/", "/recipes/", "/placeholders/", "/text/")
FORMS = ("mobile", "desktop")
AUDITS = (
    "image-delivery-insight",
    "unsized-images",
    "lcp-discovery-insight",
    "cumulative-layout-shift",
    "image-aspect-ratio",
    "image-size-responsive",
    "image-alt",
)
FLAGS = "--headless=new --no-sandbox --disable-gpu"


def measure(url: str, form: str) -> dict[str, Any]:
    command = [
        *(LIGHTHOUSE, url, "--quiet", "--output=json", f"--chrome-flags={FLAGS}"),
        f"--only-audits={','.join((*AUDITS, 'largest-contentful-paint'))}",
        *(["--preset=desktop"] if form == "desktop" else []),
    ]
    program = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    environment = os.environ | {"CHROME_PATH": program}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"Lighthouse fails for {url}: {done.stderr.decode()[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """Scores from 0 to 1; None where an audit does not apply. The wasted bytes, the shift, and the milliseconds to the LCP."""
    audits = report["audits"]
    delivery = audits["image-delivery-insight"]["details"]
    return {
        **{name: audits[name]["score"] for name in AUDITS},
        "wasted bytes": sum(one["wastedBytes"] for one in delivery.get("items", ())),
        "shift": audits["cumulative-layout-shift"]["numericValue"],
        "LCP, ms": round(audits["largest-contentful-paint"]["numericValue"]),
    }


def main() -> None:
    found: dict[str, Any] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {}
    with tempfile.TemporaryDirectory() as data:
        address = f"127.0.0.1:{free_port()}"
        environment = {
            "RESIZER_DATA_DIR": data,
            "DJANGO_DEBUG": "0",
            "DJANGO_SECRET_KEY": "for measurements only",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        manage(ROOT, environment, "migrate", "--verbosity", "0")
        manage(ROOT, environment, "load_gallery")
        # Without DEBUG, only `--insecure` serves static files.
        command = [sys.executable, "manage.py", "runserver", "--noreload", "--insecure", address]
        options = {"cwd": ROOT, "env": os.environ | environment}
        with running(command, lambda: ask_for(f"http://{address}/"), **options):
            for page in sys.argv[1:] or PAGES:
                for form in FORMS:
                    # The first visit makes the variants.
                    for _ in range(2):
                        report = measure(f"http://{address}{page}", form)
                    found[f"{page} {form}"] = row = figures(report)
                    print(f"{page} {form}: {row}", flush=True)
    found["lighthouse"] = report["lighthouseVersion"]
    OUTPUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
