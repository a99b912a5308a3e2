"""What the commands train, eval, predict and generate do.

config      what can be chosen, by options or in a TOML file
corpus      data by name: digits, iris, toys, CSV and NPZ files, folders of IDX files, texts
models      the presets: mlp, cnn, gpt
task        all three put together for training
kept        a saved file as a model again
evaluating, predicting, generating      what it is good for
"""
