"""What papers share: `compressors` builds M1 and codecs, `language_models` trains on any ids,
`weights` keeps what took long, `tables` has what every table uses.
"""
