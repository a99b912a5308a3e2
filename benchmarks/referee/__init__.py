"""What gradient checkers notice: the referee's cases through ours and through others', and what ours costs.

python -m benchmarks.referee                          both suites, every checker that is installed, the table
python -m benchmarks.referee --only softmax           cases whose name contains it
python -m benchmarks.referee --doc                    also rewrite the table in docs/referee.md

checkers.py   one function a checker: a case in, a Judgement out
workers.py    each in processes of its own, with a limit to the time for a case
tables.py     judgements as a table
cost.py       what gradcheck takes: one loss, the registry
"""
