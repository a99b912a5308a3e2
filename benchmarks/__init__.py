"""What tinygrad_ce costs, beside hand-written NumPy and beside its peers, measured in one interleaved run.

python -m benchmarks                     every row, about two minutes
python -m benchmarks --only scalar       rows whose name matches
python -m benchmarks --readme            also rewrite the table in benchmarks/README.md

model.py      a row, its competitors, and what is measured of them: plain data
timing.py     how one row is measured: agreement first, then interleaved rounds
apart.py      each row in a process of its own, with the same number of threads for everyone
report.py     results as a table; machine.py names what they were measured on; readme.py puts them there
rows/         the rows themselves, one family a file
"""
