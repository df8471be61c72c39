"""Tables and figures of arXiv 2404.03626, one module each; shared code is named by its idea.

`setting` builds M1, codecs and token stores from a config, `second_model` trains and evaluates M2,
`windows` is the plain definition of a window with the paper's decoder, `wording` words remarks.
"""
