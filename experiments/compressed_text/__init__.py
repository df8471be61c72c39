"""Tables and figures of arXiv 2404.03626, one module each; shared code is named by its idea.

`windows` is the plain definition of a window with the paper's decoder, `verdict_parts` what its
claims are judged by.
"""
