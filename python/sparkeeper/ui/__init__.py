"""The page that `sparkeeper ui` serves: what goes on below a namespace, as it changes.

`follow` keeps a copy of the namespace and what became of it since (`spans`, `balance`, `history`), `state` makes one
document of all that, and `server` sends it to every browser after each change. Nothing is written to the ensemble.
"""
