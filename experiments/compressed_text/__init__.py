"""Tables and figures of arXiv 2404.03626, one module each; shared code is named by its idea.

`windows` is the plain definition of a window with the paper's decoder, `rows` what remarks,
verdicts and pictures read off rows.
"""
