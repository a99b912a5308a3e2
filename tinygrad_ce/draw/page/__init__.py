"""The interactive page: `tg.explore(v, "graph.html")`.

    explore(v, path)    the page of a graph; written where there is a path
    data.py             what the page is told: the graph with every op opened, and each derivation's sweep
    agreement.py        how many digits of two sweeps' gradients agree
    html.py             one file of it: no network, no server, a strict Content-Security-Policy

The page itself is page.html, page.css and six scripts, in the order of `html.SCRIPTS`.
"""

from .exploration import Exploration, explore

__all__ = ["Exploration", "explore"]
