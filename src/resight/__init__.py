"""resight: person and vehicle re-identification.

The public names are listed in `__init__.pyi` alone: type checkers and editors read them there, and so does this
file, which imports each name when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
