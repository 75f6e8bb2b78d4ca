"""How the documentation site is built: `make docs`, where every warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

from airflow_channel_provider import __version__  # noqa: E402

project = "airflow-channel-provider"
author = "The airflow-channel-provider maintainers"
project_copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "shared_arguments",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"airflow-channel-provider {__version__}"
html_logo = html_favicon = "integration-logos/channel-talk.svg"
html_copy_source = False
html_show_sourcelink = False
# Nothing on the site is fetched from another host.
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_display_short_literal_types = True
