"""What papers share: `m2_pipeline` builds M1, codecs and token stores from a config, `m2` says what
M2 is in the library, `language_models` trains on any ids, `weights` keeps what took long, `tables`
has what every table uses.
"""
