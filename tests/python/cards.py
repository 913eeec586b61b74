"""Cards as tests read them: the text, and nothing that a name smuggled in."""

from __future__ import annotations

from html.parser import HTMLParser

EVIL = "<script>alert(1)</script>&\"'"


class Text(HTMLParser):
    """The text of a card, and its tags; what is not closed in order fails."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words = [], set(), []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, _):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " | ".join(self.words)


def read(handle):
    seen = Text(handle._repr_html_())
    assert "script" not in seen.tags
    return seen.text
