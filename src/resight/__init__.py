"""resight: person and vehicle re-identification.

The public names stand in `__init__.pyi` and nowhere else: type checkers and editors read them there, and so does this
file, which imports each from its home when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
