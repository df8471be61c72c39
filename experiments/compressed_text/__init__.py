"""Tables and figures of arXiv 2404.03626, one module each; shared code is named by its idea.

`m2_pipeline` builds M1, codecs and token stores from a config, `m2` says what M2 is in the library,
`windows` is the plain definition of a window with the paper's decoder, `wording` words remarks.
"""
