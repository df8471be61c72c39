"""Solving substitution ciphers with letter n-grams, without a neural network.

`climb.solve` is the one to use for one-to-one keys: annealed hill climbing with restarts.
`homophones` solves keys with several symbols a letter, `affine` tries the keys that keep the
alphabet's order, `cribs` places known words. `reference` has what `climb` is
compared with: `frequency`, `metropolis` (Diaconis 2009) and `beam_search` (Nuhn et al. 2013). All
take a text of cipher symbols, int32 [L] with -1 where a clear space stands, and a letter model, and
return a `problem.Solution`.
"""
