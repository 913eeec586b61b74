"""What handles show in a notebook: cards in HTML (`_repr_html_`), and charts (`plot`)."""
