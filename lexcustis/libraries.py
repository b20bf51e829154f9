"""The system libraries that making a PDF needs; the rest of the product works without them."""

from __future__ import annotations

import ctypes
import sys

# What WeasyPrint opens, by the names it looks for on Linux and macOS.
_LIBRARIES = {
    "gobject": ("libgobject-2.0.so.0", "libgobject-2.0.dylib"),
    "pango": ("libpango-1.0.so.0", "libpango-1.0.dylib"),
    "harfbuzz": ("libharfbuzz.so.0", "libharfbuzz.0.dylib"),
    "harfbuzz-subset": ("libharfbuzz-subset.so.0", "libharfbuzz-subset.0.dylib"),
    "fontconfig": ("libfontconfig.so.1", "libfontconfig.1.dylib"),
    "pangoft2": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
}
INSTALL_HINT = (
    "brew install pango"
    if sys.platform == "darwin"
    else "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
)


def missing_pdf_libraries() -> list[str]:
    """The names of the libraries that cannot be opened; empty when PDFs can be made."""
    return [name for name, files in _LIBRARIES.items() if not any(map(_opens, files))]


def _opens(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True
