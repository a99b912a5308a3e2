"""How `prove` proves (prove.py, one level up).

subject.py      what there is to prove: function, rule, kinds of inputs
symbols.py      symbols that know their value at a point, so that code can branch; the regions where it branches alike
regions.py      are these all the regions there are?
pieces.py       function and rule on symbols, in every region
identity.py     is an expression zero?
argument.py     from the pieces to theorems
theorem.py      theorems as data and text
"""
