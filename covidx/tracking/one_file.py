"""A page with its pictures and the pages that it links to, as one file that opens anywhere.

MLflow shows an HTML artifact by itself: beside it there are no pictures and no pages to follow.
"""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

MOST_BYTES = 12_000_000
"""Of the whole file; MLflow's page offers larger ones for download only."""
WIDTH = 900
"""Pixels of a picture at most."""
SMALL_BYTES = 100_000
"""A picture up to this size stays as it is."""
QUALITY = 80
PICTURE = re.compile(r'(<img\b[^>]*?\bsrc=")([^"]+)(")')
LINK = re.compile(r'<a\b[^>]*?\bhref="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL)
BODY = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL)
TOP = '<a id="top"></a>'
NEEDS_FOLDER = re.compile(
    r"<!-- needs its folder -->.*?<!-- end of what needs its folder -->"
    r"|<script\b.*?</script>|<link rel=\"stylesheet\"[^>]*>"
    r"|<meta http-equiv=\"Content-Security-Policy\"[^>]*>",
    re.DOTALL,
)
"""What of a page works beside its scripts alone, and the rule that no other script may run."""
JUMP = """<script>
document.addEventListener("click", event => {
  const link = event.target.closest('a[href^="#"]');
  const target = link && document.getElementById(link.getAttribute("href").slice(1));
  if (target) { event.preventDefault(); target.scrollIntoView(); }
});
</script>"""
"""MLflow shows a page in a frame that may run scripts but follow no link, within itself neither."""
ELSEWHERE = re.compile(r"#|[a-z][a-z0-9+.-]*:")


def single_page(path: Path, most: int = MOST_BYTES) -> str:
    """A page with all that it shows: pictures as thumbnails, linked pages below it.

    Links to those pages lead to their place in the file; other links into the folder become text.
    Of the linked pages the heaviest are left out until the file has at most `most` bytes, and
    their links say so.

    Parameters
    ----------
    path : Path
        The page, with its pictures and the linked pages below its folder.
    most : int
        Bytes of the file.
    """
    page = _alone(path)
    parts: dict[str, str] = {}
    for link, _ in LINK.findall(page):
        place = _place(path.parent, link, path.parent)
        if place is not None and place.suffix == ".html" and place != path.resolve():
            parts.setdefault(link, _part(place, _anchor(link), path.parent))
    main = _with_pictures(page, path.parent, path.parent)
    left_out = set()
    while parts and len(main) + sum(map(len, parts.values())) > most:
        heaviest = max(parts, key=lambda link: len(parts[link]))
        del parts[heaviest]
        left_out.add(heaviest)

    def linked(match: re.Match[str]) -> str:
        link, text = match[1], match[2]
        if link in parts:
            return f'<a href="#{_anchor(link)}">{text}</a>'
        if ELSEWHERE.match(link):
            return match[0]
        why = "left out of this file for its size" if link in left_out else "in the run's folder"
        return f'<span title="{why}">{text}</span>{" (left out)" if link in left_out else ""}'

    main = LINK.sub(linked, main)
    if left_out:
        parts[""] = f"<p>{len(left_out)} linked pages were left out for their size.</p>"
    start, end = main.find("<body"), main.rfind("</body>")
    start = main.find(">", start) + 1
    jump = JUMP if parts else ""
    return main[:start] + TOP + main[start:end] + "\n".join(parts.values()) + jump + main[end:]


def _alone(path: Path) -> str:
    """The text of a page without what needs its folder."""
    return NEEDS_FOLDER.sub("", path.read_text(encoding="utf-8"))


def _part(path: Path, anchor: str, root: Path) -> str:
    """The body of a linked page, with a link back in place of its own."""
    body = BODY.search(_alone(path))
    text = _with_pictures(body[1] if body else "", path.parent, root)

    def back(match: re.Match[str]) -> str:
        if ELSEWHERE.match(match[1]):
            return match[0]
        leads_back = _place(path.parent, match[1], root) not in (None, path.resolve())
        return f'<a href="#top">{match[2]}</a>' if leads_back else match[2]

    return f'<hr><section id="{anchor}">{LINK.sub(back, text)}</section>'


def _with_pictures(text: str, folder: Path, root: Path) -> str:
    def embedded(match: re.Match[str]) -> str:
        place = _place(folder, match[2], root)
        return match[0] if place is None else f"{match[1]}{_data(place)}{match[3]}"

    return PICTURE.sub(embedded, text)


def _place(folder: Path, link: str, root: Path) -> Path | None:
    """The file that a link in `folder` leads to, or None where it is not below `root`."""
    if ELSEWHERE.match(link):
        return None
    path = (folder / unquote(html.unescape(link).partition("#")[0])).resolve()
    return path if path.is_file() and path.is_relative_to(root.resolve()) else None


def _anchor(link: str) -> str:
    return "page-" + re.sub(r"\W+", "-", link.removesuffix("/index.html"))


def _data(path: Path) -> str:
    """A picture as a data URI, no wider than `WIDTH`."""
    data, kind = path.read_bytes(), path.suffix.lstrip(".").replace("jpg", "jpeg")
    if len(data) > SMALL_BYTES and kind in ("png", "jpeg"):
        with Image.open(path) as picture:
            picture.thumbnail((WIDTH, 4 * WIDTH))
            stream = io.BytesIO()
            picture.convert("RGB").save(stream, "JPEG", quality=QUALITY)
        if len(stream.getvalue()) < len(data):
            data, kind = stream.getvalue(), "jpeg"
    kind = "svg+xml" if kind == "svg" else kind
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
