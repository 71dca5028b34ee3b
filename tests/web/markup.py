"""A reader of HTML that insists on tags being closed and ids being unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

_EMPTY = {"meta", "link", "input", "br", "hr", "img"}
_SVG_LEAVES = {"path", "rect", "line", "circle"}


class Element:
    """An element: its tag, attributes, children and text."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def __iter__(self) -> Iterator[Element]:
        """The element and everything inside, in order of the document."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Elements inside with this tag and these attributes; `class_` asks for one of the classes."""
        wanted_class = attributes.pop("class_", None)
        return [
            found
            for found in self
            if (not tag or found.tag == tag)
            and all(found.attributes.get(name.replace("_", "-")) == value for name, value in attributes.items())
            and (wanted_class is None or wanted_class in found.classes)
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, [str(element) for element in found])
        return found[0]

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """The words inside, spaces folded; what only a drawing says (`title`) is left out."""
        return " ".join(" ".join(self._words()).split())

    def _words(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in ("title", "script", "style"):
                yield from child._words()

    def __str__(self) -> str:
        return f"<{self.tag} {self.attributes}>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {self.get_starttag_text()}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _SVG_LEAVES | _EMPTY, f"<{tag}/> does not end itself in HTML"
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes {self._open[-1]} at {self.getpos()}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def result(self) -> Element:
        self.close()
        assert len(self._open) == 1, f"never closed: {[str(element) for element in self._open[1:]]}"
        return self.root


def read(html: str) -> Element:
    """The document, or what of it there is."""
    reader = _Reader()
    reader.feed(html)
    root = reader.result()
    ids = Counter(element.attributes["id"] for element in root if "id" in element.attributes)
    assert not [name for name, count in ids.items() if count > 1], ids.most_common(3)
    return root
