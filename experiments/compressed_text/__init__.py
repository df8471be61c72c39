"""Tables and figures of arXiv 2404.03626, one module each; shared code is named by its idea.

`m2` and `m2_pipeline` train and evaluate a row's language model, `windows` is the plain definition
of a window with the paper's decoder, `rows` what remarks, verdicts and pictures read off rows.
"""
