"""Links and URLs of the package on an index: absolute if RESIZER_PROJECT_URL has the repository's URL, else as in README.md.

RESIZER_PROJECT_REF is the tag or branch of the links, RESIZER_DOCS_URL the documentation site if there is one. The release
workflow sets them, because it knows where it runs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: Code is no link.
FENCED = re.compile(r"^(```.*?^```)$", re.DOTALL | re.MULTILINE)
#: A path in Markdown or HTML: neither a URL nor an anchor of the page.
RELATIVE = re.compile(r"""(?P<before>\]\(|(?:src|href)=")(?![a-z]+:|[/#])(?P<path>[^)"\s]+)""")
IMAGE = (".webp", ".png", ".jpg", ".svg")


class Links(MetadataHookInterface):
    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        url = os.environ.get("RESIZER_PROJECT_URL", "").rstrip("/")
        if url:
            ref = os.environ.get("RESIZER_PROJECT_REF") or "main"
            text = with_absolute_links(text, url, ref)
            pages = f"{url}/blob/{ref}"
            metadata["urls"] = {
                "Documentation": os.environ.get("RESIZER_DOCS_URL") or f"{pages}/docs/index.md",
                "Changelog": f"{pages}/CHANGELOG.md",
                "Source": url,
                "Issues": f"{url}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_absolute_links(text: str, url: str, ref: str) -> str:
    """Links lead to the repository's pages. Images lead to the files themselves."""

    def replace(match: re.Match[str]) -> str:
        kind = "raw" if match["path"].endswith(IMAGE) else "blob"
        return f"{match['before']}{url}/{kind}/{ref}/{match['path']}"

    parts = FENCED.split(text)
    return "".join(
        part if part.startswith("```") else RELATIVE.sub(replace, part) for part in parts
    )
