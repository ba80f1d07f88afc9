"""Generated messages of the Event family, from `proto/*.proto` by `proto/generate.py`. Do not edit by hand.

Knows: field names and numbers. Must not know: anything else. Not imported by `import eventwriter`; the first
structured value imports what it needs.
"""
