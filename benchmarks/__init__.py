"""What tinygrad_ce costs, beside hand-written NumPy and beside its peers, measured in one interleaved run.

python -m benchmarks                     every row
python -m benchmarks --only scalar       rows whose name contains it
python -m benchmarks --docs --slow       and rewrite docs/benchmarks.md, .json and .png
python benchmarks/compare.py OLD NEW     two commits beside each other

model.py      a row, its competitors, and what is measured of them: plain data
timing.py     how one row is measured: agreement first, then interleaved rounds
memory.py     bytes instead of seconds
apart.py      each row in a process of its own, with the same number of threads for everyone
report.py     results as tables; machine.py names what they were measured on; docs.py is the page, plot.py its picture
comparing.py  two commits, each in a process of its own (worker.py); commits.py gets them
rows/         the rows themselves, one family a file; rows/peers/ what other libraries do in them
"""
