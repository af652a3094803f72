"""What MkDocs asks for while it builds: the pages that are written from the code, never committed."""

import re
from typing import Any

from mkdocs.structure.files import File, Files
from written import keys, measured, models, notebooks, verbs

_ROLE = re.compile(r":\w+:<code>~?([^<]+)</code>")


def on_config(config: Any) -> Any:
    """Add them to the menu, behind the pages that people wrote."""
    config.nav += [{"Models": models.menu()}, {"Reference": keys.menu()}]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages to those of docs/."""
    pictures = {file.src_uri for file in files if file.src_uri.startswith("pictures/")}
    rows = measured.rows()
    pages = {**keys.pages(), **verbs.pages(), **models.pages(pictures, rows), **notebooks.pages()}
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Roles of docstrings (``:func:`` ...) that mkdocstrings leaves as they are: the name alone."""
    return _ROLE.sub(r"<code>\1</code>", html)
